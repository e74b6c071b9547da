/**
 * The bound on jobs that run at a time in all workers together: BullMQ keeps it beside the queue, and every fetch heeds it. Beside
 * it stands whose it is, for as long as somebody keeps it: a bound of a command or a pod that is gone must not hold everybody
 * else up for ever. It limits work, nothing rests on it.
 */

import type { Cluster, Redis } from 'ioredis';
import { type QueueOptions, queueCall } from './bullmq.ts';
import type { CompactQueue } from './compact-queue.ts';

export interface JobBoundOptions extends QueueOptions {
  readonly queue: Pick<CompactQueue, 'queue'>;
  /** For how long a bound stands whose keepers are gone. */
  readonly lifeMs: number;
}

/** `set-again`: it had been lost; `taken-away`: nobody kept it any more. */
type BoundLook = 'kept' | 'set-again' | 'taken-away';

/** Errors are CompactError `queue-unavailable` (retry). */
export class JobBound {
  readonly #redis: Redis | Cluster;
  readonly #note: string;
  readonly #lifeMs: number;
  readonly #queue: CompactQueue['queue'];

  constructor({ connection, prefix, queue, lifeMs }: JobBoundOptions) {
    this.#redis = connection;
    this.#note = `${prefix}:total-jobs`;
    this.#lifeMs = lifeMs;
    this.#queue = queue.queue;
  }

  /** Says it for all; 0 takes it away. */
  async set(jobs: number): Promise<void> {
    await queueCall('bound the jobs of all workers', async () => {
      if (jobs === 0) await this.#redis.del(this.#note);
      else await this.#redis.set(this.#note, jobs, 'PX', this.#lifeMs);
      await this.#apply(jobs);
    });
  }

  /** Keeps the bound up that was said last, whoever said it; with `jobs`, its own, where nobody keeps one. */
  async look(jobs: number): Promise<BoundLook> {
    return queueCall('look at the bound on jobs', async () => {
      const said = Number((await this.#redis.get(this.#note)) ?? 0);
      if (said === jobs) await this.#redis.pexpire(this.#note, this.#lifeMs);
      else if (said === 0) await this.#redis.set(this.#note, jobs, 'PX', this.#lifeMs);
      const wanted = said === 0 ? jobs : said;
      if (((await this.#queue.getGlobalConcurrency()) ?? 0) === wanted) return 'kept';
      await this.#apply(wanted);
      return wanted === 0 ? 'taken-away' : 'set-again';
    });
  }

  async #apply(jobs: number): Promise<void> {
    if (jobs === 0) await this.#queue.removeGlobalConcurrency();
    else await this.#queue.setGlobalConcurrency(jobs);
  }
}
