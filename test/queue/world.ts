/** Queues of their own on the run's real Redis, closed after each file. */
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { uniquePrefix } from '../setup/isolation.ts';
import type {} from '../setup/provided.ts';

export interface QueueWorld {
  readonly prefix: string;
  readonly redis: Redis;
  /** As BullMQ wants it for workers. */
  readonly blocking: Redis;
  close(): void;
}

export function openQueueWorld(name: string): QueueWorld {
  const redis = new Redis(inject('redisUrl'));
  const blocking = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null });
  return {
    prefix: uniquePrefix(name),
    redis,
    blocking,
    close: () => {
      redis.disconnect();
      blocking.disconnect();
    },
  };
}

/** Only what is broken takes this long; a busy machine does not. */
const HANG_MS = 10 * 60_000;

/** Polls until `look` gives something; fails with `what` after the deadline. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  deadlineMs = HANG_MS,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
