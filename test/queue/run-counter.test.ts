/**
 * What `run` counts and waits for is written by BullMQ with the clock of the process: the end of a job, and when a delayed
 * one is due. That clock may be far from the queue's Redis's; here it is set off, as on a host that is wrong.
 */
import { DelayedError, Worker } from 'bullmq';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { COMPACT_QUEUE, type CompactJobData, CompactQueue } from '../../src/queue/compact-queue.ts';
import { RunCounter } from '../../src/queue/run-counter.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const MINUTE_MS = 60_000;
let world: QueueWorld;
let queue: CompactQueue;
let offMs = 0;

beforeEach(() => {
  world = openQueueWorld('run-counter');
  queue = new CompactQueue({ connection: world.redis, prefix: world.prefix, jobTries: 3, retryDelayMs: MINUTE_MS });
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + offMs);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await queue.close();
  world.close();
});

/** Works on one inode, with what becomes of it. */
async function work(ending: () => Promise<unknown>): Promise<void> {
  const worker = new Worker(COMPACT_QUEUE, ending, { connection: world.blocking, prefix: world.prefix, name: 'own' });
  const over = Promise.race(
    ['completed', 'failed'].map((name) => new Promise((done) => worker.once(name as 'failed', done))),
  );
  await queue.enqueue({ fsId: 1, inodeId: 7n }, 'scan');
  await over;
  await worker.close();
}

it.each([-3, 0, 3])('counts the runs of a host whose clock is %i minutes off', async (minutes) => {
  offMs = minutes * MINUTE_MS;
  const options = { connection: world.redis, prefix: world.prefix, queue, isOwn: (name: string) => name === 'own' };
  const counter = new RunCounter(options);
  await counter.begin();
  await work(async () => ({ ending: 'done', chunksCompacted: 2 }));
  const counts = await eventually('it is counted', async () => {
    await counter.look();
    return Object.keys(counter.counts.endings).length > 0 && counter.counts;
  });
  expect(counts).toMatchObject({ endings: { done: 1 }, chunksCompacted: 2 });
});

it.each([-20, 0, 20])('waits for a second try on a host whose clock is %i minutes off', async (minutes) => {
  offMs = minutes * MINUTE_MS;
  await work(() => Promise.reject(new Error('later')));
  expect(await queue.queue.getDelayedCount()).toBe(1);
  expect(await queue.isDrained(10 * MINUTE_MS)).toBe(false);
  expect(await queue.isDrained(0)).toBe(true);
});

it('is not drained at any moment of a job that goes from one list to the other', async () => {
  let moves = 0;
  const worker = new Worker<CompactJobData>(
    COMPACT_QUEUE,
    async (job, token) => {
      moves++;
      await job.moveToDelayed(Date.now(), token);
      throw new DelayedError();
    },
    { connection: world.blocking, prefix: world.prefix },
  );
  await queue.enqueue({ fsId: 1, inodeId: 7n }, 'scan');
  const asked = Array.from({ length: 20 }, async () => {
    while (moves < 100) expect(await queue.isDrained(MINUTE_MS)).toBe(false);
  });
  await Promise.all(asked).finally(() => worker.close());
});

it('counts every run of a moment in which thousands were given up, also at its last look', async () => {
  const counter = new RunCounter({ connection: world.redis, prefix: world.prefix, queue, isOwn: () => true });
  const batch = world.redis.pipeline();
  for (let n = 0; n < 3_000; n++) {
    batch.zadd(queue.queue.toKey('failed'), Date.now(), `job-${n}`);
    batch.hset(queue.queue.toKey(`job-${n}`), { pb: 'own', progress: '{"report":{"ending":"halted"}}' });
  }
  await batch.exec();
  await counter.look();
  expect(counter.counts.endings).toEqual({ halted: 3_000 });
});
