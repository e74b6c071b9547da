/**
 * Runs the `sh` blocks of a page as its reader types them: one after the other in one bash, word for word. What the page
 * shows as `text` behind a block must come out of it. It must not know any page.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface Block {
  /** The heading above it. */
  readonly heading: string;
  readonly commands: string;
  /** Lines that the page shows as what comes out; `…` stands for any text. */
  readonly shown: readonly string[];
}

/** The `sh` blocks of a page, each with the `text` block behind it. */
export function blocksOf(page: string): readonly Block[] {
  const blocks: { heading: string; commands: string; shown: string[] }[] = [];
  let heading = '';
  for (const [, title, kind, text = ''] of page.matchAll(/^## (.*)$|^```(sh|text)\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    else if (kind === 'sh') blocks.push({ heading, commands: text.trim(), shown: [] });
    else blocks.at(-1)?.shown.push(...text.split('\n').filter((line) => line.trim() !== ''));
  }
  return blocks;
}

/** The first of the lines that does not come in its turn in the output, or `null`. */
export function missingLine({ shown }: Block, output: string): string | null {
  let rest = output;
  for (const line of shown) {
    const pattern = line.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll('…', '.*');
    const found = new RegExp(`^${pattern}\\s*$`, 'm').exec(rest);
    if (found === null) return line;
    rest = rest.slice(found.index + found[0].length);
  }
  return null;
}

export interface Ended {
  readonly code: number;
  readonly output: string;
}

/** One bash, in a folder of its own. */
export class PageShell {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #bash: ChildProcess;
  #output = '';
  #turn = 0;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = env;
    this.#bash = this.#spawn(['--noprofile', '--norc']);
    for (const stream of [this.#bash.stdout, this.#bash.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
  }

  /** Runs the commands; what they leave running goes on. */
  async run(commands: string): Promise<Ended> {
    const mark = `::end-${++this.#turn}::`;
    this.#output = '';
    this.#bash.stdin?.write(`${commands}\nended=$?; export -p > .exported; echo "${mark}$ended::"\n`);
    for (;;) {
      const end = new RegExp(`${mark}(\\d+)::`).exec(this.#output);
      if (end !== null) return { code: Number(end[1]), output: this.#output.slice(0, end.index) };
      if (this.#bash.stdout === null || this.#bash.exitCode !== null) throw new Error(`bash ended: ${this.#output}`);
      await once(this.#bash.stdout, 'data');
    }
  }

  /** A command that goes on until its reader has seen enough and presses Ctrl-C; asked with everything that comes out. */
  async watch(command: string, enough: () => Promise<boolean>): Promise<Ended> {
    const child = this.#spawn(['-c', `source .exported; exec ${command}`]);
    let output = '';
    let asking = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (asking) return;
        asking = true;
        enough().then(
          (seen) => {
            if (seen) child.kill('SIGINT');
            asking = false;
          },
          () => child.kill('SIGKILL'),
        );
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code: code ?? -1, output };
  }

  async close(): Promise<void> {
    if (this.#bash.exitCode !== null) return;
    const ended = once(this.#bash, 'close');
    this.#bash.stdin?.end('kill $(jobs -p) 2> /dev/null; wait\n');
    await ended;
  }

  #spawn(args: readonly string[]): ChildProcess {
    const bin = join(this.#folder, 'bin');
    const env = { ...this.#env, PATH: `${bin}:${process.env['PATH']}` };
    return spawn('bash', [...args], { cwd: this.#folder, env, stdio: 'pipe' });
  }
}
