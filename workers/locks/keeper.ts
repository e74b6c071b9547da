/**
 * Job locks while the loop is busy. BullMQ renews locks by a timer of the same loop that does the work: when that loop is
 * blocked for longer than a lock lasts, another worker takes the job and the work is done twice (slow, never wrong: I9). A
 * thread stands in for that time; the main thread shows it that the loop turns. It decides nothing about jobs.
 */
import { Worker as Thread } from 'node:worker_threads';
import type { Settings } from '../../src/config/index.ts';
import { toError } from '../../src/errors.ts';
import { LOG_EVENTS, type Logger } from '../../src/observe/log.ts';
import { lockKeys } from '../../src/queue/bullmq-keys.ts';
import type { JobListener } from '../running-jobs.ts';
import type { JobLock, LockMessage, LockThreadData } from './messages.ts';

/** Beats in one lock's time: more often than the thread looks. */
const BEATS = 32;
/** The thread needs little; what it could leak by a fault is bounded. */
const THREAD_HEAP_MIB = 64;

const ENTRY = new URL(`./thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

export interface LockKeeperOptions {
  readonly settings: Pick<Settings, 'redisUrl' | 'redisTimeoutMs' | 'lockDurationMs' | 'leaseMs' | 'queuePrefix'>;
  readonly log: Logger;
}

export class LockKeeper implements JobListener {
  readonly #prefix: string;
  readonly #log: Logger;
  readonly #thread: Thread;
  readonly #timer: NodeJS.Timeout;
  #stopped = false;
  /** Resolves when the thread is at its work; nothing has to wait for it. */
  readonly ready: Promise<unknown>;

  constructor({ settings, log }: LockKeeperOptions) {
    const { redisUrl, redisTimeoutMs, lockDurationMs, leaseMs, queuePrefix } = settings;
    this.#prefix = queuePrefix;
    this.#log = log;
    const beats = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const counter = new Int32Array(beats);
    this.#timer = setInterval(() => Atomics.add(counter, 0, 1), Math.max(1, lockDurationMs / BEATS));
    this.#timer.unref();
    const workerData: LockThreadData = {
      ...{ redisUrl, lockDurationMs, beats },
      timeoutMs: redisTimeoutMs,
      // An attempt that is older than its lease can do nothing any more.
      silenceMaxMs: leaseMs,
    };
    this.#thread = new Thread(ENTRY, {
      workerData,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB },
    });
    this.ready = new Promise((resolve) => this.#thread.once('message', resolve));
    // It must neither keep a process alive nor end one: without it locks are kept as BullMQ keeps them.
    this.#thread.unref();
    this.#thread.on('error', (thrown) => this.#lost(toError(thrown)));
  }

  taken(queue: string, jobId: string, token: string): void {
    const lock: JobLock = { jobId, token, ...lockKeys(`${this.#prefix}:${queue}`, jobId) };
    this.#tell({ kind: 'taken', id: `${queue}:${jobId}`, lock });
  }

  ended(queue: string, jobId: string): void {
    this.#tell({ kind: 'ended', id: `${queue}:${jobId}` });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#thread.terminate();
  }

  #tell(message: LockMessage): void {
    if (!this.#stopped) this.#thread.postMessage(message);
  }

  #lost(err: Error): void {
    this.#stopped = true;
    this.#log.warn(
      { event: LOG_EVENTS.jobLockLost, err },
      'the thread that keeps job locks while the process is busy has died; a job may be done twice, which costs time only',
    );
  }
}
