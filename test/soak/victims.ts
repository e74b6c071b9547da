/**
 * Processes of s3compact as an operator runs them, to be killed: a pool of workers that is started again whenever it ends,
 * and commands that are started again when they were killed. It follows what they log. It must not choose whom to hit.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
const LAST_LINES = 5;
const EXIT_LATER = 3;
const KIB = 1024;

export const COUNTS = {
  started: 'pools started',
  workersKilled: 'worker processes killed (SIGKILL)',
  poolsKilled: 'pools killed with their main process',
  scansKilled: 'scans killed',
  runs: 'runs that ended (as logged)',
  chunks: 'chunks compacted (as logged)',
  retries: 'runs that will be tried again (as logged)',
  records: 'reap records done (as logged)',
  deleted: 'objects deleted (as logged)',
} as const;
export type CountName = keyof typeof COUNTS;

interface LogLine {
  readonly event?: string;
  readonly deleted?: number;
  readonly chunksCompacted?: number;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly lines: string[];
  /** Since then it listens to SIGTERM. */
  readonly started: Promise<void>;
  readonly onStarted: () => void;
  ending: boolean;
}

export interface Ending {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The most memory that it ever held. */
  readonly rssBytes: number;
}

export class Victims {
  readonly counts = new Map<CountName, number>();
  readonly faults: string[] = [];
  readonly #env: Readonly<Record<string, string>>;
  readonly #processes: number;
  #pool: Running | undefined;
  #wanted = false;
  readonly #seen = new Set<number>();
  /** The most memory that any worker process held. */
  workerRssBytes = 0;
  readonly #onExit = (): void => this.#killAll();

  constructor(env: Readonly<Record<string, string>>, processes: number) {
    this.#env = env;
    this.#processes = processes;
    process.on('exit', this.#onExit);
  }

  of(name: CountName): number {
    return this.counts.get(name) ?? 0;
  }

  add(name: CountName, count = 1): void {
    this.counts.set(name, this.of(name) + count);
  }

  /** Starts the pool, and starts it again whenever it ends, as Kubernetes would. */
  keepPool(): void {
    this.#wanted = true;
    const pool = this.#spawn(['worker', '--processes', `${this.#processes}`]);
    this.#pool = pool;
    this.add('started');
    void pool.ended.then(() => {
      const { exitCode, signalCode } = pool.child;
      // 3: its processes died again and again; with us around they do.
      const wrong = !pool.ending && exitCode !== EXIT_LATER;
      if (wrong) this.#wanted = false;
      if (wrong) this.faults.push(`the pool ended by itself with ${exitCode ?? signalCode}: ${pool.lines.join(' | ')}`);
      if (this.#wanted && this.#pool === pool) this.keepPool();
    });
  }

  /** The worker processes of the pool. */
  get workers(): readonly number[] {
    const pid = this.#pool?.child.pid;
    const pids = pid === undefined ? [] : childrenOf(pid);
    for (const one of pids) this.#seen.add(one);
    return pids;
  }

  /** Worker processes that were ever seen and are still there; those of a killed pool have to end by themselves. */
  get survivors(): readonly number[] {
    return [...this.#seen].filter((pid) => textOf(`/proc/${pid}/cmdline`).includes('pool-child'));
  }

  killWorker(pid: number): void {
    if (kill(pid)) this.add('workersKilled');
  }

  killPool(): void {
    if (this.#pool === undefined) return;
    this.#pool.ending = true;
    if (this.#pool.child.kill('SIGKILL')) this.add('poolsKilled');
  }

  /** Notes how much memory workers hold. */
  measure(): void {
    for (const pid of this.workers) this.workerRssBytes = Math.max(this.workerRssBytes, rssMostOf(pid));
  }

  /** SIGTERM; the pool has to end well. */
  async stopPool(deadlineMs: number): Promise<void> {
    this.#wanted = false;
    const pool = this.#pool;
    if (pool === undefined) return;
    const timer = setTimeout(() => pool.child.kill('SIGKILL'), deadlineMs);
    await Promise.race([pool.started, pool.ended]);
    pool.ending = true;
    pool.child.kill('SIGTERM');
    await pool.ended;
    clearTimeout(timer);
    if (pool.child.exitCode !== 0)
      this.faults.push(`the pool ended on SIGTERM with ${pool.child.exitCode ?? pool.child.signalCode}`);
    this.#pool = undefined;
  }

  /** A command to its end; `kills` times it is killed after `killAfterMs` and started again. */
  async command(
    args: readonly string[],
    kills: { readonly count: number; readonly afterMs: number } = { count: 0, afterMs: 0 },
  ): Promise<Ending> {
    for (let left = kills.count; left > 0; left--) {
      const early = this.#spawn(args);
      const timer = setTimeout(() => {
        if (early.child.kill('SIGKILL')) this.add('scansKilled');
      }, kills.afterMs);
      await early.ended;
      clearTimeout(timer);
    }
    const { child, ended, lines } = this.#spawn(args);
    let stdout = '';
    child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()));
    let rssBytes = 0;
    const timer = setInterval(() => (rssBytes = Math.max(rssBytes, rssMostOf(child.pid ?? 0))), 100);
    await ended;
    clearInterval(timer);
    return { exitCode: child.exitCode, stdout, stderr: lines.join('\n'), rssBytes };
  }

  /** Whatever still runs goes. */
  async close(): Promise<void> {
    this.#wanted = false;
    const pool = this.#pool;
    this.#killAll();
    await pool?.ended;
    process.off('exit', this.#onExit);
  }

  #killAll(): void {
    this.#wanted = false;
    this.#pool?.child.kill('SIGKILL');
    for (const pid of this.survivors) kill(pid);
  }

  #spawn(args: readonly string[]): Running {
    const child = spawn(process.execPath, [COMMAND, ...args], {
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { promise: started, resolve: onStarted } = Promise.withResolvers<void>();
    const running: Running = { child, ended: once(child, 'close'), lines: [], started, onStarted, ending: false };
    if (args[0] === 'worker') child.stdout?.resume();
    createInterface({ input: child.stderr ?? process.stdin }).on('line', (line) => this.#read(running, line));
    return running;
  }

  #read({ lines, onStarted }: Running, text: string): void {
    lines.push(text);
    if (lines.length > LAST_LINES) lines.shift();
    const { event, deleted = 0, chunksCompacted = 0 } = parse(text);
    if (event === 'pool.started') onStarted();
    if (event === 'job.done') {
      this.add('runs');
      this.add('chunks', chunksCompacted);
    } else if (event === 'job.retry') this.add('retries');
    else if (event === 'reap.deleted') {
      this.add('records');
      this.add('deleted', deleted);
    } else if (event === 'inode.quarantined' || event === 'job.failed') this.faults.push(text);
  }
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] {
  return textOf(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((one) => one !== '')
    .map(Number);
}

function rssMostOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0) * KIB;
}

/** Empty for a process that is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** A process that is killed may leave half a line. */
function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return {};
  }
}
