/** The set of chunk indexes is gone, or lacks some, and the lists are there: reap, gc and fsck all doubt it (I10). */

import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { objectName } from '../../../src/format.ts';
import { checkInode } from '../../../src/fsck/fsck.ts';
import type { ReapRecord } from '../../../src/ledger.ts';
import type { Filesystem } from '../../../src/model.ts';
import { reapRecord } from '../../../src/reap/reap-record.ts';
import { ledgerMs } from '../../../src/time.ts';
import { MemoryObjectStores } from '../../objects/memory-store.ts';
import { type RedisWorld, redisWorld } from '../redis-world.ts';
import { collect, FILESYSTEM, INODE, KEY, versions } from '../world.ts';

let world: RedisWorld;
let filesystem: Filesystem;
const CHUNKS = 1_200;

beforeEach(async () => {
  world = await redisWorld(inject('redisUrl'));
  await world.putFilesystem(FILESYSTEM);
  filesystem = (await world.store.getFilesystem(FILESYSTEM.fsId)) ?? FILESYSTEM;
  await world.putInode({ ...INODE, length: CHUNKS * filesystem.chunkSize });
  for (const chunkIndex of [0, 3, CHUNKS - 1]) await world.append(KEY, chunkIndex, versions(0, 2));
});
afterEach(() => world.close());

const indexes = () => collect(world.store.chunkIndexes(KEY));

test('holes are no fault: chunks without a list need no index, nor do files of unknown size', async () => {
  expect((await indexes()).toSorted((a, b) => a - b)).toEqual([0, 3, CHUNKS - 1]);
  await world.redis.hdel(world.keyOf(KEY), 'length');
  expect(await indexes()).toHaveLength(3);
});

test.each([
  ['all of it', [0, 3, CHUNKS - 1]],
  ['the first', [0]],
  ['the last of many', [CHUNKS - 1]],
])('what is lost of the set: %s', async (_, lost) => {
  await world.redis.srem(world.keyOf(KEY, 'chunks'), ...lost);
  await expect(indexes()).rejects.toMatchObject({ kind: 'halt', code: 'inode-malformed' });
});

test('what is lost of the set before the file is truncated to nothing', async () => {
  await world.putInode({ ...INODE, length: 0 });
  expect(await indexes()).toHaveLength(3);
  await world.redis.del(world.keyOf(KEY, 'chunks'));
  await expect(indexes()).rejects.toMatchObject({ kind: 'halt', code: 'inode-malformed' });
});

test('reap deletes nothing that the lists reference, and fsck reports the fault', async () => {
  const objects = new MemoryObjectStores();
  const name = objectName(KEY, { chunkId: 77n, compaction: 0n, blockIndex: 0 }, filesystem.objectPrefix);
  objects.write(filesystem.bucket, name, Buffer.from('x'));
  await world.redis.del(world.keyOf(KEY, 'chunks'));
  const { store: metadata } = world;
  const record: ReapRecord = {
    storeId: metadata.storeId,
    fsUuid: filesystem.uuid,
    bucket: filesystem.bucket,
    key: KEY,
    chunkIndex: 5,
    attempt: 4096n,
    incarnation: await metadata.incarnation(KEY),
    retired: [name],
    merged: [],
    dueMs: ledgerMs(1_000),
    stampMs: ledgerMs(0),
  };
  const verdict = await reapRecord(record, { metadata, objects, nowMs: async () => ledgerMs(2_000), graceMs: 1 });
  expect(verdict).toMatchObject({ kind: 'again', doubt: expect.stringContaining('lacks chunk') });
  expect(objects.bucket(filesystem.bucket).has(name)).toBe(true);
  const deps = { metadata, objects: objects.forFilesystem(filesystem), filesystem };
  expect(await checkInode(KEY, deps, { read: false, requestsInFlight: 4 })).toMatchObject({
    faults: [{ reason: 'inode-malformed' }],
  });
});
