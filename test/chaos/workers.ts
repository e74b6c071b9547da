/**
 * Workers as an operator runs them, single processes and pools of two, to be killed and paused: of a pool sometimes the
 * main process, sometimes one of those under it. It follows what they log, for the counts and for what must never be
 * logged, and it notices a worker that ends by itself. It must not choose whom to hit, or when.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ATTEMPTS } from './settings.ts';
import type { CountName, Tally } from './tally.ts';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
/** Lines of a worker that are kept to explain its end. */
const LAST_LINES = 5;
/** `later`: nothing is wrong with the settings, a server was not there. */
const EXIT_LATER = 3;

/** Processes of a pool; each has fewer jobs than a worker alone, so that the load stays the same. */
const POOL = { S3COMPACT_PROCESSES: '2', S3COMPACT_CONCURRENCY: '2' };
/** Of the kills of a pool, those that hit its main process. */
const MAIN_KILLED_SHARE = 0.25;
/** What a pool logs before it gives up because its processes die again and again: here they are killed. */
const GAVE_UP = 'process-died';

interface Running {
  readonly child: ChildProcess;
  /** A pool of processes. */
  readonly pool: boolean;
  readonly lines: string[];
  readonly ended: Promise<unknown>;
  /** It has said that it works; before that it does not listen to SIGTERM. */
  started: boolean;
  paused: boolean;
  /** Of a pool, while it is paused: the process that is. */
  pausedPid: number | undefined;
  /** We ended it. */
  ending: boolean;
}

/** What we read of a log line. */
interface LogLine {
  readonly event?: string;
  readonly level?: number | string;
  readonly msg?: string;
  readonly outcome?: string;
  readonly code?: string;
  readonly try?: number;
  readonly lookAgainMs?: number;
  readonly chunksCompacted?: number;
  readonly deleted?: number;
  readonly cost?: { readonly writeRequests: number };
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
    const pids = processesOf(worker);
    if (worker.pool && chance >= MAIN_KILLED_SHARE) {
      const pid = pids[Math.floor(((chance - MAIN_KILLED_SHARE) / (1 - MAIN_KILLED_SHARE)) * pids.length)];
      // None yet: it is still starting.
      if (pid === undefined) return;
      this.#tally.add('processKills');
      signal(pid, 'SIGKILL');
      return;
    }
    worker.ending = true;
    worker.child.kill('SIGKILL');
    // Those of its processes that we had paused must see that they are alone.
    for (const orphan of pids) signal(orphan, 'SIGCONT');
    this.#tally.add('kills');
    await worker.ended;
  }

  pause(worker: Running, chance: number): void {
    worker.paused = true;
    const pids = processesOf(worker);
    worker.pausedPid = pids[Math.floor(chance * pids.length)];
    if (worker.pausedPid === undefined) worker.child.kill('SIGSTOP');
    else signal(worker.pausedPid, 'SIGSTOP');
  }

  resume(worker: Running): void {
    worker.paused = false;
    if (worker.pausedPid === undefined) worker.child.kill('SIGCONT');
    else signal(worker.pausedPid, 'SIGCONT');
  }

  /** SIGTERM to all; a worker that does not end well is a violation. */
  async drain(deadlineMs: number): Promise<void> {
    this.#wanted = 0;
    await Promise.all(
      [...this.#running].map(async (worker) => {
        worker.ending = true;
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
      worker.ending = true;
      for (const pid of processesOf(worker)) signal(pid, 'SIGKILL');
      worker.child.kill('SIGKILL');
    }
    await Promise.all([...this.#running].map(({ ended }) => ended));
    process.off('exit', this.#onExit);
  }

  #start(): void {
    const pools = [...this.#running].filter((one) => one.pool).length;
    const pool = this.#poolEvery === 1 || this.#poolEvery * pools < this.#running.size;
    const env = { ...process.env, ...this.#env, ...(pool ? POOL : {}) };
    const child = spawn(process.execPath, [COMMAND, 'worker'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const worker: Running = {
      ...{ child, pool },
      lines: [],
      // The processes of a pool whose main one is killed may go on for a while, and hold its streams.
      ended: once(child, pool ? 'exit' : 'close'),
      started: false,
      paused: false,
      pausedPid: undefined,
      ending: false,
    };
    this.#running.add(worker);
    this.#tally.add('starts');
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => this.#read(worker, line));
    void worker.ended.then(() => this.#ended(worker));
  }

  #ended(worker: Running): void {
    this.#running.delete(worker);
    if (!worker.ending) {
      const { exitCode, signalCode } = worker.child;
      if (exitCode === EXIT_LATER && !worker.started) this.#tally.add('startsRefused');
      else if (exitCode === EXIT_LATER && worker.lines.some((line) => line.includes(GAVE_UP)))
        this.#tally.add('gaveUp');
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
  return code === 'inode-busy' && lookAgainMs === undefined && tries >= ATTEMPTS;
}

function setbackOf({ outcome, code }: LogLine): CountName {
  if (outcome === 'conflict' || outcome === 'stale') return 'conflicts';
  if (outcome === 'unknown') return 'unknowns';
  if (code === 'inode-busy') return 'busy';
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

/** Process ids of a pool's own processes; none where there is no /proc. */
function processesOf({ child: { pid }, pool }: Running): number[] {
  if (!pool) return [];
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** It may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
