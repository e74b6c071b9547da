/** What the queues tell those who watch, on real Redis: depths, ages, what is in work, how reaping keeps up. */

import { DelayedError, Worker } from 'bullmq';
import { afterAll, beforeEach, expect, it } from 'vitest';
import type { ReapRecord } from '../../src/ledger.ts';
import { COMPACT_QUEUE, CompactQueue } from '../../src/queue/compact-queue.ts';
import { ReapQueue } from '../../src/queue/reap-queue.ts';
import {
  jobsInFlight,
  OVERDUE_MS,
  queueDepths,
  reapBacklog,
  recentRuns,
  type StatusSource,
} from '../../src/queue/status.ts';
import { delayedJobs } from '../../src/queue/status-lists.ts';
import { later, ledgerMs, wallMs } from '../../src/time.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const worlds: QueueWorld[] = [];
const closing: (() => Promise<unknown>)[] = [];
let world: QueueWorld;
let source: StatusSource & { readonly queue: CompactQueue; readonly ledger: ReapQueue };
/** Added to the server's time. */
let aheadMs = 0;

beforeEach(() => {
  world = openQueueWorld('status');
  worlds.push(world);
  aheadMs = 0;
  const options = { connection: world.redis, prefix: world.prefix };
  const queue = new CompactQueue({ ...options, jobTries: 3, retryDelayMs: 50 });
  const ledger = new ReapQueue(options);
  const realNowMs = ledger.nowMs.bind(ledger);
  ledger.nowMs = async () => later(await realNowMs(), aheadMs);
  source = { ...options, queue, ledger };
  closing.push(
    () => queue.close(),
    () => ledger.close(),
  );
});
afterAll(async () => {
  for (const close of closing) await close();
  for (const one of worlds) one.close();
});

function record(dueMs: number): ReapRecord {
  return {
    storeId: 'redis:fs',
    fsUuid: 'a',
    bucket: 'b',
    key: { fsId: 1, inodeId: 2n },
    chunkIndex: 0,
    attempt: 4096n,
    retired: [],
    merged: [],
    dueMs: ledgerMs(dueMs),
  };
}

it('an empty queue tells zeros', async () => {
  const none = { waiting: 0, active: 0, delayed: 0, failed: 0, paused: false, jobsMax: null, oldestWaitingMs: 0 };
  expect(await queueDepths(source)).toEqual([
    { name: 'compact', ...none },
    { name: 'reap', ...none },
  ]);
  expect(await reapBacklog(source)).toEqual({ pending: 0, due: 0, overdue: 0, oldestDueMs: 0 });
  expect(await jobsInFlight(source)).toEqual([]);
  expect(await recentRuns(source)).toEqual({ windowMs: 60_000, runs: 0, bytesMoved: 0, getsSaved: 0 });
});

it('counts what waits, with the age of the oldest, what is in work with its progress, and what ended lately', async () => {
  for (let n = 1n; n <= 4n; n++) await source.queue.enqueue({ fsId: 1, inodeId: n }, 'scan');
  const gate = Promise.withResolvers<void>();
  const worker = new Worker(
    COMPACT_QUEUE,
    async (job, token) => {
      if (job.data.inodeId === '2') {
        await job.moveToDelayed(Date.now() + 3_600_000, token);
        throw new DelayedError();
      }
      if (job.data.inodeId === '3') {
        await job.updateProgress({ kind: 'running' });
        await gate.promise;
      }
      return {
        cost: { readBytes: 5, writeBytes: 7 },
        gain: { getsBefore: 9, getsAfter: 1 },
      };
    },
    { connection: world.blocking, prefix: world.prefix },
  );
  closing.unshift(() => worker.close(true));
  await eventually('the third is in work', async () => {
    const [one] = await jobsInFlight(source);
    return one?.inodeId === '3' && JSON.stringify(one.progress) === '{"kind":"running"}';
  });
  aheadMs = 5_000;
  const [compact] = await queueDepths(source);
  expect(compact).toMatchObject({ waiting: 1, active: 1, delayed: 1, failed: 0, paused: false });
  expect(compact?.oldestWaitingMs).toBeGreaterThanOrEqual(5_000);
  expect(await jobsInFlight(source)).toMatchObject([{ fsId: 1, inodeId: '3', origin: 'scan' }]);
  gate.resolve();
  await eventually('all that can have ended', async () => (await recentRuns(source)).runs === 3);
  expect(await recentRuns(source)).toMatchObject({ bytesMoved: 36, getsSaved: 24 });
  aheadMs = 120_000;
  expect((await recentRuns(source)).runs).toBe(0);
});

it('says of a job that a stopped worker handed back just that, whatever an earlier try had said', async () => {
  await source.queue.enqueue({ fsId: 1, inodeId: 7n }, 'scan');
  const worker = new Worker(COMPACT_QUEUE, null, { connection: world.blocking, prefix: world.prefix });
  closing.unshift(() => worker.close(true));
  const job = await worker.getNextJob('token');
  await job?.updateProgress({ kind: 'failed', report: { code: 'object-missing', message: 'it is missing' } });
  await job?.moveToDelayed(Date.now() + 60_000, 'token');
  expect((await delayedJobs(source)).jobs).toMatchObject([{ code: 'object-missing', reason: 'it is missing' }]);
  await job?.promote();
  await (await worker.getNextJob('token'))?.moveToDelayed(Date.now(), 'token');
  const [listed] = (await delayedJobs(source)).jobs;
  expect(listed).toMatchObject({
    inodeId: '7',
    reason: 'the worker that had it was stopped; the next free one takes it',
  });
  expect(listed).not.toHaveProperty('code');
});

it('tells how many jobs may run at a time', async () => {
  await source.queue.queue.setGlobalConcurrency(2);
  expect((await queueDepths(source)).map(({ jobsMax }) => jobsMax)).toEqual([2, null]);
});

it('tells reap records that are due from those that are overdue', async () => {
  const nowMs = await source.ledger.nowMs();
  await source.ledger.add(record(wallMs(nowMs) + 60_000));
  await source.ledger.add(record(wallMs(nowMs) + 60_000 + OVERDUE_MS));
  expect(await reapBacklog(source)).toMatchObject({ pending: 2, due: 0, overdue: 0, oldestDueMs: 0 });
  aheadMs = 60_000 + 1_000;
  expect(await reapBacklog(source)).toMatchObject({ pending: 2, due: 1, overdue: 0 });
  aheadMs = 60_000 + OVERDUE_MS + 2_000;
  const late = await reapBacklog(source);
  expect(late).toMatchObject({ pending: 2, due: 2, overdue: 1 });
  expect(late.oldestDueMs).toBeGreaterThanOrEqual(OVERDUE_MS);
  expect(late.oldestDueMs).toBeLessThan(OVERDUE_MS + 10_000);
});
