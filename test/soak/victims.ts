/**
 * Processes of s3compact as an operator runs them, to be killed: a pool of workers that is started again whenever it ends,
 * and commands that are started again when they were killed. It follows what they log. It must not choose whom to hit.
 */
import {
  CommandProcess,
  EXIT_LATER,
  isRunning,
  type LogLine,
  peakRssBytes,
  sendSignal,
} from '../kit/support/command-process.ts';

/** Between two looks at how much memory a command holds. */
const RSS_EVERY_MS = 100;

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
  #pool: CommandProcess | undefined;
  /** Since then the pool listens to SIGTERM. */
  #started = Promise.withResolvers<void>();
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
    this.#started = Promise.withResolvers<void>();
    const pool = this.#spawn(['worker', '--processes', `${this.#processes}`]);
    this.#pool = pool;
    this.add('started');
    void pool.ended.then(() => {
      const { exitCode } = pool.child;
      // 3: its processes died again and again; with us around they do.
      const wrong = !pool.ending && exitCode !== EXIT_LATER;
      if (wrong) this.#wanted = false;
      if (wrong) this.faults.push(`the pool ended by itself with ${pool.exit}: ${pool.lines.join(' | ')}`);
      if (this.#wanted && this.#pool === pool) this.keepPool();
    });
  }

  /** The worker processes of the pool. */
  get workers(): readonly number[] {
    const pids = this.#pool?.children ?? [];
    for (const one of pids) this.#seen.add(one);
    return pids;
  }

  /** Worker processes that were ever seen and are still there; those of a killed pool have to end by themselves. */
  get survivors(): readonly number[] {
    return [...this.#seen].filter((pid) => isRunning(pid, 'pool-child'));
  }

  killWorker(pid: number): void {
    if (sendSignal(pid, 'SIGKILL')) this.add('workersKilled');
  }

  killPool(): void {
    if (this.#pool === undefined) return;
    this.#pool.ending = true;
    if (this.#pool.child.kill('SIGKILL')) this.add('poolsKilled');
  }

  /** Notes how much memory workers hold. */
  measure(): void {
    for (const pid of this.workers) this.workerRssBytes = Math.max(this.workerRssBytes, peakRssBytes(pid));
  }

  /** SIGTERM; the pool has to end well. */
  async stopPool(deadlineMs: number): Promise<void> {
    this.#wanted = false;
    const pool = this.#pool;
    if (pool === undefined) return;
    const timer = setTimeout(() => pool.child.kill('SIGKILL'), deadlineMs);
    await Promise.race([this.#started.promise, pool.ended]);
    await pool.stop(deadlineMs);
    clearTimeout(timer);
    if (pool.child.exitCode !== 0) this.faults.push(`the pool ended on SIGTERM with ${pool.exit}`);
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
    const command = this.#spawn(args);
    const { child, lines } = command;
    let rssBytes = 0;
    const timer = setInterval(() => (rssBytes = Math.max(rssBytes, peakRssBytes(child.pid ?? 0))), RSS_EVERY_MS);
    await command.ended;
    clearInterval(timer);
    return { exitCode: child.exitCode, stdout: command.stdout, stderr: lines.join('\n'), rssBytes };
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
    for (const pid of this.survivors) sendSignal(pid, 'SIGKILL');
  }

  #spawn(args: readonly string[]): CommandProcess {
    return new CommandProcess({ args, env: this.#env, onLine: (line, text) => this.#read(line, text) });
  }

  #read({ event, deleted = 0, chunksCompacted = 0 }: LogLine, text: string): void {
    if (event === 'pool.started') this.#started.resolve();
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
