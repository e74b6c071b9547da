/**
 * Jobs that Redis keeps and that no list of their queue names (docs/adr/0021): nobody would ever take one, and a reap record
 * among them would leak its objects. They are found by walking the keys, page by page and gently, by one process of all at a
 * time and once in a while; whoever meets one in daily work gives it back at once. It must not judge what a job is for.
 */

import type { Queue } from 'bullmq';
import type { Clock } from '../clock.ts';
import { type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys } from './bullmq-keys.ts';

/** One walk in so long, whoever makes it. */
const SWEEP_EVERY_MS = 3_600_000;
/** How long a walk holds the others up after its last step: one that failed, or died with its process, is made again soon. */
const WALK_LIFE_MS = 5 * 60_000;
/** Keys that Redis looks at in one step, and the rest between two. */
const PAGE_KEYS = 1_000;
const PAGE_REST_MS = 5;
/** Jobs that one script looks at. */
const BATCH = 50;
/** A queue with more jobs in lists without an index is left for the next time. */
const UNINDEXED_MAX = 200_000;

interface SweptQueue {
  readonly queue: Queue;
  readonly onGivenBack: (jobIds: readonly string[]) => void;
}

interface LostJobsOptions extends QueueOptions {
  readonly clock: Clock;
  readonly lockDurationMs: number;
  readonly queues: readonly SweptQueue[];
}

/** Errors are CompactError `queue-unavailable` (retry). */
export class LostJobs {
  readonly #options: LostJobsOptions;

  constructor(options: LostJobsOptions) {
    this.#options = options;
  }

  /**
   * Gives lost jobs back, and then does `more`, unless somebody has done so within the last hour; `false` then. Where `more` fails
   * it is tried again soon, without another walk.
   */
  async sweep(signal: AbortSignal, more: () => Promise<void> = async () => undefined): Promise<boolean> {
    const { connection } = this.#options;
    const mine = await queueCall('look for lost jobs', () => connection.set(this.#key, '1', 'PX', WALK_LIFE_MS, 'NX'));
    if (mine === null) return false;
    await queueCall('look for lost jobs', () => this.#walkAll(signal));
    await more();
    if (!signal.aborted) await queueCall('look for lost jobs', () => connection.pexpire(this.#key, SWEEP_EVERY_MS));
    return true;
  }

  get #key(): string {
    return `${this.#options.prefix}:swept`;
  }

  async #walkAll(signal: AbortSignal): Promise<void> {
    const { connection, queues } = this.#options;
    const walked = `${this.#key}:walked`;
    if ((await connection.exists(walked)) === 1) return;
    for (const swept of queues) await this.#walk(swept, signal);
    if (!signal.aborted) await connection.set(walked, '1', 'PX', SWEEP_EVERY_MS);
  }

  async #walk({ queue, onGivenBack }: SweptQueue, signal: AbortSignal): Promise<void> {
    const { connection, clock, lockDurationMs } = this.#options;
    const keys = new BullmqKeys(connection, queue);
    const waiting = await keys.waitingIds(UNINDEXED_MAX);
    if (waiting === null) return;
    for await (const page of keys.kept(PAGE_KEYS)) {
      if (signal.aborted) return;
      await connection.pexpire(this.#key, WALK_LIFE_MS);
      const suspects = (await keys.notIndexed(page)).filter((id) => !waiting.has(id));
      for (let from = 0; from < suspects.length; from += BATCH) {
        const batch = suspects.slice(from, from + BATCH);
        const places = await keys.giveBack(batch, lockDurationMs);
        const givenBack = batch.filter((_, n) => places[n] === 'given-back');
        if (givenBack.length > 0) onGivenBack(givenBack);
      }
      await clock.sleep(PAGE_REST_MS, signal).catch(() => undefined);
    }
  }
}
