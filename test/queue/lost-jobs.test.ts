/**
 * Jobs that no worker could find any more: in no list of their queue, or active and nobody's (docs/adr/0021). Whoever meets
 * one gives it back at once, and what nobody meets is found by the hourly walk; a job that is just being moved is left alone.
 */

import { DelayedError, type Job, type Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { ReapRecord } from '../../src/ledger.ts';
import type { InodeKey } from '../../src/model.ts';
import { COMPACT_QUEUE, type CompactJobData, CompactQueue } from '../../src/queue/compact-queue.ts';
import { LostJobs } from '../../src/queue/lost-jobs.ts';
import { ReapQueue } from '../../src/queue/reap-queue.ts';
import { SCAN_QUEUE, ScanSchedule } from '../../src/queue/scan-schedule.ts';
import { runNow } from '../../src/queue/wait-for-run.ts';
import { ledgerMs, wallMs } from '../../src/time.ts';
import { startRedis } from '../kit/servers/redis.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const KEY: InodeKey = { fsId: 1, inodeId: 2n ** 63n + 5n };
const LOCK_MS = 200;
const LISTS = ['wait', 'paused', 'active'];
const SETS = ['delayed', 'prioritized', 'completed', 'failed', 'waiting-children'];
const worlds: QueueWorld[] = [];
const closing: (() => Promise<unknown>)[] = [];
let world: QueueWorld;
let queue: CompactQueue;
let givenBack: string[];

beforeEach(() => {
  world = openQueueWorld('lost-jobs');
  worlds.push(world);
  givenBack = [];
  queue = openQueue(world.redis);
});
afterAll(async () => {
  for (const close of closing) await close();
  for (const one of worlds) one.close();
});

function openQueue(connection: Redis): CompactQueue {
  const opened = new CompactQueue({
    connection,
    prefix: world.prefix,
    jobTries: 3,
    retryDelayMs: 50,
    lockDurationMs: LOCK_MS,
    onGivenBack: (ids) => givenBack.push(...ids),
  });
  closing.unshift(() => opened.close());
  return opened;
}

function recordOf(dueMs: number): ReapRecord {
  return {
    storeId: 'redis:fs',
    fsUuid: 'uuid',
    bucket: 'b',
    key: KEY,
    chunkIndex: 3,
    attempt: 5n,
    retired: ['a'],
    merged: ['b'],
    dueMs: ledgerMs(dueMs),
  };
}

/** Takes a job out of every list and leaves its data, and the key that names it, as they are. */
async function lose(jobId: string, of: Queue = queue.queue as Queue): Promise<void> {
  const lists = LISTS.map((name) => world.redis.lrem(of.toKey(name), 0, jobId));
  const sets = SETS.map((name) => world.redis.zrem(of.toKey(name), jobId));
  const found = await Promise.all([...lists, ...sets]);
  expect(found.reduce((sum, one) => sum + one, 0)).toBe(1);
  expect(await world.redis.exists(of.toKey(jobId))).toBe(1);
}

function startWorker(process: (job: Job<CompactJobData>, token?: string) => Promise<unknown>, concurrency = 4): Worker {
  const worker = new Worker<CompactJobData>(COMPACT_QUEUE, process, {
    connection: world.blocking,
    prefix: world.prefix,
    concurrency,
    lockDuration: 60_000,
  });
  closing.unshift(() => worker.close(true));
  return worker;
}

/** A worker that tells which inodes it ran. */
function running(): string[] {
  const ran: string[] = [];
  startWorker(async (job) => ran.push(job.data.inodeId));
  return ran;
}

const wait = () => ({ queue, clock: systemClock, timeoutMs: 60_000 });

describe('a job in no list, whose inode its key still names', () => {
  it('is back in the queue as soon as somebody queues the inode', async () => {
    const { jobId } = await queue.enqueue(KEY, 'scan');
    await lose(jobId);
    expect((await queue.enqueue(KEY, 'scan')).jobId).toBe(jobId);
    expect(givenBack).toEqual([jobId]);
    const ran = running();
    await eventually('it ran', async () => ran.length === 1);
    await eventually('the inode is free', async () => (await queue.jobIdOf(KEY)) === null);
  });

  it('is back as soon as a scan finds the inode, and keeps its tries; the others are queued beside it', async () => {
    const { jobId } = await queue.enqueue(KEY, 'scan');
    await world.redis.hset(queue.queue.toKey(jobId), 'atm', '2');
    await lose(jobId);
    const others = [1n, 2n].map((inodeId) => ({ key: { fsId: 1, inodeId }, score: 1 }));
    expect(await queue.enqueueBest(1, [{ key: KEY, score: 9 }, ...others])).toBe(2);
    expect(givenBack).toEqual([jobId]);
    expect((await queue.queue.getJob(jobId))?.attemptsMade).toBe(2);
    const ran = running();
    await eventually('all ran', async () => ran.length === 3);
  });

  it('serves who waits for the inode, at once', async () => {
    await lose((await queue.enqueue(KEY, 'scan')).jobId);
    startWorker(async () => 'well');
    expect(await runNow(KEY, wait())).toMatchObject({ kind: 'completed', value: 'well' });
  });

  it('serves who has been waiting when it was lost', async () => {
    const seen = runNow(KEY, wait());
    const jobId = await eventually('it is queued', async () => (await queue.jobIdOf(KEY)) ?? undefined);
    await lose(jobId);
    await eventually('it is back', async () => givenBack.length > 0);
    startWorker(async () => 'well');
    expect(await seen).toMatchObject({ kind: 'completed', jobId, value: 'well' });
  });

  it('is queued anew for who waits when its data is gone as well', async () => {
    const seen = runNow(KEY, wait());
    const jobId = await eventually('it is queued', async () => (await queue.jobIdOf(KEY)) ?? undefined);
    await lose(jobId);
    await world.redis.del(queue.queue.toKey(jobId));
    await eventually('another is queued', async () => ![jobId, null].includes(await queue.jobIdOf(KEY)));
    startWorker(async () => 'well');
    expect(await seen).toMatchObject({ kind: 'completed', value: 'well' });
  });

  it('that had ended, or has no data, goes, and the inode is queued anew', async () => {
    for (const spoil of [
      (key: string) => world.redis.hset(key, 'finishedOn', '5'),
      (key: string) => world.redis.hdel(key, 'data'),
    ]) {
      const { jobId } = await queue.enqueue(KEY, 'scan');
      await lose(jobId);
      await spoil(queue.queue.toKey(jobId));
      const again = await queue.enqueue(KEY, 'scan');
      expect(again.jobId).toBe(again.requestedId);
      expect(await world.redis.exists(queue.queue.toKey(jobId))).toBe(0);
      await queue.queue.remove(again.jobId);
    }
    expect(givenBack).toEqual([]);
  });

  it('goes where another job stands for the inode: it is not run twice', async () => {
    const { jobId } = await queue.enqueue(KEY, 'scan');
    await lose(jobId);
    await world.redis.del(queue.queue.toKey('de:1/9223372036854775813'));
    const other = await queue.enqueue(KEY, 'scan');
    expect(other.jobId).not.toBe(jobId);
    expect([...(await queue.giveBack([jobId, other.jobId])).values()]).toEqual(['nothing', 'kept']);
    expect(await queue.jobIdOf(KEY)).toBe(other.jobId);
    expect(await world.redis.exists(queue.queue.toKey(jobId))).toBe(0);
  });
});

it('a key that names a job which has ended is no key: the inode is queued, and the end is kept', async () => {
  startWorker(async () => 'well');
  const { jobId } = await queue.enqueue(KEY, 'scan');
  await eventually('it ended', async () => (await queue.jobIdOf(KEY)) === null);
  await world.redis.set(queue.queue.toKey('de:1/9223372036854775813'), jobId);
  const again = await queue.enqueue(KEY, 'scan');
  expect(again.jobId).toBe(again.requestedId);
  expect((await queue.queue.getJob(jobId))?.returnvalue).toBe('well');
});

describe('an active job', () => {
  async function taken(): Promise<{ readonly jobId: string; readonly lockKey: string }> {
    const { jobId } = await queue.enqueue(KEY, 'scan');
    const worker = new Worker(COMPACT_QUEUE, null, { connection: world.blocking, prefix: world.prefix });
    closing.unshift(() => worker.close(true));
    expect((await worker.getNextJob('token'))?.id).toBe(jobId);
    return { jobId, lockKey: queue.queue.toKey(`${jobId}:lock`) };
  }

  it('with a lock is left alone, however often it is seen', async () => {
    const { jobId } = await taken();
    for (let n = 0; n < 3; n++) {
      expect([...(await queue.giveBack([jobId])).values()]).toEqual(['kept']);
      await systemClock.sleep(LOCK_MS);
    }
  });

  it('without one is back after two looks that are further apart than a lock lasts', async () => {
    const { jobId, lockKey } = await taken();
    await world.redis.del(lockKey);
    const startedMs = performance.now();
    expect([...(await queue.giveBack([jobId])).values()]).toEqual(['kept']);
    await eventually('it is back', async () => (await queue.giveBack([jobId])).get(jobId) === 'given-back');
    expect(performance.now() - startedMs).toBeGreaterThan(LOCK_MS - 5);
    expect(await queue.queue.getActiveCount()).toBe(0);
    // It counts as one whose process died: one that ends every process is given up in the end.
    expect(await world.redis.hget(queue.queue.toKey(jobId), 'stc')).toBe('1');
    const ran = running();
    await eventually('it ran', async () => ran.length === 1);
  });

  it('that has a lock again in between begins anew', async () => {
    const { jobId, lockKey } = await taken();
    await world.redis.del(lockKey);
    await queue.giveBack([jobId]);
    await world.redis.set(lockKey, 'token');
    await queue.giveBack([jobId]);
    await systemClock.sleep(2 * LOCK_MS);
    await world.redis.del(lockKey);
    expect([...(await queue.giveBack([jobId])).values()]).toEqual(['kept']);
  });
});

it('jobs that are being moved are never taken for lost, and none runs twice or not at all', async () => {
  const ids = Array.from({ length: 40 }, (_, n) => BigInt(n));
  const runs = new Map<string, number>();
  const moved = new Map<string, number>();
  const worker = startWorker(async (job, token) => {
    const { inodeId } = job.data;
    const moves = (moved.get(inodeId) ?? 0) + 1;
    moved.set(inodeId, moves);
    if (moves % 4 !== 0) {
      await job.moveToDelayed(Date.now() + (moves % 3), token);
      throw new DelayedError();
    }
    runs.set(inodeId, (runs.get(inodeId) ?? 0) + 1);
  });
  const jobs = await Promise.all(ids.map((inodeId) => queue.enqueue({ fsId: 1, inodeId }, 'scan')));
  const jobIds = jobs.map(({ jobId }) => jobId);
  const other = openQueue(world.redis);
  let looks = 0;
  while (runs.size < ids.length) {
    await Promise.all([queue.giveBack(jobIds), other.giveBack(jobIds)]);
    const some = await queue.queue.getJob(jobIds[looks++ % jobIds.length] ?? '');
    await some?.promote().catch(() => undefined);
    await some?.changePriority({ priority: 5 + (looks % 7) }).catch(() => undefined);
  }
  await worker.close();
  expect(givenBack).toEqual([]);
  expect([...runs.values()].every((count) => count === 1)).toBe(true);
  expect(looks).toBeGreaterThan(5);
});

describe('the hourly walk', () => {
  function walk(of: readonly Queue[]): LostJobs {
    return new LostJobs({
      connection: world.redis,
      prefix: world.prefix,
      clock: systemClock,
      lockDurationMs: LOCK_MS,
      queues: of.map((one) => ({ queue: one, onGivenBack: (ids) => givenBack.push(...ids) })),
    });
  }
  const never = new AbortController().signal;
  const SOON_MS = 5 * 60_000;

  it('gives back what nobody meets, reap records among them, and leaves everything else', async () => {
    const ledger = new ReapQueue({ connection: world.redis, prefix: world.prefix });
    closing.unshift(() => ledger.close());
    const kept = await ledger.add(recordOf(wallMs(await ledger.nowMs()) + 3_600_000));
    const lost = await ledger.add(recordOf(wallMs(await ledger.nowMs()) + 3_600_000));
    await lose(lost, ledger.queue as Queue);
    const ran = running();
    await queue.enqueue({ fsId: 1, inodeId: 1n }, 'scan');
    await eventually('one has ended', async () => ran.length === 1);
    await queue.queue.pause();
    const { jobId } = await queue.enqueue({ fsId: 1, inodeId: 2n }, 'scan');
    await queue.enqueue({ fsId: 1, inodeId: 3n }, 'scan');
    await lose(jobId);
    const walker = walk([queue.queue as Queue, ledger.queue as Queue]);
    expect(await walker.sweep(never)).toBe(true);
    expect(givenBack).toEqual([jobId, lost]);
    // A record is due at once; what its time is, the record says.
    expect(await ledger.queue.getDelayedCount(wallMs(await ledger.nowMs()) + 1)).toBe(1);
    expect((await ledger.queue.getJob(kept))?.id).toBe(kept);
    const records: number[] = [];
    for await (const { dueMs } of ledger.pending()) records.push(wallMs(dueMs));
    expect(records).toHaveLength(2);
    await queue.queue.resume();
    await eventually('the others ran', async () => ran.length === 3);
  });

  it('a record that ended as failed and is in no list is given back, too: a record is never dropped', async () => {
    const ledger = new ReapQueue({ connection: world.redis, prefix: world.prefix });
    closing.unshift(() => ledger.close());
    const lost = await ledger.add(recordOf(0));
    await lose(lost, ledger.queue as Queue);
    await world.redis.hset(ledger.queue.toKey(lost), 'finishedOn', '5');
    await walk([ledger.queue as Queue]).sweep(never);
    expect(givenBack).toEqual([lost]);
    expect(await ledger.queue.getJobState(lost)).toBe('delayed');
  });

  it('is made by one of many within an hour; one that died with it leaves it to the next', async () => {
    const walkers = [1, 2, 3].map(() => walk([queue.queue as Queue]));
    const made = await Promise.all(walkers.map((one) => one.sweep(never)));
    expect(made.filter(Boolean)).toHaveLength(1);
    const restMs = await world.redis.pttl(`${world.prefix}:swept`);
    expect(restMs).toBeGreaterThan(SOON_MS);
    expect(restMs).toBeLessThanOrEqual(3_600_000);
  });

  /** It comes within minutes. */
  async function nextLook(): Promise<void> {
    const restMs = await world.redis.pttl(`${world.prefix}:swept`);
    expect(restMs).toBeGreaterThan(0);
    expect(restMs).toBeLessThanOrEqual(SOON_MS);
    await world.redis.del(`${world.prefix}:swept`);
  }

  it('whose process stops is made again soon', async () => {
    const { jobId } = await queue.enqueue(KEY, 'scan');
    await lose(jobId);
    expect(await walk([queue.queue as Queue]).sweep(AbortSignal.abort())).toBe(true);
    await nextLook();
    expect(await walk([queue.queue as Queue]).sweep(never)).toBe(true);
    expect(givenBack).toEqual([jobId]);
  });

  it('is not made again for what fails after it: that is tried soon, and alone', async () => {
    const fails = async () => {
      throw new Error('Redis is away');
    };
    await expect(walk([queue.queue as Queue]).sweep(never, fails)).rejects.toThrow('Redis is away');
    await nextLook();
    await lose((await queue.enqueue(KEY, 'scan')).jobId);
    let done = 0;
    expect(await walk([queue.queue as Queue]).sweep(never, async () => void done++)).toBe(true);
    expect([done, givenBack]).toEqual([1, []]);
    expect(await world.redis.pttl(`${world.prefix}:swept`)).toBeGreaterThan(SOON_MS);
    const walkedMs = await world.redis.pttl(`${world.prefix}:swept:walked`);
    expect(walkedMs).toBeGreaterThan(SOON_MS);
    expect(walkedMs).toBeLessThanOrEqual(3_600_000);
  });
});

describe('a plan of scans', () => {
  function openSchedule(): ScanSchedule {
    const schedule = new ScanSchedule({ connection: world.redis, prefix: world.prefix, lockDurationMs: LOCK_MS });
    closing.unshift(() => schedule.close());
    return schedule;
  }

  async function nextOf({ queue: scans }: ScanSchedule): Promise<string> {
    const jobs = await scans.getJobs(['wait', 'delayed']);
    expect(jobs).toHaveLength(1);
    return jobs[0]?.id ?? '';
  }

  it('lets a scan see another of the same file system, and neither itself nor those of others', async () => {
    const schedule = openSchedule();
    await schedule.plan(7, 3_600_000);
    const worker = new Worker(SCAN_QUEUE, null, { connection: world.blocking, prefix: world.prefix });
    closing.unshift(() => worker.close(true));
    const taken = await worker.getNextJob('token');
    expect(taken?.data).toEqual({ fsId: 7 });
    expect(await schedule.isScanned(7, 'another')).toBe(true);
    expect(await schedule.isScanned(7, taken?.id)).toBe(false);
    expect(await schedule.isScanned(8, 'another')).toBe(false);
  });

  it('of which two are taken at once is made by the first that was taken, and by it alone', async () => {
    const schedule = openSchedule();
    const worker = new Worker(SCAN_QUEUE, null, { connection: world.blocking, prefix: world.prefix });
    closing.unshift(() => worker.close(true));
    for (const fsId of [8, 7, 7]) await schedule.queue.add(SCAN_QUEUE, { fsId });
    await worker.getNextJob('token');
    const [first, second] = [await worker.getNextJob('token'), await worker.getNextJob('token')];
    expect([await schedule.isScanned(7, first?.id), await schedule.isScanned(7, second?.id)]).toEqual([false, true]);
  });

  it('whose next job was lost goes on; as it was, nothing changes', async () => {
    const schedule = openSchedule();
    await schedule.plan(7, 3_600_000);
    expect(await schedule.keep(7, 60_000)).toBe(false);
    const jobId = await nextOf(schedule);
    await lose(jobId, schedule.queue as Queue);
    await schedule.plan(7, 3_600_000);
    expect(await nextOf(schedule)).toBe(jobId);
    expect((await schedule.queue.getJobScheduler('scan-7'))?.every).toBe(3_600_000);
  });

  it('whose next job is gone, or has ended, or that is gone as a whole, is planned again', async () => {
    const schedule = openSchedule();
    await schedule.plan(7, 3_600_000);
    const jobId = await nextOf(schedule);
    await lose(jobId, schedule.queue as Queue);
    await world.redis.del(schedule.queue.toKey(jobId));
    expect(await schedule.keep(7, 60_000)).toBe(true);
    expect(await nextOf(schedule)).not.toBe('');
    await world.redis.del(...(await world.redis.keys(`${world.prefix}:scan:*`)));
    expect(await schedule.keep(7, 60_000)).toBe(true);
    expect(await schedule.keep(7, 90_000)).toBe(false);
    expect((await schedule.queue.getJobScheduler('scan-7'))?.every).toBe(60_000);
  });
});

it('a Redis that is full refuses to give a job back, and leaves no half of it', async () => {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const full = new CompactQueue({
    connection: redis,
    prefix: 'full',
    jobTries: 3,
    retryDelayMs: 50,
    lockDurationMs: 0,
  });
  try {
    const { jobId } = await full.enqueue(KEY, 'scan');
    const { jobId: active } = await full.enqueue({ fsId: 1, inodeId: 1n }, 'scan');
    const worker = new Worker(COMPACT_QUEUE, null, {
      connection: redis.duplicate({ maxRetriesPerRequest: null }),
      prefix: 'full',
    });
    await worker.getNextJob('token');
    await worker.getNextJob('token');
    await redis.del(...[jobId, active].map((id) => full.queue.toKey(`${id}:lock`)));
    await full.giveBack([active]);
    await systemClock.sleep(2);
    await redis.lrem(full.queue.toKey('active'), 0, jobId);
    for (const id of [jobId, active]) {
      await redis.config('SET', 'maxmemory', '1');
      await expect(full.giveBack([id])).rejects.toMatchObject({ code: 'queue-unavailable' });
      await redis.config('SET', 'maxmemory', '0');
    }
    expect(await full.queue.getJobCounts('delayed', 'active')).toEqual({ delayed: 0, active: 1 });
    expect(await full.jobIdOf(KEY)).toBe(jobId);
    expect([...(await full.giveBack([jobId, active])).values()]).toEqual(['given-back', 'given-back']);
    await worker.close(true);
  } finally {
    await full.close();
    redis.disconnect();
    await server.stop();
  }
});
