/**
 * `s3compact run`: a scan and a worker that end together: when the queue is drained or a budget is spent. Then it waits
 * for the reap records of its time. Any number may run at once, beside ordinary workers; killing one costs what a killed
 * worker costs. It decides when to end, and nothing else.
 */

import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { CompactError } from '../src/errors.ts';
import { requireFilesystem } from '../src/metadata/lookup.ts';
import { MERGED_VERSION_BITS } from '../src/model.ts';
import type { Logger } from '../src/observe/log.ts';
import { RunCounter, type RunCounts } from '../src/queue/run-counter.ts';
import type { ScanProgress, ScanReport } from '../src/scan/types.ts';
import { elapsed, type LedgerMs, ledgerMs } from '../src/time.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';
import { runScan } from './run-scan.ts';
import type { RunningWorker } from './running.ts';
import { startWorker } from './worker.ts';

const LOOK_EVERY_MS = 250;
/** A retry that comes within this is waited for; a parked job is not. */
const RETRY_WAIT_MS = 10 * 60 * 1000;
/** Between two looks at the reap records. */
const REAP_LOOK_MIN_MS = 200;
const REAP_LOOK_MAX_MS = 5_000;
/** … and so many times as long as a look takes: each reads all records. */
const REAP_LOOK_PAUSE = 10;
/** What a record may need beyond lease and grace periods: looks take time, clocks differ. */
const REAP_SLACK_MS = 60_000;
/** Of an attempt's number, what is not time (src/compact/attempt.ts). */
const ATTEMPT_TIME_SHIFT = BigInt(10 + MERGED_VERSION_BITS);

/** drained: nothing is left to do. time, bytes: a budget is spent. paused, stopped: by somebody. failed: see `failure`. */
type RunEnd = 'drained' | 'time' | 'bytes' | 'paused' | 'stopped' | 'failed';

export interface FilesystemRun extends RunCounts {
  readonly end: RunEnd;
  readonly fsId: number;
  /** `null`: it did not come to its end. */
  readonly scan: ScanReport | null;
  readonly failure: CompactError | null;
  /** Jobs that wait in the queue at the end, of whatever file system. */
  readonly jobsLeft: number;
  /** Reap records of this time and file system that are not done. */
  readonly reapLeft: number;
  /** Of these, what a hold keeps: nobody waited for it. */
  readonly reapHeld: number;
  /** Nobody may reap: nobody waited for what is left. */
  readonly reapPaused: boolean;
  /** The same of earlier times: nobody waited for these. */
  readonly reapEarlier: number;
  readonly durationMs: number;
}

export interface RunProgressAt extends RunCounts {
  readonly scan: ScanProgress | null;
  readonly waiting: number;
  /** While waiting for reap records: how many are left. */
  readonly reapLeft: number | null;
}

interface FilesystemRunOptions {
  readonly waitReap: boolean;
  readonly signal: AbortSignal;
  /** Starts the work; it is stopped here. */
  readonly start: () => RunningWorker;
  readonly onProgress?: (at: RunProgressAt) => void;
}

/** Throws CompactError before anything is started: no such file system, servers away. Later failures are in the answer. */
export async function runFilesystem(
  fsId: number,
  clients: WorkClients,
  log: Logger,
  options: FilesystemRunOptions,
): Promise<FilesystemRun> {
  await requireFilesystem(clients.metadata, fsId);
  return new Run(fsId, { clients, log, options, startedMs: await clients.ledger.nowMs() }).run();
}

/** Reap records of this file system that are not done. */
interface RecordsLeft {
  readonly own: number;
  /** Of its own, those that a hold keeps. */
  readonly held: number;
  readonly paused: boolean;
  readonly earlier: number;
}

const NONE_LEFT: RecordsLeft = { own: 0, held: 0, paused: false, earlier: 0 };

/** Held records come back every half hour, paused ones not before somebody resumes: workers take them then. */
function nothingToWaitFor({ own, held, paused }: RecordsLeft): boolean {
  return paused || own === held;
}

interface RunContext {
  readonly clients: WorkClients;
  readonly log: Logger;
  readonly options: FilesystemRunOptions;
  readonly startedMs: LedgerMs;
}

class Run {
  readonly #fsId: number;
  readonly #context: RunContext;
  readonly #counter: RunCounter;
  readonly #pids = new Set<string>();
  readonly #stopScan = new AbortController();
  #scanAt: ScanProgress | null = null;
  #scan: ScanReport | null = null;
  #scanning = true;
  #failure: CompactError | null = null;
  #waiting = 0;
  #reapLeft: number | null = null;

  constructor(fsId: number, context: RunContext) {
    this.#fsId = fsId;
    this.#context = context;
    const { status } = context.clients;
    const isOwn = (worker: string) => this.#pids.has(worker);
    this.#counter = new RunCounter({ ...status, isOwn });
  }

  async run(): Promise<FilesystemRun> {
    const { clients, options } = this.#context;
    const startedAtMs = performance.now();
    await this.#counter.begin();
    const worker = options.start();
    void worker.failed.then((error) => this.#fail(error));
    const scan = this.#scanAll();
    let end: RunEnd = 'failed';
    try {
      end = await this.#untilEnd(worker, startedAtMs);
    } catch (error) {
      this.#fail(error);
    }
    this.#stopScan.abort();
    await scan;
    await worker.stop();
    const nowMs = await clients.ledger.nowMs().catch(() => this.#context.startedMs);
    await this.#counter.look().catch((error: unknown) => this.#fail(error));
    const reap = await this.#reap(nowMs).catch((error: unknown) => {
      this.#fail(error);
      return NONE_LEFT;
    });
    if (options.waitReap && options.signal.aborted && reap.own > 0) end = 'stopped';
    return {
      ...this.#counter.counts,
      end: this.#failure === null ? end : 'failed',
      fsId: this.#fsId,
      scan: this.#scan,
      failure: this.#failure,
      reapLeft: reap.own,
      reapHeld: reap.held,
      reapPaused: reap.paused,
      reapEarlier: reap.earlier,
      jobsLeft: await clients.queue.queuedCount().catch(() => this.#waiting),
      durationMs: Math.round(performance.now() - startedAtMs),
    };
  }

  async #scanAll(): Promise<void> {
    const { clients, log } = this.#context;
    try {
      this.#scan = await runScan(this.#fsId, clients, log, {
        signal: this.#stopScan.signal,
        onProgress: (at) => {
          this.#scanAt = at;
        },
      });
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#scanning = false;
    }
  }

  async #untilEnd(worker: RunningWorker, startedAtMs: number): Promise<RunEnd> {
    const { clients, options } = this.#context;
    const { jobMs, jobBytes } = clients.settings;
    for (;;) {
      for (const { pid } of await worker.snapshots()) this.#pids.add(`${hostname()}:${pid}`);
      const ended = await this.#patiently(() => this.#look());
      this.#report();
      if (this.#failure !== null) return 'failed';
      if (options.signal.aborted) return 'stopped';
      if (performance.now() - startedAtMs >= jobMs) return 'time';
      if (this.#counter.counts.bytesMoved >= jobBytes) return 'bytes';
      if (ended !== null) return ended;
      await delay(LOOK_EVERY_MS, undefined, { signal: options.signal }).catch(() => undefined);
    }
  }

  /** `null` while there is work. */
  async #look(): Promise<RunEnd | null> {
    const { clients } = this.#context;
    await this.#counter.look();
    this.#waiting = await clients.queue.waitingCount();
    if (this.#scanning) return null;
    const { compact, filesystems } = await clients.control.paused();
    if (compact || filesystems.some(({ fsId }) => fsId === this.#fsId)) return 'paused';
    return (await clients.queue.isDrained(RETRY_WAIT_MS)) ? 'drained' : null;
  }

  /** The queue may be away for a while: the workers wait, and so does this. */
  async #patiently<T>(look: () => Promise<T>): Promise<T | null> {
    try {
      return await look();
    } catch (error) {
      if (error instanceof CompactError && error.kind === 'retry') return null;
      throw error;
    }
  }

  /** Works the records of this time off, where that is wanted; answers which are left. */
  async #reap(untilMs: LedgerMs): Promise<RecordsLeft> {
    const { clients, log, options } = this.#context;
    const { leaseMs, graceMs } = clients.settings;
    const endAtMs = performance.now() + leaseMs + 3 * graceMs + REAP_SLACK_MS;
    let left = await this.#recordsLeft(untilMs);
    if (!options.waitReap || options.signal.aborted || nothingToWaitFor(left)) return left;
    const worker = startWorker(clients, log, { queues: 'reap' });
    let tookMs = 0;
    try {
      while (!nothingToWaitFor(left) && !options.signal.aborted && performance.now() < endAtMs) {
        this.#reapLeft = left.own;
        this.#report();
        const waitMs = Math.min(
          REAP_LOOK_MAX_MS,
          Math.max(REAP_LOOK_MIN_MS, REAP_LOOK_PAUSE * tookMs, left.nextDueInMs),
        );
        await delay(waitMs, undefined, { signal: options.signal }).catch(() => undefined);
        const beganMs = performance.now();
        left = (await this.#patiently(() => this.#recordsLeft(untilMs))) ?? left;
        tookMs = performance.now() - beganMs;
      }
      return left;
    } finally {
      await worker.stop();
    }
  }

  /** By the time in the attempt's number: whoever made them in this time, on this file system. */
  async #recordsLeft(untilMs: LedgerMs): Promise<RecordsLeft & { readonly nextDueInMs: number }> {
    const { clients, startedMs } = this.#context;
    const nowMs = await clients.ledger.nowMs();
    const own: string[] = [];
    let earlier = 0;
    let nextDueInMs = Number.POSITIVE_INFINITY;
    for await (const { id, record } of clients.ledger.pendingJobs()) {
      const { key, attempt, dueMs } = record;
      const madeMs = ledgerMs(Number(attempt >> ATTEMPT_TIME_SHIFT));
      if (key.fsId !== this.#fsId || madeMs > untilMs) continue;
      if (madeMs < startedMs) {
        earlier++;
        continue;
      }
      own.push(id);
      nextDueInMs = Math.min(nextDueInMs, elapsed(nowMs, dueMs));
    }
    const held = await clients.holdBook.heldOf(this.#fsId, own);
    const { reap: paused } = await clients.control.paused();
    return { own: own.length, held, paused, earlier, nextDueInMs };
  }

  #fail(error: unknown): void {
    if (this.#failure !== null || (this.#context.options.signal.aborted && error instanceof CompactError)) return;
    if (!(error instanceof CompactError)) throw error;
    this.#failure = error;
  }

  #report(): void {
    const { onProgress } = this.#context.options;
    onProgress?.({
      ...this.#counter.counts,
      scan: this.#scanAt,
      waiting: this.#waiting,
      reapLeft: this.#reapLeft,
    });
  }
}
