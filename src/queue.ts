/**
 * The compact queue: names, job types, and enqueueing with in-flight de-duplication. With `queue-*.ts` the only BullMQ
 * producer. De-duplication and job locks keep two workers off one inode; they only save work (DESIGN §4.6), correctness
 * never rests on them. It must not know what a job does.
 */
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { CompactError, toError } from './errors.ts';
import { decimalId, printInodeKey } from './format.ts';
import type { InodeKey } from './model.ts';

export const COMPACT_QUEUE = 'compact';
export const REAP_QUEUE = 'reap';

/** BullMQ serves small numbers first; 0 would bypass the order altogether. */
export const PRIORITY = { command: 1, scan: 1_000, continuation: 2_000_000 } as const;
export type JobOrigin = keyof typeof PRIORITY;

/** Data of a job in the compact queue; `inodeId` is decimal text because it passes 2^53. */
export interface CompactJobData {
  readonly fsId: number;
  readonly inodeId: string;
  readonly origin: JobOrigin;
}

export interface QueueOptions {
  readonly connection: Redis | Cluster;
  readonly prefix: string;
}

export interface CompactQueueOptions extends QueueOptions {
  /** Tries of one job before it is given up. */
  readonly attempts: number;
  /** Delay before the second try, ms; doubles with every further one. */
  readonly retryDelayMs: number;
}

/** Ended jobs are kept so long, for those who wait for them and for looking back; then they go (I8). */
const KEEP_COMPLETED = { age: 3600, count: 1_000 };
const KEEP_FAILED = { age: 7 * 24 * 3600, count: 10_000 };

export interface Enqueued {
  /** The id this request asked for; the run that serves it may be another job's. */
  readonly requestedId: string;
  /** The job that stands for the key now; differs from `requestedId` when the key was in flight already. */
  readonly jobId: string;
}

/** Puts inode keys into the compact queue. Errors are CompactError `queue-unavailable` (retry). */
export class CompactQueue {
  readonly queue: Queue<CompactJobData>;
  readonly #options: CompactQueueOptions;

  constructor(options: CompactQueueOptions) {
    this.#options = options;
    this.queue = new Queue<CompactJobData>(COMPACT_QUEUE, options);
    // Commands fail by themselves; an unhandled event would end the process.
    this.queue.on('error', () => undefined);
  }

  /**
   * Queues an inode unless it waits already; if it is being worked on, exactly one more run follows. Never two waiting
   * or two active jobs of one key (measured: LIBRARIES, `keepLastIfActive` with random job ids).
   */
  async enqueue(key: InodeKey, origin: JobOrigin): Promise<Enqueued> {
    const requestedId = randomUUID();
    const data: CompactJobData = { fsId: key.fsId, inodeId: key.inodeId.toString(), origin };
    return queueCall('queue an inode', async () => {
      const job = await this.queue.add(COMPACT_QUEUE, data, {
        jobId: requestedId,
        priority: PRIORITY[origin],
        deduplication: { id: dedupIdOf(key), keepLastIfActive: true },
        attempts: this.#options.attempts,
        backoff: { type: 'exponential', delay: this.#options.retryDelayMs },
        removeOnComplete: KEEP_COMPLETED,
        removeOnFail: KEEP_FAILED,
        stackTraceLimit: 1,
      });
      return { requestedId, jobId: job.id ?? requestedId };
    });
  }

  /** The job that stands for a key: waiting, delayed or active; `null` when the key is not in flight. */
  async jobIdOf(key: InodeKey): Promise<string | null> {
    return queueCall('look up an inode in the queue', () => this.queue.getDeduplicationJobId(dedupIdOf(key)));
  }

  async close(): Promise<void> {
    await this.queue.close();
  }
}

/** BullMQ's own separator `:` may not occur. */
export function dedupIdOf(key: InodeKey): string {
  return printInodeKey(key);
}

/** The inode of a job, or a `halt` for data that no producer of ours wrote. */
export function inodeOfJob(data: unknown): InodeKey {
  const { fsId, inodeId } = (data ?? {}) as { readonly fsId?: unknown; readonly inodeId?: unknown };
  const id = typeof inodeId === 'string' ? decimalId(inodeId) : null;
  if (typeof fsId !== 'number' || !Number.isSafeInteger(fsId) || fsId < 0 || id === null) {
    throw new CompactError('the job does not name an inode (fsId, inodeId); it was not queued by s3compact', {
      kind: 'halt',
      code: 'queue-unfit',
    });
  }
  return { fsId, inodeId: id };
}

/** Runs a queue command and tells its failure as `queue-unavailable`. */
export async function queueCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof CompactError) throw error;
    throw new CompactError(
      `could not ${what}: the queue's Redis did not do it (${toError(error).message}); check REDIS_URL and the server`,
      { kind: 'retry', code: 'queue-unavailable', cause: error },
    );
  }
}
