/**
 * What we take for granted about BullMQ's keys, held against the real library: an upgrade that changes one of them fails
 * here. And nobody else takes anything for granted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { BullmqKeys } from '../../src/queue/bullmq-keys.ts';
import { openQueueWorld, type QueueWorld } from './world.ts';

const worlds: QueueWorld[] = [];
const closing: (() => Promise<unknown>)[] = [];
let world: QueueWorld;
let queue: Queue;
let keys: BullmqKeys;

beforeEach(() => {
  world = openQueueWorld('bullmq-keys');
  worlds.push(world);
  queue = new Queue('q', { connection: world.redis, prefix: world.prefix });
  keys = new BullmqKeys(world.redis, queue);
  closing.push(() => queue.close());
});
afterAll(async () => {
  for (const close of closing) await close();
  for (const one of worlds) one.close();
});

/** A worker that takes jobs by hand. */
function byHand() {
  const worker = new Worker('q', null, { connection: world.blocking, prefix: world.prefix, name: 'me' });
  closing.unshift(() => worker.close(true));
  return worker;
}

describe('what BullMQ keeps', () => {
  it('jobs wait in lists and sets of these names', async () => {
    await queue.add('plain', {}, { jobId: 'plain-1' });
    await queue.add('urgent', {}, { jobId: 'urgent-1', priority: 7 });
    await queue.add('later', { much: 1 }, { jobId: 'later-1', delay: 60_000 });
    await queue.add('taken', {}, { jobId: 'taken-1', lifo: true });
    const taken = await byHand().getNextJob('token');
    expect(taken?.id).toBe('taken-1');
    expect([...(await keys.idsNotDone())].sort()).toEqual(['later-1', 'plain-1', 'taken-1', 'urgent-1']);
    expect(await keys.waitingIds(10)).toEqual(new Set(['plain-1']));
    expect(await keys.waitingIds(0)).toBeNull();
    expect(await keys.notIndexed(['plain-1', 'urgent-1', 'later-1', 'taken-1', 'x'])).toEqual([
      'plain-1',
      'taken-1',
      'x',
    ]);
    expect(await keys.dataOf(['later-1', 'x'])).toEqual(['{"much":1}', null]);
    expect(await keys.setDelayedData('later-1', { much: 2 })).toBe(true);
    expect((await queue.getJob('later-1'))?.data).toEqual({ much: 2 });
    expect([await keys.setDelayedData('plain-1', 1), await keys.setDelayedData('x', 1)]).toEqual([false, false]);
    expect((await queue.getJob('plain-1'))?.data).toEqual({});
    expect(await world.redis.zscore(keys.prioritized, 'urgent-1')).toBe(`${7 * 2 ** 32 + 1}`);
    expect(await keys.madeAt(5)).toHaveLength(2);
  });

  it('a delayed job has its time, a paused queue its mark', async () => {
    const { timestamp } = await queue.add('later', {}, { delay: 60_000 });
    expect((await keys.firstDue(1))[0]?.dueMs).toBe(timestamp + 60_000);
    expect([await keys.isIdle(timestamp + 59_999), await keys.isIdle(timestamp + 60_001)]).toEqual([true, false]);
    expect(await keys.isPaused()).toBe(false);
    await queue.pause();
    expect(await keys.isPaused()).toBe(true);
  });

  it('an id of de-duplication names its job until that ends; the end has a worker and a result', async () => {
    const deduplication = { id: '7/8', keepLastIfActive: true };
    const { id = '' } = await queue.add('one', {}, { deduplication });
    expect(await keys.holders(['7/8', '7/9'])).toEqual([id, null]);
    const job = await byHand().getNextJob('token');
    await job?.updateProgress({ at: 1 });
    await job?.moveToCompleted('well', 'token', false);
    expect(await keys.holders(['7/8'])).toEqual([null]);
    expect(await keys.endedSince('completed', 0, 10)).toEqual([id]);
    expect(await keys.ended([id, 'x'])).toEqual([
      { worker: 'me', result: '"well"', progress: '{"at":1}' },
      { worker: null, result: null, progress: null },
    ]);
    expect(await keys.ended([])).toEqual([]);
  });
});

it('no other source file speaks of private keys', () => {
  const files = ['src', 'workers'].flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name)),
  );
  const told = files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('queue/bullmq-keys.ts'))
    .filter((file) =>
      /toKey\(|:lock`|:stalled|`de:|`dn:|0x1000|4294967296|'deid'|'finishedOn'/.test(readFileSync(file, 'utf8')),
    );
  expect(told).toEqual([]);
  expect(files.length).toBeGreaterThan(100);
});
