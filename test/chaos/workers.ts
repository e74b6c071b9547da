/**
 * Workers as an operator runs them, single processes and pools of two, to be killed and paused: of a pool sometimes the
 * main process, sometimes one of those under it. It follows what they log, for the counts and for what must never be
 * logged, and it notices a worker that ends by itself. It must not choose whom to hit, or when.
 */
import { CommandProcess, EXIT_LATER, type LogLine, sendSignal } from '../kit/support/command-process.ts';
import { JOB_TRIES } from './settings.ts';
import type { CountName, Tally } from './tally.ts';

/** Processes of a pool; each has fewer jobs than a worker alone, so that the load stays the same. */
const POOL = { S3COMPACT_PROCESSES: '2', S3COMPACT_CONCURRENCY: '2' };
/** Of the kills of a pool, those that hit its main process. */
const MAIN_KILLED_SHARE = 0.25;
/** What a pool logs before it gives up because its processes die again and again: here they are killed. */
const GAVE_UP = 'process-died';

class Running extends CommandProcess {
  /** A pool of processes. */
  readonly pool: boolean;
  /** It has said that it works; before that it does not listen to SIGTERM. */
  started = false;
  paused = false;
  /** Of a pool, while it is paused: the process that is. */
  pausedPid: number | undefined;

  constructor(pool: boolean, env: Readonly<Record<string, string>>, onLine: (line: LogLine, text: string) => void) {
    super({ args: ['worker'], env: { ...env, ...(pool ? POOL : {}) }, onLine, leavesChildren: pool });
    this.pool = pool;
  }

  /** Of a pool, those under its main process. */
  get processes(): readonly number[] {
    return this.pool ? this.children : [];
  }
}

export class WorkerPool {
  readonly #env: Readonly<Record<string, string>>;
  readonly #tally: Tally;
  /** One worker in so many is a pool of processes; the first is one only if all are. */
  readonly #poolEvery: number;
  readonly #running = new Set<Running>();
  #wanted = 0;
  /** Workers would outlive us and wait for a Redis that is gone. */
  readonly #onExit = (): void => {
    for (const { child } of this.#running) child.kill('SIGKILL');
  };

  constructor(env: Readonly<Record<string, string>>, tally: Tally, poolEvery: number) {
    this.#env = env;
    this.#tally = tally;
    this.#poolEvery = poolEvery;
    process.on('exit', this.#onExit);
  }

  /** Keeps this many running, whatever happens to them. */
  keep(count: number): void {
    this.#wanted = count;
    while (this.#running.size < count) this.#start();
  }

  /** Those that can be hit. */
  get awake(): readonly Running[] {
    return [...this.#running].filter(({ paused, ending }) => !paused && !ending);
  }

  get all(): readonly Running[] {
    return [...this.#running].filter(({ ending }) => !ending);
  }

  /** `chance` is in [0, 1): which process of a pool dies, mostly one under the main one. */
  async kill(worker: Running, chance: number): Promise<void> {
    const pids = worker.processes;
    if (worker.pool && chance >= MAIN_KILLED_SHARE) {
      const pid = pids[Math.floor(((chance - MAIN_KILLED_SHARE) / (1 - MAIN_KILLED_SHARE)) * pids.length)];
      // None yet: it is still starting.
      if (pid === undefined) return;
      this.#tally.add('processKills');
      sendSignal(pid, 'SIGKILL');
      return;
    }
    worker.ending = true;
    worker.child.kill('SIGKILL');
    // Those of its processes that we had paused must see that they are alone.
    for (const orphan of pids) sendSignal(orphan, 'SIGCONT');
    this.#tally.add('kills');
    await worker.ended;
  }

  pause(worker: Running, chance: number): void {
    worker.paused = true;
    const pids = worker.processes;
    worker.pausedPid = pids[Math.floor(chance * pids.length)];
    if (worker.pausedPid === undefined) worker.child.kill('SIGSTOP');
    else sendSignal(worker.pausedPid, 'SIGSTOP');
  }

  resume(worker: Running): void {
    worker.paused = false;
    if (worker.pausedPid === undefined) worker.child.kill('SIGCONT');
    else sendSignal(worker.pausedPid, 'SIGCONT');
  }

  /** SIGTERM to all; a worker that does not end well is a violation. */
  async drain(deadlineMs: number): Promise<void> {
    this.#wanted = 0;
    await Promise.all(
      [...this.#running].map(async (worker) => {
        worker.ending = true;
        if (worker.paused) this.resume(worker);
        await worker.stop(deadlineMs);
        if (worker.started && worker.child.exitCode !== 0)
          this.#tally.violate(`a worker ended on SIGTERM with ${worker.exit}: ${worker.lines.join(' | ')}`);
      }),
    );
  }

  /** Whatever still runs goes. */
  async close(): Promise<void> {
    this.#wanted = 0;
    for (const worker of this.#running) {
      worker.ending = true;
      for (const pid of worker.processes) sendSignal(pid, 'SIGKILL');
      worker.child.kill('SIGKILL');
    }
    await Promise.all([...this.#running].map(({ ended }) => ended));
    process.off('exit', this.#onExit);
  }

  #start(): void {
    const pools = [...this.#running].filter((one) => one.pool).length;
    const pool = this.#poolEvery === 1 || this.#poolEvery * pools < this.#running.size;
    const worker: Running = new Running(pool, this.#env, (line, text) => this.#read(worker, line, text));
    this.#running.add(worker);
    this.#tally.add('starts');
    void worker.ended.then(() => this.#ended(worker));
  }

  #ended(worker: Running): void {
    this.#running.delete(worker);
    if (!worker.ending) {
      const { exitCode } = worker.child;
      if (exitCode === EXIT_LATER && !worker.started) this.#tally.add('startsRefused');
      else if (exitCode === EXIT_LATER && worker.lines.some((line) => line.includes(GAVE_UP)))
        this.#tally.add('gaveUp');
      else this.#tally.violate(`a worker ended by itself with ${worker.exit}: ${worker.lines.join(' | ')}`);
    }
    this.keep(this.#wanted);
  }

  #read(worker: Running, line: LogLine, text: string): void {
    if (line.event === 'worker.started') worker.started = true;
    if (line.event === 'inode.quarantined') this.#tally.violate(`an inode was quarantined: ${text}`);
    if (line.event === 'reap.deleted') {
      this.#tally.add('records');
      this.#tally.add('deleted', line.deleted ?? 0);
    }
    if (line.event === 'job.done' || line.event === 'job.retry') {
      this.#tally.add('jobs');
      if (line.event === 'job.retry') this.#tally.add(setbackOf(line));
      if (endedBusy(line)) this.#tally.add('busyEnded');
      this.#tally.add('commits', line.chunksCompacted ?? 0);
      this.#tally.add('mergedPuts', line.cost?.writeRequests ?? 0);
    }
    if (line.event === 'job.failed') this.#tally.say(`job failed: ${text}`);
    if (line.event === 'reap.looked') this.#tally.add('looks');
    if (line.event === 'reap.doubt') this.#tally.add('doubts');
    if (line.event === 'reap.doubt' && line.msg?.includes('cannot be read')) this.#tally.violate(text);
  }
}

/** The job is given up, and its file left to the next scan. */
function endedBusy({ code, lookAgainMs, try: tries = 0 }: LogLine): boolean {
  return code === 'inode-busy' && lookAgainMs === undefined && tries >= JOB_TRIES;
}

function setbackOf({ outcome, code }: LogLine): CountName {
  if (outcome === 'conflict' || outcome === 'stale') return 'conflicts';
  if (outcome === 'unknown') return 'unknowns';
  if (code === 'inode-busy') return 'busy';
  return code === 'lease-expired' ? 'leases' : 'failures';
}
