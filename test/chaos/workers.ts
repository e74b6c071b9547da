/**
 * Worker processes as an operator runs them, to be killed and paused. It follows what they log, for the counts and for
 * what must never be logged, and it notices a worker that ends by itself. It must not choose whom to hit, or when.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CountName, Tally } from './tally.ts';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
/** Lines of a worker that are kept to explain its end. */
const LAST_LINES = 5;
/** `later`: nothing is wrong with the settings, a server was not there. */
const EXIT_LATER = 3;

interface Running {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly ended: Promise<unknown>;
  /** It has said that it works; before that it does not listen to SIGTERM. */
  started: boolean;
  paused: boolean;
  /** We ended it. */
  condemned: boolean;
}

/** What we read of a log line. */
interface LogLine {
  readonly event?: string;
  readonly level?: number | string;
  readonly msg?: string;
  readonly outcome?: string;
  readonly code?: string;
  readonly chunksCompacted?: number;
  readonly deleted?: number;
  readonly cost?: { readonly writeRequests: number };
}

export class WorkerPool {
  readonly #env: Readonly<Record<string, string>>;
  readonly #tally: Tally;
  readonly #running = new Set<Running>();
  #wanted = 0;
  /** Workers would outlive us and wait for a Redis that is gone. */
  readonly #onExit = (): void => {
    for (const { child } of this.#running) child.kill('SIGKILL');
  };

  constructor(env: Readonly<Record<string, string>>, tally: Tally) {
    this.#env = env;
    this.#tally = tally;
    process.on('exit', this.#onExit);
  }

  /** Keeps this many running, whatever happens to them. */
  keep(count: number): void {
    this.#wanted = count;
    while (this.#running.size < count) this.#start();
  }

  /** Those that can be hit. */
  get awake(): readonly Running[] {
    return [...this.#running].filter(({ paused, condemned }) => !paused && !condemned);
  }

  get all(): readonly Running[] {
    return [...this.#running].filter(({ condemned }) => !condemned);
  }

  async kill(worker: Running): Promise<void> {
    worker.condemned = true;
    worker.child.kill('SIGKILL');
    this.#tally.add('kills');
    await worker.ended;
  }

  pause(worker: Running): void {
    worker.paused = true;
    worker.child.kill('SIGSTOP');
  }

  resume(worker: Running): void {
    worker.paused = false;
    worker.child.kill('SIGCONT');
  }

  /** SIGTERM to all; a worker that does not end well is a violation. */
  async drain(deadlineMs: number): Promise<void> {
    this.#wanted = 0;
    await Promise.all(
      [...this.#running].map(async (worker) => {
        worker.condemned = true;
        if (worker.paused) this.resume(worker);
        worker.child.kill('SIGTERM');
        const timer = setTimeout(() => worker.child.kill('SIGKILL'), deadlineMs);
        await worker.ended;
        clearTimeout(timer);
        const { exitCode, signalCode } = worker.child;
        if (worker.started && exitCode !== 0)
          this.#tally.violate(`a worker ended on SIGTERM with ${exitCode ?? signalCode}`);
      }),
    );
  }

  /** Whatever still runs goes. */
  async close(): Promise<void> {
    this.#wanted = 0;
    for (const worker of this.#running) {
      worker.condemned = true;
      worker.child.kill('SIGKILL');
    }
    await Promise.all([...this.#running].map(({ ended }) => ended));
    process.off('exit', this.#onExit);
  }

  #start(): void {
    const env = { ...process.env, ...this.#env };
    const child = spawn(process.execPath, [COMMAND, 'worker'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const worker: Running = {
      child,
      lines: [],
      ended: once(child, 'close'),
      started: false,
      paused: false,
      condemned: false,
    };
    this.#running.add(worker);
    this.#tally.add('starts');
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => this.#read(worker, line));
    void worker.ended.then(() => this.#ended(worker));
  }

  #ended(worker: Running): void {
    this.#running.delete(worker);
    if (!worker.condemned) {
      const { exitCode, signalCode } = worker.child;
      if (exitCode === EXIT_LATER && !worker.started) this.#tally.add('startsRefused');
      else this.#tally.violate(`a worker ended by itself with ${exitCode ?? signalCode}: ${worker.lines.join(' | ')}`);
    }
    this.keep(this.#wanted);
  }

  #read(worker: Running, text: string): void {
    worker.lines.push(text);
    if (worker.lines.length > LAST_LINES) worker.lines.shift();
    const line = parse(text);
    if (line.event === 'worker.started') worker.started = true;
    if (line.event === 'inode.quarantined') this.#tally.violate(`an inode was quarantined: ${text}`);
    if (line.event === 'reap.deleted') {
      this.#tally.add('records');
      this.#tally.add('deleted', line.deleted ?? 0);
    }
    if (line.event === 'job.done' || line.event === 'job.retry') {
      this.#tally.add('jobs');
      if (line.event === 'job.retry') this.#tally.add(setbackOf(line));
      this.#tally.add('commits', line.chunksCompacted ?? 0);
      this.#tally.add('mergedPuts', line.cost?.writeRequests ?? 0);
    }
    if (line.event === 'job.failed') this.#tally.say(`job failed: ${text}`);
    if (line.event === 'reap.looked') this.#tally.add('looks');
    if (line.event === 'reap.doubt') this.#tally.add('doubts');
    if (line.event === 'reap.doubt' && line.msg?.includes('cannot be read')) this.#tally.violate(text);
  }
}

function setbackOf({ outcome, code }: LogLine): CountName {
  if (outcome === 'conflict' || outcome === 'stale') return 'conflicts';
  if (outcome === 'unknown') return 'unknowns';
  return code === 'lease-expired' ? 'leases' : 'failures';
}

/** A worker that is killed may leave half a line. */
function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return {};
  }
}
