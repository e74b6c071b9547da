/**
 * Scans by the clock: BullMQ job schedulers in a queue of their own, one for each file system, so that any number of
 * replicas plans the same scans and each scan is one job. It must not scan.
 */
import { Queue } from 'bullmq';
import { type QueueOptions, queueCall } from './compact-queue.ts';

export const SCAN_QUEUE = 'scan';

export interface ScanJobData {
  readonly fsId: number;
}

/** Ended scans that are kept to look back at. */
const KEEP = { age: 7 * 24 * 3600, count: 1_000 };

/** Errors are CompactError `queue-unavailable` (retry). */
export class ScanSchedule {
  readonly queue: Queue<ScanJobData>;

  constructor(options: QueueOptions) {
    this.queue = new Queue<ScanJobData>(SCAN_QUEUE, options);
    this.queue.on('error', () => undefined);
  }

  /** Plans a scan every so often, the first at once; the same plan again changes nothing. */
  async plan(fsId: number, everyMs: number): Promise<void> {
    await queueCall('plan the scans', async () => {
      const known = await this.queue.getJobScheduler(idOf(fsId));
      if (known?.every === everyMs) return;
      await this.queue.upsertJobScheduler(
        idOf(fsId),
        { every: everyMs },
        { name: SCAN_QUEUE, data: { fsId }, opts: { removeOnComplete: KEEP, removeOnFail: KEEP, stackTraceLimit: 1 } },
      );
    });
  }

  /** `false` when none was planned. */
  async unplan(fsId: number): Promise<boolean> {
    return queueCall('take a planned scan away', () => this.queue.removeJobScheduler(idOf(fsId)));
  }

  /** Whether another job scans this file system at the moment. */
  async isScanned(fsId: number, exceptJobId: string | undefined): Promise<boolean> {
    const active = await queueCall('list the running scans', () => this.queue.getActive());
    return active.some((job) => job?.data?.fsId === fsId && job.id !== exceptJobId);
  }

  async close(): Promise<void> {
    await this.queue.close();
  }
}

function idOf(fsId: number): string {
  return `scan-${fsId}`;
}
