/**
 * What BullMQ 6.7 keeps in Redis, as far as we go past its API: names of keys and fields, the scale of its places and
 * times. This is the only file that knows them; bullmq-keys.test.ts holds them against the real library, so that
 * an upgrade which changes one is noticed. It also holds the one step that gives a lost job back: it must be a single
 * script beside BullMQ's own single scripts, or it would take a job that is just being moved for lost.
 */
import type { Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { decimalNumber } from '../format.ts';
import { inOneStep } from './bullmq.ts';

/** Where jobs that are not done are listed. */
const LISTS = ['wait', 'paused', 'active'] as const;
const SETS = ['delayed', 'prioritized', 'failed', 'waiting-children'] as const;
/** A delayed job's score is its time times this, plus a counter. */
const DELAYED_SCALE = 0x1000;
/** How long BullMQ's locks last where nothing else is set. */
const LOCK_DURATION_MS = 30_000;
/** A job without a lock that nobody looked at again for so long is seen as for the first time. */
const LOCKLESS_KEEP_MS = 24 * 3_600_000;
/** An id that we gave. */
const JOB_ID = /^[\da-f]{8}-[\da-f-]{27}$/;

/** For scripts about the order: a job's place in `prioritized` is its slot times SCALE, plus a counter. */
export const ORDER_LUA = `
local SCALE = 4294967296
local function slotOf(base, id) return tonumber(redis.call('HGET', base .. id, 'priority') or 0) end
local function setSlot(base, id, slot) redis.call('HSET', base .. id, 'priority', slot) end
`;

/**
 * KEYS: wait, paused, active, prioritized, delayed, waiting-children, completed, failed, marker, and our note of active
 * jobs without a lock. ARGV: start of job keys, ms between two looks at such a job, how long its note is kept, start of the
 * keys that name the job of an inode, then job ids. Answers for each: 0 it is where BullMQ will find it, 1 it was lost and
 * is back in the queue, 2 it stands for nothing any more. What a full Redis may refuse comes first, so it leaves no half.
 */
const GIVE_BACK = `
local base, patience, keep, holder = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function isIn(id, first, last)
  for n = first, last do
    if redis.call('ZSCORE', KEYS[n], id) then return true end
  end
  return false
end
local function giveBack(id, n)
  redis.call('ZADD', KEYS[5], now * ${DELAYED_SCALE} + n, id)
  local head = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
  redis.call('ZADD', KEYS[9], math.floor(tonumber(head[2]) / ${DELAYED_SCALE}), '1')
end
local function hasOwner(id)
  if redis.call('EXISTS', base .. id .. ':lock') == 1 then
    redis.call('ZREM', KEYS[10], id)
    return true
  end
  local since = redis.call('ZSCORE', KEYS[10], id)
  if since and now - since <= keep then return now - since <= patience end
  redis.call('ZADD', KEYS[10], now, id)
  redis.call('PEXPIRE', KEYS[10], keep)
  return true
end
local function place(id, n)
  if isIn(id, 4, 6) or redis.call('LPOS', KEYS[1], id) or redis.call('LPOS', KEYS[2], id) then return 0 end
  local isActive = redis.call('LPOS', KEYS[3], id)
  if isActive and hasOwner(id) then return 0 end
  local data, ended, inode = unpack(redis.call('HMGET', base .. id, 'data', 'finishedOn', 'deid'))
  local named = inode and redis.call('GET', holder .. inode)
  local isListed = isIn(id, 7, 8)
  local isLost = data and not isListed and not (ended and inode) and (not named or named == id)
  if isLost then
    giveBack(id, n)
    if inode then redis.call('SET', holder .. inode, id) end
    if isActive then redis.call('HINCRBY', base .. id, 'stc', 1) end
  else
    -- It has ended, another stands for its inode, or there is nothing to work on.
    if named == id then redis.call('DEL', holder .. inode) end
    if not isListed then redis.call('DEL', base .. id) end
  end
  if isActive then
    redis.call('LREM', KEYS[3], 0, id)
    redis.call('ZREM', KEYS[10], id)
  end
  return isLost and 1 or 2
end
local places = {}
for n = 5, #ARGV do places[n - 4] = place(ARGV[n], n - 5) end
return places
`;

/** KEYS: delayed, the job. ARGV: its id, its data. Answers 1, or 0 for a job that is not delayed. */
const SET_DELAYED_DATA = `
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], 'data', ARGV[2])
return 1
`;

export type JobPlace = 'kept' | 'given-back' | 'nothing';
const PLACES: readonly JobPlace[] = ['kept', 'given-back', 'nothing'];

/** A job that ended, as it was written. */
export interface EndedJob {
  readonly worker: string | null;
  readonly result: string | null;
  readonly progress: string | null;
}

/** One queue. Calls reject as the connection does: whoever calls knows what it was for. */
export class BullmqKeys {
  readonly #redis: Redis | Cluster;
  readonly #queue: Pick<Queue, 'toKey'>;

  constructor(redis: Redis | Cluster, queue: Pick<Queue, 'toKey'>) {
    this.#redis = redis;
    this.#queue = queue;
  }

  /** What the key of a job begins with. */
  get base(): string {
    return this.#key('');
  }

  get prioritized(): string {
    return this.#key('prioritized');
  }

  get delayed(): string {
    return this.#key('delayed');
  }

  get active(): string {
    return this.#key('active');
  }

  /** The jobs that these de-duplication ids stand for. */
  holders(ids: readonly string[]): Promise<readonly (string | null)[]> {
    return this.#redis.mget(ids.map((id) => this.#key(`de:${id}`)));
  }

  async isPaused(): Promise<boolean> {
    return (await this.#redis.hexists(this.#key('meta'), 'paused')) === 1;
  }

  /** Whether no job waits, is in work, or has its time by then; asked in one step, so that one which moves meanwhile is not missed. */
  async isIdle(untilMs: number): Promise<boolean> {
    const batch = this.#redis.multi();
    for (const name of LISTS) batch.llen(this.#key(name));
    const counts = await inOneStep(batch.zcard(this.prioritized).zcount(this.delayed, 0, untilMs * DELAYED_SCALE));
    return counts.every((count) => count === 0);
  }

  /** Delayed jobs in the order of their time, so many at most, without the first `from`. */
  async firstDue(max: number, from = 0): Promise<readonly { readonly id: string; readonly dueMs: number }[]> {
    const flat = await this.#redis.zrange(this.delayed, from, `${from + max - 1}`, 'WITHSCORES');
    const ids = flat.filter((_, n) => n % 2 === 0);
    return ids.map((id, n) => ({ id, dueMs: Math.floor(Number(flat[2 * n + 1]) / DELAYED_SCALE) }));
  }

  /** When the jobs were made that wait at both ends of the queue, so many of each. */
  async madeAt(sample: number): Promise<readonly number[]> {
    const ids = await Promise.all([
      this.#redis.lrange(this.#key('wait'), -sample, -1),
      this.#redis.zrange(this.prioritized, 0, `${sample - 1}`),
      this.#redis.zrange(this.prioritized, -sample, '-1'),
    ]);
    const made = await Promise.all([...new Set(ids.flat())].map((id) => this.#redis.hget(this.#key(id), 'timestamp')));
    return made.flatMap((text) => decimalNumber(text ?? undefined) ?? []);
  }

  /** The ids of all jobs that are not done, taken in one step, so that one which moves meanwhile is not missed. */
  async idsNotDone(): Promise<readonly string[]> {
    const batch = this.#redis.multi();
    for (const name of LISTS) batch.lrange(this.#key(name), 0, -1);
    for (const name of SETS) batch.zrange(this.#key(name), 0, '-1');
    const found = (await inOneStep(batch)) as readonly (readonly string[])[];
    // A priority marker is no job.
    return found.flat().filter((id) => !id.startsWith('0:'));
  }

  /** The data of jobs, as it was written; `null` for one that is gone. */
  async dataOf(ids: readonly string[]): Promise<readonly (string | null)[]> {
    const batch = this.#redis.pipeline();
    for (const id of ids) batch.hget(this.#key(id), 'data');
    return (await inOneStep(batch)) as readonly (string | null)[];
  }

  /** New data for a job that is delayed; `false` when it is not. */
  async setDelayedData(id: string, data: unknown): Promise<boolean> {
    const keys = [this.delayed, this.#key(id)];
    return (await this.#redis.eval(SET_DELAYED_DATA, keys.length, ...keys, id, JSON.stringify(data))) === 1;
  }

  /** Jobs that ended so since then, by their workers' clocks. */
  endedSince(state: 'completed' | 'failed', ms: number, most: number): Promise<readonly string[]> {
    return this.#redis.zrangebyscore(this.#key(state), ms, '+inf', 'LIMIT', 0, most);
  }

  async ended(ids: readonly string[]): Promise<readonly EndedJob[]> {
    if (ids.length === 0) return [];
    const batch = this.#redis.pipeline();
    for (const id of ids) batch.hmget(this.#key(id), 'pb', 'returnvalue', 'progress');
    const found = (await inOneStep(batch)) as readonly (readonly (string | null)[])[];
    return found.map(([worker = null, result = null, progress = null]) => ({ worker, result, progress }));
  }

  /**
   * Puts those of the jobs back into the queue that are in none of its lists, or active and without a lock at two looks
   * that are further apart than `stalledMs`; tells where each is. Atomic.
   */
  async giveBack(ids: readonly string[], stalledMs = LOCK_DURATION_MS): Promise<readonly JobPlace[]> {
    if (ids.length === 0) return [];
    const names = ['wait', 'paused', 'active', 'prioritized', 'delayed', 'waiting-children', 'completed', 'failed'];
    const keys = [...names, 'marker', 's3compact-lockless'].map((name) => this.#key(name));
    const args = [this.base, stalledMs, LOCKLESS_KEEP_MS, this.#key('de:'), ...ids];
    const places = (await this.#redis.eval(GIVE_BACK, keys.length, ...keys, ...args)) as readonly number[];
    return places.map((place) => PLACES[place] ?? 'kept');
  }

  /** Ids of jobs that wait in lists without an index; `null` where there are more than `most`. */
  async waitingIds(most: number): Promise<ReadonlySet<string> | null> {
    const names = ['wait', 'paused'].map((name) => this.#key(name));
    const found = await Promise.all(names.map((name) => this.#redis.lrange(name, 0, most)));
    const ids = found.flat();
    return ids.length > most ? null : new Set(ids);
  }

  /** Those of the ids that are in no list with an index: delayed, by priority, ended. */
  async notIndexed(ids: readonly string[]): Promise<readonly string[]> {
    if (ids.length === 0) return [];
    const names = ['delayed', 'prioritized', 'completed', 'failed'].map((name) => this.#key(name));
    const found = await Promise.all(names.map((name) => this.#redis.zmscore(name, ...ids)));
    return ids.filter((_, n) => found.every((scores) => scores[n] === null || scores[n] === undefined));
  }

  /** Those of the jobs in work whose lock nobody holds: their workers are gone, or have lost the queue. */
  async lockless(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const held = await Promise.all(ids.map((id) => this.#redis.exists(this.#key(`${id}:lock`))));
    return new Set(ids.filter((_, n) => held[n] === 0));
  }

  /** The ids of all jobs that Redis keeps, listed or not, page by page; one may come twice. */
  async *kept(pageKeys: number): AsyncGenerator<readonly string[]> {
    const redis = this.#redis;
    const nodes = 'nodes' in redis ? redis.nodes('master') : [redis];
    for (const node of nodes) {
      let cursor = '0';
      do {
        const [next, keys] = await node.scan(cursor, 'MATCH', `${this.base}*`, 'COUNT', pageKeys, 'TYPE', 'hash');
        yield keys.map((key) => key.slice(this.base.length)).filter((id) => JOB_ID.test(id));
        cursor = next;
      } while (cursor !== '0');
    }
  }

  #key(name: string): string {
    return this.#queue.toKey(name);
  }
}
