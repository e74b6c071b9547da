/**
 * The compact queue: names, job types, and enqueueing with in-flight de-duplication. De-duplication and job locks keep two
 * workers off one inode; they only save work, correctness never rests on them. A job that stands for an inode and that no
 * worker can find (docs/adr/0021) is given back to the queue by whoever meets it. It must not know what a job does.
 */
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { CompactError } from '../errors.ts';
import { decimalId, printInodeKey } from '../format.ts';
import type { Look } from '../ledger.ts';
import type { InodeKey } from '../model.ts';
import { ENQUEUE_MAX, type ScanQueue, type ScoredInode } from '../scan-port.ts';
import { type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys, type JobPlace } from './bullmq-keys.ts';
import { FairOrder, type FairRange } from './fair-order.ts';

export const COMPACT_QUEUE = 'compact';
export const REAP_QUEUE = 'reap';

/** BullMQ serves small numbers first; 0 would bypass the order altogether. The others take their turns (FairOrder). */
export const COMMAND_PRIORITY = 1;
/** A continuation lets others pass, but only so many rounds: it neither starves anybody nor is starved. */
const CONTINUATION_BEHIND = 100;
type JobOrigin = 'command' | 'scan' | 'continuation';

/** Data of a job in the compact queue; `inodeId` is decimal text because it passes 2^53. */
export interface CompactJobData {
  readonly fsId: number;
  readonly inodeId: string;
  readonly origin: JobOrigin;
  /** The first look at the inode, where a second one must wait (docs/adr/0018). */
  readonly look?: Look;
}

interface CompactQueueOptions extends QueueOptions {
  /** Tries of one job before it is given up. */
  readonly jobTries: number;
  /** Delay before the second try, ms; doubles with every further one. */
  readonly retryDelayMs: number;
  /** How long the lock of a job lasts: an active job that is seen without one at two looks so far apart is given back. */
  readonly lockDurationMs?: number;
  /** Called with jobs that were lost and are back in the queue. */
  readonly onGivenBack?: (jobIds: readonly string[]) => void;
  /** For tests. */
  readonly fairRange?: FairRange;
}

/** Ended jobs are kept so long, for those who wait for them and for looking back; then they go (I8). */
const KEEP_COMPLETED = { age: 3600, count: 1_000 };
export const KEEP_FAILED = { age: 7 * 24 * 3600, count: 10_000 };

/** A job that was met and stands for nothing makes room; more than once only where others queue the same inode (I8). */
const ADDS_MAX = 3;

export interface Enqueued {
  /** The id this request asked for; the run that serves it may be another job's. */
  readonly requestedId: string;
  /** The job that stands for the key now; differs from `requestedId` when the key was in flight already. */
  readonly jobId: string;
}

/** Puts inode keys into the compact queue. Errors are CompactError `queue-unavailable` (retry). */
export class CompactQueue implements ScanQueue {
  readonly queue: Queue<CompactJobData>;
  readonly #options: CompactQueueOptions;
  readonly #fair: FairOrder;
  readonly #keys: BullmqKeys;

  constructor(options: CompactQueueOptions) {
    this.#options = options;
    this.queue = new Queue<CompactJobData>(COMPACT_QUEUE, options);
    this.#keys = new BullmqKeys(options.connection, this.queue as Queue);
    this.#fair = new FairOrder(this.queue as Queue, options, options.fairRange);
    // Commands fail by themselves; an unhandled event would end the process.
    this.queue.on('error', () => undefined);
  }

  /**
   * Queues an inode unless it waits already; if it is being worked on, exactly one more run follows. Never two waiting
   * or two active jobs of one key (measured: LIBRARIES, `keepLastIfActive` with random job ids).
   */
  async enqueue(key: InodeKey, origin: JobOrigin, look?: Look): Promise<Enqueued> {
    const { name, data, opts } = this.#job(key, origin, await this.#priorityOf(key, origin));
    const withLook = look === undefined ? data : { ...data, look };
    return queueCall('queue an inode', async () => {
      for (let adds = 1; ; adds++) {
        const job = await this.queue.add(name, withLook, opts);
        const jobId = job.id ?? opts.jobId;
        const isOver = jobId === opts.jobId || adds === ADDS_MAX;
        if (isOver || (await this.giveBack([jobId])).get(jobId) !== 'nothing')
          return { requestedId: opts.jobId, jobId };
      }
    });
  }

  /** Where the jobs are; those that no worker could find are back in the queue. */
  async giveBack(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobPlace>> {
    const { lockDurationMs, onGivenBack } = this.#options;
    const places = await queueCall('look for jobs', () => this.#keys.giveBack(jobIds, lockDurationMs));
    const found = new Map(jobIds.map((id, n) => [id, places[n] ?? 'kept'] as const));
    const givenBack = jobIds.filter((id) => found.get(id) === 'given-back');
    if (givenBack.length > 0) onGivenBack?.(givenBack);
    return found;
  }

  /**
   * Queues inodes of one file system that a scan found, best first, in a few round trips; one that is in flight is left
   * alone. Answers how many were queued. A failure in the middle leaves some of them queued: the same call again is right.
   */
  async enqueueBest(fsId: number, inodes: readonly ScoredInode[]): Promise<number> {
    if (inodes.length > ENQUEUE_MAX) throw new TypeError(`enqueueBest takes ${ENQUEUE_MAX} inodes at most`);
    const fresh = (await this.#notInFlight(inodes)).toSorted((a, b) => b.score - a.score);
    if (fresh.length === 0) return 0;
    const first = await this.#fair.take(fsId, fresh.length);
    const jobs = fresh.map(({ key }, n) => this.#job(key, 'scan', this.#fair.slotAt(first, n)));
    const added = await queueCall('queue inodes', () => this.queue.addBulk(jobs));
    // Another scan may have queued some of them meanwhile: those are its jobs.
    return added.filter(({ id }, n) => id === jobs[n]?.opts.jobId).length;
  }

  /** Jobs that wait: the depth that a scan goes by. */
  async waitingCount(): Promise<number> {
    return this.#countOf('wait', 'prioritized');
  }

  /** Those that wait for their time, too: a job that was handed back, one that is tried again. */
  async queuedCount(): Promise<number> {
    return this.#countOf('wait', 'prioritized', 'delayed');
  }

  async #countOf(...states: ('wait' | 'prioritized' | 'delayed')[]): Promise<number> {
    const counts = await queueCall('ask for the depth of the queue', () => this.queue.getJobCounts(...states));
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  /** Whether nothing waits or is in work, and nothing that waits for its time comes within so long: by this host's clock, as BullMQ writes it. */
  async isDrained(forMs: number): Promise<boolean> {
    return queueCall('ask whether the queue is drained', () => this.#keys.isIdle(Date.now() + forMs));
  }

  #job(key: InodeKey, origin: JobOrigin, priority: number) {
    const data: CompactJobData = { fsId: key.fsId, inodeId: key.inodeId.toString(), origin };
    const opts = {
      jobId: randomUUID() as string,
      priority,
      // BullMQ's own separator `:` may not occur in it.
      deduplication: { id: printInodeKey(key), keepLastIfActive: true },
      attempts: this.#options.jobTries,
      backoff: { type: 'exponential', delay: this.#options.retryDelayMs },
      removeOnComplete: KEEP_COMPLETED,
      removeOnFail: KEEP_FAILED,
      stackTraceLimit: 1,
    };
    return { name: COMPACT_QUEUE, data, opts };
  }

  async #priorityOf(key: InodeKey, origin: JobOrigin): Promise<number> {
    if (origin === 'command') return COMMAND_PRIORITY;
    const slot = await this.#fair.take(key.fsId, 1);
    return origin === 'scan' ? slot : this.#fair.slotAt(slot, CONTINUATION_BEHIND);
  }

  /** Those that no job stands for which a worker will come to. */
  async #notInFlight(inodes: readonly ScoredInode[]): Promise<readonly ScoredInode[]> {
    if (inodes.length === 0) return [];
    const ids = inodes.map(({ key }) => printInodeKey(key));
    const holders = await queueCall('look up inodes in the queue', () => this.#keys.holders(ids));
    const places = await this.giveBack([...new Set(holders.filter((id) => id !== null))]);
    return inodes.filter((_, n) => (places.get(holders[n] ?? '') ?? 'nothing') === 'nothing');
  }

  /** The job that stands for a key: waiting, delayed or active; `null` when the key is not in flight. */
  async jobIdOf(key: InodeKey): Promise<string | null> {
    return queueCall('look up an inode in the queue', () => this.queue.getDeduplicationJobId(printInodeKey(key)));
  }

  /** `false`: somebody has the job in hand. */
  async cancel(jobId: string): Promise<boolean> {
    return queueCall('take an inode off the queue', async () => {
      return (await this.queue.getJob(jobId)) === undefined || (await this.queue.remove(jobId)) === 1;
    });
  }

  async close(): Promise<void> {
    await this.queue.close();
  }
}

/** The look that a job carries; what cannot be read is none, and a first look is made again. */
export function lookOfJob({ look }: CompactJobData): Look | undefined {
  const sound = typeof look?.digest === 'string' && typeof look.atMs === 'number';
  return sound ? { digest: look.digest, atMs: look.atMs } : undefined;
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
