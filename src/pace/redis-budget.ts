/**
 * The common budget of all workers in the queue's Redis: a window of a second from which lots are sold (rate-limiter-flexible),
 * and a list of who has bought lately. All time is Redis's own, so a pod's wrong clock changes nothing. It
 * waits for nobody: an answer that does not come soon is a failure, and what to do then is the caller's business.
 */
import { randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { answerWithin } from '../clock.ts';
import type { Purchase, SharedBudget } from './shared-rate.ts';

interface RedisBudgetOptions {
  readonly connection: Redis | Cluster;
  /** First part of the keys, in braces on a cluster. */
  readonly prefix: string;
  readonly perSecond: number;
}

/** Lots in a window: small enough to be shared fairly by some dozens of processes, few enough to cost Redis nothing. */
const LOTS = 20;
/** Longer, and a process would stand still for a Redis that hangs. */
const ANSWER_WAIT_MS = 1_000;
/** Who has not counted itself for so long is gone. */
const MEMBER_LIFE_MS = 30_000;

/** Counts this process in and the dead out, by Redis's clock; one step, so that a crash leaves no half. */
const COUNT_MEMBERS = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])`;

/** The budget of all workers that share this prefix. */
export function redisBudget({ connection, prefix, perSecond }: RedisBudgetOptions): SharedBudget {
  const lotBytes = Math.max(1, Math.floor(perSecond / LOTS));
  const limiter = new RateLimiterRedis({
    storeClient: connection,
    keyPrefix: `${prefix}:pace`,
    points: lotBytes * LOTS,
    duration: 1,
    rejectIfRedisNotReady: true,
  });
  const member = randomUUID();
  return {
    lotBytes,
    buy: () => answerWithin(buyLot(limiter, lotBytes), ANSWER_WAIT_MS),
    members: async () => {
      if (connection.status !== 'ready') throw new Error('the queue is not reachable');
      const count = connection.eval(COUNT_MEMBERS, 1, `${prefix}:pace:members`, member, MEMBER_LIFE_MS);
      return Number(await answerWithin(count, ANSWER_WAIT_MS));
    },
  };
}

async function buyLot(limiter: RateLimiterRedis, lotBytes: number): Promise<Purchase> {
  try {
    await limiter.consume('bytes', lotBytes);
    return { kind: 'bought' };
  } catch (refusal) {
    // The library rejects with its result when all is sold, with an error when Redis failed.
    if (refusal instanceof RateLimiterRes) return { kind: 'sold-out', retryMs: refusal.msBeforeNext };
    throw refusal;
  }
}
