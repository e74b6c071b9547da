/**
 * The order in which jobs of several file systems are served: fair between file systems, first come first served within
 * one (docs/adr/0007). BullMQ serves small priorities first; here a priority is a slot on one line of virtual time. A file
 * system takes at most one slot per step, beginning where serving stands now, so whoever comes with few jobs waits for
 * no one's backlog. A scan feeds its best finds first, so score needs no order here. Only the order rests on this: a job
 * with a wrong slot is early or late, never lost.
 */
import type { Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys, ORDER_LUA } from './bullmq-keys.ts';

export interface FairRange {
  /** The first slot that is ever given out. */
  readonly first: number;
  /** Nothing gets beyond this; BullMQ takes priorities up to 2^21 - 1. */
  readonly last: number;
  /** Where serving stands beyond this, all slots are moved back to the front, some 100,000 jobs in 0.3 s. */
  readonly rebaseAt: number;
}

const FAIR_RANGE: FairRange = { first: 1_000, last: 2_000_000, rebaseAt: 1_000_000 };

/**
 * KEYS: prioritized, line (hash: `v` where serving stands, `l:FS` the last slot of each), delayed, active. ARGV: file system,
 * slots, first, last, rebaseAt, start of job keys. Answers the first of the slots, which follow each other.
 */
const SLOTS = `${ORDER_LUA}
local first, last, rebaseAt = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function lasts()
  local found, flat = {}, redis.call('HGETALL', KEYS[2])
  for n = 1, #flat, 2 do
    if string.sub(flat[n], 1, 2) == 'l:' then found[flat[n]] = tonumber(flat[n + 1]) end
  end
  return found
end
local v = math.max(first, tonumber(redis.call('HGET', KEYS[2], 'v') or first))
local head = redis.call('ZRANGEBYSCORE', KEYS[1], first * SCALE, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
-- At most where the slots end that were given out: all of them are served by then, or only what stands behind them waits.
local ended = v
for _, slot in pairs(lasts()) do ended = math.max(ended, slot + 1) end
v = math.max(v, head[2] and math.min(ended, math.floor(tonumber(head[2]) / SCALE)) or ended)
if v > rebaseAt then
  local shift = v - first
  local function moved(slot) return math.max(first, slot - shift) end
  local all = redis.call('ZRANGEBYSCORE', KEYS[1], first * SCALE, '+inf', 'WITHSCORES')
  for n = 1, #all, 2 do
    local place = math.max(first * SCALE, tonumber(all[n + 1]) - shift * SCALE)
    redis.call('ZADD', KEYS[1], place, all[n])
    setSlot(ARGV[6], all[n], math.floor(place / SCALE))
  end
  -- They come back at the slot that they had.
  for _, ids in ipairs({ redis.call('ZRANGE', KEYS[3], 0, -1), redis.call('LRANGE', KEYS[4], 0, -1) }) do
    for _, id in ipairs(ids) do
      local slot = slotOf(ARGV[6], id)
      if slot >= first then setSlot(ARGV[6], id, moved(slot)) end
    end
  end
  for field, slot in pairs(lasts()) do
    if slot < v then redis.call('HDEL', KEYS[2], field) else redis.call('HSET', KEYS[2], field, slot - shift) end
  end
  v = first
end
local mine = 'l:' .. ARGV[1]
local start = math.min(last, math.max(v, tonumber(redis.call('HGET', KEYS[2], mine) or 0) + 1))
redis.call('HSET', KEYS[2], 'v', v, mine, math.min(last, start + tonumber(ARGV[2]) - 1))
if redis.call('HLEN', KEYS[2]) > 1000 then
  for field, slot in pairs(lasts()) do
    if slot < v then redis.call('HDEL', KEYS[2], field) end
  end
end
return start
`;

/** Errors are CompactError `queue-unavailable` (retry). */
export class FairOrder {
  readonly #redis: Redis | Cluster;
  readonly #keys: BullmqKeys;
  readonly #line: string;
  readonly #range: FairRange;

  /** A range of its own is for tests. */
  constructor(queue: Queue, { connection, prefix }: QueueOptions, range = FAIR_RANGE) {
    this.#redis = connection;
    this.#keys = new BullmqKeys(connection, queue);
    this.#line = `${prefix}:fair`;
    this.#range = range;
  }

  /** Takes the next slots of a file system; answers the first, and `slotAt` tells the others. */
  async take(fsId: number, count: number): Promise<number> {
    const { first, last, rebaseAt } = this.#range;
    const { prioritized, delayed, active, base } = this.#keys;
    const keys = [prioritized, this.#line, delayed, active];
    const args = [fsId, count, first, last, rebaseAt, base];
    return Number(
      await queueCall('take a place in the queue', () => this.#redis.eval(SLOTS, keys.length, ...keys, ...args)),
    );
  }

  /** The slot `n` behind `first`, within the range. */
  slotAt(first: number, n: number): number {
    return Math.min(this.#range.last, first + n);
  }
}
