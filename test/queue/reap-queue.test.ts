/** The reap ledger on real Redis: records survive everything short of Redis itself (I8). */

import { DelayedError, type Job, Worker } from 'bullmq';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReapRecord } from '../../src/ledger.ts';
import { BullmqKeys } from '../../src/queue/bullmq-keys.ts';
import { REAP_QUEUE } from '../../src/queue/compact-queue.ts';
import { parseReapRecord, printReapRecord, type ReapJobData, ReapQueue } from '../../src/queue/reap-queue.ts';
import { elapsed, ledgerMs, wallMs } from '../../src/time.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const worlds: QueueWorld[] = [];
const closing: (() => Promise<unknown>)[] = [];
let world: QueueWorld;
let ledger: ReapQueue;

beforeEach(() => {
  world = openQueueWorld('reap-queue');
  worlds.push(world);
  ledger = new ReapQueue({ connection: world.redis, prefix: world.prefix });
  closing.push(() => ledger.close());
});

afterAll(async () => {
  for (const close of closing) await close();
  for (const one of worlds) one.close();
});

function record(dueMs: number, changes: Partial<ReapRecord> = {}): ReapRecord {
  return {
    storeId: 'redis:fs',
    fsUuid: 'uuid',
    bucket: 'b',
    key: { fsId: 1, inodeId: 2n ** 64n - 1n },
    chunkIndex: 3,
    attempt: 2n ** 63n,
    retired: ['a', 'b'],
    merged: ['c'],
    dueMs: ledgerMs(dueMs),
    ...changes,
  };
}

async function recordOf(id: string): Promise<ReapRecord | undefined> {
  const job = await ledger.queue.getJob(id);
  return job === undefined ? undefined : parseReapRecord(job.data);
}

describe('records', () => {
  it('print and parse back, ids to 2^64-1 and every optional part included', () => {
    const full = record(5, { stampMs: ledgerMs(1), unreferenced: ['c'], missingSinceMs: ledgerMs(2), doubts: 3 });
    expect(parseReapRecord(JSON.parse(JSON.stringify(printReapRecord(full))))).toEqual(full);
    expect(parseReapRecord(JSON.parse(JSON.stringify(printReapRecord(record(5)))))).toEqual(record(5));
  });

  it.each([
    {},
    null,
    { fsId: 1 },
    { ...printReapRecord(record(1)), attempt: '-1' },
    { ...printReapRecord(record(1)), retired: [''] },
  ])('what is no record is refused with a clear error: %j', (data) => {
    expect(() => parseReapRecord(data)).toThrow(/reap record cannot be read/);
  });
});

describe('the ledger', () => {
  it("tells the time of Redis, not the pod's", async () => {
    const [seconds] = await world.redis.time();
    expect(Math.abs(wallMs(await ledger.nowMs()) - Number(seconds) * 1000)).toBeLessThan(5_000);
  });

  it('a record is a delayed job that cannot run out of tries', async () => {
    const id = await ledger.add(record(wallMs(await ledger.nowMs()) + 60_000));
    const job = await ledger.queue.getJob(id);
    expect(await job?.isDelayed()).toBe(true);
    expect(job?.opts.attempts).toBe(1_000_000_000);
    expect(job?.delay).toBeGreaterThan(55_000);
  });

  it('a stamp replaces the record and its due time', async () => {
    const now = await ledger.nowMs();
    const id = await ledger.add(record(wallMs(now) + 3_600_000));
    await ledger.stamp(id, record(wallMs(now) + 1_000, { stampMs: now }));
    expect(await recordOf(id)).toMatchObject({ stampMs: now, dueMs: wallMs(now) + 1_000 });
    expect((await ledger.queue.getJob(id))?.delay).toBeLessThanOrEqual(1_000);
    expect(await ledger.queue.getDelayedCount()).toBe(1);
  });

  it('the clock is asked for what counts, not for what only wakes somebody', async () => {
    const now = await ledger.nowMs();
    const time = vi.spyOn(world.redis, 'time');
    const id = await ledger.add(record(wallMs(now) + 3_600_000));
    await ledger.stamp(id, record(wallMs(now) + 7_200_000, { stampMs: now }));
    expect(time).not.toHaveBeenCalled();
    time.mockRestore();
    const delay = (await ledger.queue.getJob(id))?.delay ?? 0;
    expect(delay).toBeLessThanOrEqual(7_200_000);
    // It is asked again by whoever has not asked for a minute.
    const other = new ReapQueue({ connection: world.redis, prefix: world.prefix });
    closing.push(() => other.close());
    const asked = vi.spyOn(world.redis, 'time');
    await other.add(record(wallMs(now) + 3_600_000));
    expect(asked).toHaveBeenCalledOnce();
    asked.mockRestore();
  });

  it('a stamp for a record that is gone adds it anew', async () => {
    await ledger.stamp('no-such-record', record(wallMs(await ledger.nowMs()) + 1_000, { stampMs: ledgerMs(1) }));
    const [job] = await ledger.queue.getDelayed();
    expect(parseReapRecord(job?.data)).toMatchObject({ stampMs: 1 });
  });

  it('a stamp for a record that is being looked at adds it anew', async () => {
    const id = await ledger.add(record(0));
    const gate = Promise.withResolvers<void>();
    const worker = new Worker<ReapJobData>(REAP_QUEUE, () => gate.promise, {
      connection: world.blocking,
      prefix: world.prefix,
    });
    closing.unshift(() => worker.close(true));
    await eventually('the look starts', async () => (await ledger.queue.getJob(id))?.isActive());
    await ledger.stamp(id, record(wallMs(await ledger.nowMs()) + 60_000, { stampMs: ledgerMs(7) }));
    gate.resolve();
    const [job] = await ledger.queue.getDelayed();
    expect(parseReapRecord(job?.data)).toMatchObject({ stampMs: 7 });
  });

  it('expedite makes an unstamped record due now, and adds it anew if it is gone', async () => {
    const later = record(wallMs(await ledger.nowMs()) + 3_600_000);
    const id = await ledger.add(later);
    await ledger.expedite(id, later);
    const { dueMs } = (await recordOf(id)) ?? later;
    expect(elapsed(dueMs, await ledger.nowMs())).toBeGreaterThanOrEqual(0);
    await ledger.expedite('no-such-record', later);
    expect(await ledger.queue.getJobCountByTypes('delayed', 'waiting', 'prioritized')).toBe(2);
  });

  it('I12: expedite for a record that is being looked at adds it anew', async () => {
    const id = await ledger.add(record(0));
    const gate = Promise.withResolvers<void>();
    const worker = new Worker<ReapJobData>(REAP_QUEUE, () => gate.promise, {
      connection: world.blocking,
      prefix: world.prefix,
    });
    closing.unshift(() => worker.close(true));
    await eventually('the look starts', async () => (await ledger.queue.getJob(id))?.isActive());
    // The look may be past an object that was put since; when it is done, its record is gone.
    await ledger.expedite(id, record(wallMs(await ledger.nowMs()) + 60_000));
    gate.resolve();
    expect(await ledger.queue.getJobCountByTypes('delayed', 'waiting', 'prioritized')).toBe(1);
  });

  it.each([
    ['ended', (job: Job) => job.remove()],
    ['taken', (job: Job) => job.promote()],
  ])('I12: a record that is %s between the change of its data and of its time is added anew', async (_what, act) => {
    const due = record(wallMs(await ledger.nowMs()) + 60_000);
    const id = await ledger.add(due);
    const job = await ledger.queue.getJob(id);
    if (job === undefined) throw new Error('no job');
    const change = BullmqKeys.prototype.setDelayedData;
    const changed = vi.spyOn(BullmqKeys.prototype, 'setDelayedData').mockImplementationOnce(async function (
      this: BullmqKeys,
      ...args
    ) {
      const wasDelayed = await change.apply(this, args);
      await act(job);
      return wasDelayed;
    });
    const before = await ledger.queue.getDelayedCount();
    await ledger.stamp(id, { ...due, stampMs: ledgerMs(1) });
    expect(changed).toHaveBeenCalledOnce();
    changed.mockRestore();
    expect(await ledger.queue.getDelayedCount()).toBe(before);
    const [added] = (await ledger.queue.getDelayed()).filter(
      (one) => parseReapRecord(one.data).stampMs === ledgerMs(1),
    );
    expect(added?.id).not.toBe(id);
  });

  it('a look that fails or delays itself keeps the record', async () => {
    const id = await ledger.add(record(0));
    let looks = 0;
    const worker = new Worker<ReapJobData>(
      REAP_QUEUE,
      async (job, token) => {
        if (++looks === 1) {
          await job.moveToDelayed(Date.now() + 10, token);
          throw new DelayedError();
        }
        throw new Error('the look failed');
      },
      { connection: world.blocking, prefix: world.prefix },
    );
    closing.unshift(() => worker.close(true));
    await eventually(
      'the second look failed',
      async () => (await ledger.queue.getJob(id))?.failedReason === 'the look failed',
    );
    expect(await (await ledger.queue.getJob(id))?.isDelayed()).toBe(true);
  });
});
