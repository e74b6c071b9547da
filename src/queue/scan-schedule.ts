/**
 * Scans by the clock: BullMQ job schedulers in a queue of their own, one for each file system, so that any number of
 * replicas plans the same scans and each scan is one job. A plan lives by its next job alone: where that is gone or ended,
 * nothing would ever come again, so planning looks at it. It must not scan.
 */

import { Queue } from 'bullmq';
import { type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys } from './bullmq-keys.ts';

export const SCAN_QUEUE = 'scan';

export interface ScanJobData {
  readonly fsId: number;
}

/** Ended scans that are kept to look back at. */
const KEEP = { age: 7 * 24 * 3600, count: 1_000 };

type Plan = { readonly every?: number };

/** Errors are CompactError `queue-unavailable` (retry). */
export class ScanSchedule {
  readonly queue: Queue<ScanJobData>;
  readonly #keys: BullmqKeys;
  readonly #lockDurationMs: number | undefined;

  constructor(options: QueueOptions & { readonly lockDurationMs?: number }) {
    this.queue = new Queue<ScanJobData>(SCAN_QUEUE, options);
    this.#keys = new BullmqKeys(options.connection, this.queue as Queue);
    this.#lockDurationMs = options.lockDurationMs;
    this.queue.on('error', () => undefined);
  }

  /** Plans a scan every so often, the first at once; the same plan again changes nothing. */
  async plan(fsId: number, everyMs: number): Promise<void> {
    await this.#plan(fsId, (known) => known?.every === everyMs, everyMs);
  }

  /** Plans it again where the plan, or all that would come of it, was lost; another time between scans stays. */
  async keep(fsId: number, everyMs: number): Promise<boolean> {
    return this.#plan(fsId, (known) => known !== undefined, everyMs);
  }

  async #plan(fsId: number, isPlanned: (known: Plan | undefined) => boolean, everyMs: number): Promise<boolean> {
    return queueCall('plan the scans', async () => {
      const known = await this.queue.getJobScheduler(idOf(fsId));
      if (isPlanned(known) && (await this.#comes(fsId, known?.next))) return false;
      await this.queue.upsertJobScheduler(
        idOf(fsId),
        { every: everyMs },
        { name: SCAN_QUEUE, data: { fsId }, opts: { removeOnComplete: KEEP, removeOnFail: KEEP, stackTraceLimit: 1 } },
      );
      return true;
    });
  }

  /** Whether the job of that time is one that a worker will come to. */
  async #comes(fsId: number, atMs: number | undefined): Promise<boolean> {
    const jobId = `repeat:${idOf(fsId)}:${atMs}`;
    const [place] = await this.#keys.giveBack([jobId], this.#lockDurationMs);
    return place !== 'nothing';
  }

  /** `false` when none was planned. */
  async unplan(fsId: number): Promise<boolean> {
    return queueCall('take a planned scan away', () => this.queue.removeJobScheduler(idOf(fsId)));
  }

  /** Whether another job, which was taken before this one, scans this file system: of two that see each other one goes on. */
  async isScanned(fsId: number, jobId: string | undefined): Promise<boolean> {
    // The one that was taken first comes first.
    const active = await queueCall('list the running scans', () => this.queue.getActive());
    const first = active.find((job) => job?.data?.fsId === fsId);
    return first !== undefined && first.id !== jobId;
  }

  async close(): Promise<void> {
    await this.queue.close();
  }
}

function idOf(fsId: number): string {
  return `scan-${fsId}`;
}
