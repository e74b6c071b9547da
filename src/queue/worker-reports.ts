/**
 * What each worker process says of itself in the queue's Redis, for those who look from another process: why it cannot
 * work, and what it saw of the servers last. A report goes by itself when nobody renews it; the list of them is bounded.
 * Nothing rests on it.
 */

import { z } from 'zod';
import { safeJson } from '../format.ts';
import { inOneStep, type QueueOptions, queueCall } from './bullmq.ts';

/** A process whose loop is busy for long is still there. */
const REPORT_LIFE_MS = 60_000;
/** Reports that are read; more workers are counted by the queue. */
const REPORTS_MAX = 200;

const ms = z.number().nonnegative();
const seenSchema = z.object({
  answeredAgoMs: ms.optional(),
  failedAgoMs: ms.optional(),
  failingForMs: ms.optional(),
  error: z.string().optional(),
});
const reportSchema = z.object({
  worker: z.string(),
  atMs: ms,
  /** As `/readyz` reports it; empty: it works. */
  notReady: z.array(z.object({ code: z.string(), what: z.string() })),
  metadata: seenSchema,
  stores: z.array(seenSchema.extend({ bucket: z.string() })),
});

/** `worker` is a host and process; ages are before `atMs`, by the queue's clock. */
export type WorkerReport = z.infer<typeof reportSchema>;

/** Errors are CompactError `queue-unavailable` (retry). */
export class WorkerReports {
  readonly #options: QueueOptions;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  async put(report: WorkerReport): Promise<void> {
    const step = this.#options.connection
      .multi()
      .set(this.#keyOf(report.worker), JSON.stringify(report), 'PX', REPORT_LIFE_MS)
      .zadd(this.#index, report.atMs, report.worker)
      .zremrangebyscore(this.#index, 0, report.atMs - REPORT_LIFE_MS)
      .pexpire(this.#index, REPORT_LIFE_MS);
    await queueCall('write what this worker sees', () => inOneStep(step));
  }

  async remove(worker: string): Promise<void> {
    const step = this.#options.connection.multi().zrem(this.#index, worker).del(this.#keyOf(worker));
    await queueCall('take away what this worker said', () => inOneStep(step));
  }

  /** The newest first. One that cannot be read is left out. */
  async all(): Promise<readonly WorkerReport[]> {
    const { connection } = this.#options;
    return queueCall('read what the workers see', async () => {
      const workers = await connection.zrevrange(this.#index, 0, REPORTS_MAX - 1);
      const texts = await Promise.all(workers.map((worker) => connection.get(this.#keyOf(worker))));
      return texts.flatMap((text) => reportSchema.safeParse(safeJson(text ?? '')).data ?? []);
    });
  }

  get #index(): string {
    return `${this.#options.prefix}:workers`;
  }

  #keyOf(worker: string): string {
    return `${this.#options.prefix}:worker:${worker}`;
  }
}
