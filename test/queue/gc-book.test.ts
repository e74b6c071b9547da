/** What gc keeps in Redis between two passes, and how it sees all reap records, in whatever state they are. */

import { Worker } from 'bullmq';
import { afterAll, beforeEach, expect, it } from 'vitest';
import type { ReapRecord } from '../../src/ledger.ts';
import { REAP_QUEUE } from '../../src/queue/compact-queue.ts';
import { QueueGcBook } from '../../src/queue/gc-book.ts';
import { ReapQueue } from '../../src/queue/reap-queue.ts';
import { ledgerMs, wallMs } from '../../src/time.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const worlds: QueueWorld[] = [];
const ledgers: ReapQueue[] = [];
let world: QueueWorld;

beforeEach(() => {
  world = openQueueWorld('gc-book');
  worlds.push(world);
});
afterAll(async () => {
  for (const ledger of ledgers) await ledger.close();
  for (const one of worlds) one.close();
});

function bookOf(fsUuid: string): QueueGcBook {
  return new QueueGcBook({ connection: world.redis, prefix: world.prefix }, { storeId: 'redis:fs', fsUuid });
}

it('keeps thousands of names with their first look, forgets some, and is one for each file system', async () => {
  const book = bookOf('a');
  const names = Array.from({ length: 2_500 }, (_, n) => `1_2_${n}_0_0`);
  await book.note(new Map(names.map((name, n) => [name, { sinceMs: ledgerMs(n), incarnation: 'x' }])));
  await book.note(new Map([['1_2_0_0_0', { sinceMs: ledgerMs(7), incarnation: 'y' }]]));
  await book.forget(names.slice(100));
  const kept = await book.suspects();
  expect(kept.size).toBe(100);
  expect(kept.get('1_2_0_0_0')).toEqual({ sinceMs: ledgerMs(7), incarnation: 'y' });
  expect(kept.get('1_2_99_0_0')).toEqual({ sinceMs: 99, incarnation: 'x' });
  expect((await bookOf('b').suspects()).size).toBe(0);
});

it('keeps where a pass stands; what cannot be read is no position', async () => {
  const book = bookOf('a');
  expect(await book.position()).toBeNull();
  const position = { after: '1_2_3_0_0', objects: 5, leaked: 1, failures: 0 };
  await book.setPosition(position);
  expect(await bookOf('a').position()).toEqual(position);
  await world.redis.set(`${world.prefix}:gc:redis:fs:a:position`, '{"after":1}');
  expect(await book.position()).toBeNull();
  await book.setPosition(position);
  await book.setPosition(null);
  expect(await book.position()).toBeNull();
});

function record(n: number, dueMs: number): ReapRecord {
  return {
    storeId: 'redis:fs',
    fsUuid: 'a',
    bucket: 'b',
    key: { fsId: 1, inodeId: 2n },
    chunkIndex: n,
    attempt: 4096n,
    retired: [`retired-${n}`],
    merged: [],
    dueMs: ledgerMs(dueMs),
  };
}

async function pendingChunks(ledger: ReapQueue): Promise<number[]> {
  const found: number[] = [];
  for await (const { chunkIndex } of ledger.pending()) found.push(chunkIndex);
  return found.sort((a, b) => a - b);
}

it('sees records that are delayed, waiting and in work, and not those that are done', async () => {
  const ledger = new ReapQueue({ connection: world.redis, prefix: world.prefix });
  ledgers.push(ledger);
  const nowMs = await ledger.nowMs();
  await ledger.add(record(0, wallMs(nowMs) + 3_600_000));
  for (const n of [1, 2]) await ledger.add(record(n, wallMs(nowMs)));
  expect(await pendingChunks(ledger)).toEqual([0, 1, 2]);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const worker = new Worker(REAP_QUEUE, () => held, { connection: world.blocking, prefix: world.prefix });
  await eventually('one is in work', async () => (await ledger.queue.getActiveCount()) === 1);
  expect(await pendingChunks(ledger)).toEqual([0, 1, 2]);
  release();
  await eventually('both are done', async () => (await ledger.queue.getJobCountByTypes('wait', 'active')) === 0);
  expect(await pendingChunks(ledger)).toEqual([0]);
  await worker.close();
});

it('a record that cannot be read is doubt', async () => {
  const ledger = new ReapQueue({ connection: world.redis, prefix: world.prefix });
  ledgers.push(ledger);
  const id = await ledger.add(record(0, 0));
  await world.redis.hset(`${world.prefix}:${REAP_QUEUE}:${id}`, 'data', '{"fsId":1}');
  await expect(pendingChunks(ledger)).rejects.toMatchObject({ code: 'queue-unfit' });
});
