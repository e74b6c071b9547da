/**
 * The Redis metadata adapter: the contract, and what is true of Redis only: the exact bytes of docs/format.md, other types
 * under our keys, scripts that the server forgets, users who may not do everything.
 */
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { objectName } from '../../../src/format.ts';
import { checkFilesystem } from '../../../src/fsck/fsck.ts';
import { collectGarbage } from '../../../src/gc/gc.ts';
import { inodeKeys } from '../../../src/metadata/port.ts';
import { RedisMetadata } from '../../../src/metadata/redis/redis.ts';
import { connectRedis } from '../../../src/redis/client.ts';
import { MemoryObjectStores } from '../../objects/memory-store.ts';
import { uniquePrefix } from '../../setup/isolation.ts';
import { GcBookState, MemoryGcBook } from '../../sim/memory-gc-book.ts';
import { LedgerState, MemoryLedger } from '../../sim/memory-ledger.ts';
import { expectRefusal, metadataContract } from '../contract.ts';
import { type RedisWorld, redisWorld } from '../redis-world.ts';
import { ATTEMPT, collect, FILESYSTEM, INODE, KEY, REQUEST, version, versions } from '../world.ts';

metadataContract('Redis', () => redisWorld(inject('redisUrl')));

describe('Redis: the format of docs/format.md', () => {
  let world: RedisWorld;
  beforeEach(async () => {
    world = await redisWorld(inject('redisUrl'));
    await world.putInode(INODE);
    await world.append(KEY, 3, versions(0, 6));
  });
  afterEach(() => world.close());

  test('what begin and commit leave behind, byte by byte', async () => {
    const { redis, keyOf, store } = world;
    await store.begin(KEY, ATTEMPT);
    expect(await redis.hgetall(keyOf(KEY))).toEqual({
      length: '640',
      nlink: '1',
      mtimeMs: '1700000000000',
      type: 's3',
      attempt: '7001',
    });
    await store.commit({
      ...REQUEST,
      replacement: [
        { chunkId: 2n ** 64n - 1n, compaction: 7_001n, offset: 2 ** 53 - 2, len: 1, size: 1, zero: false },
        { chunkId: 0n, compaction: 0n, offset: 0, len: 64, size: 0, zero: true },
      ],
    });
    expect(await redis.lrange(keyOf(KEY, 3), 0, -1)).toEqual([
      '18446744073709551615,7001,9007199254740990,1,1,0',
      '0,0,0,64,0,1',
      '5,4,4,1,1,0',
      '6,0,5,2,2,0',
    ]);
    expect(await redis.smembers(keyOf(KEY, 'chunks'))).toEqual(['3']);
    const keys = await redis.keys(`${keyOf(KEY).replace(/\{.*/, '')}*`);
    expect(keys.toSorted()).toEqual([keyOf(KEY), keyOf(KEY, 3), keyOf(KEY, 'chunks')].toSorted());
    expect(
      await Promise.all([keyOf(KEY), keyOf(KEY, 3), keyOf(KEY, 'chunks')].map((name) => redis.type(name))),
    ).toEqual(['hash', 'list', 'set']);
  });

  test('all keys of an inode have one slot, another one than its neighbour', async () => {
    // CLUSTER KEYSLOT answers on a server without cluster mode, too.
    const slotOf = (key: string) => new Redis.Command('get', [key]).getSlot();
    const slots = ['', ':chunks', ':0', ':3'].map((rest) => slotOf(`fs:{7:42}${rest}`));
    expect(new Set(slots).size).toBe(1);
    expect(slotOf('fs:{7:43}')).not.toBe(slots[0]);
  });

  test('the store names itself by its prefix, and refuses one that would move the hash tag', async () => {
    expect(world.store.storeId).toBe(`redis:${world.keyOf(KEY).split(':')[0]}`);
    const redis = connectRedis(inject('redisUrl'), { profile: 'metadata' });
    expect(new RedisMetadata({ redis }).storeId).toBe('redis:fs');
    for (const keyPrefix of ['', '{fs}', 'a{', 'a}']) {
      expect(() => new RedisMetadata({ redis, keyPrefix })).toThrowError(/prefix/);
    }
    redis.disconnect();
  });

  test('a walk takes the key prefix to the letter, and only keys of inodes', async () => {
    const own = uniquePrefix('glob');
    const keyPrefix = `${own}[a-z]*?\\`;
    const redis = connectRedis(inject('redisUrl'), { profile: 'metadata' });
    const others = [`${own}bcdefghi:{7:2}`, `${keyPrefix}:{7:x}`, `${keyPrefix}:{7:03}`, `${keyPrefix}:{71:4}`];
    for (const key of [`${keyPrefix}:{7:1}`, ...others]) await world.redis.hset(key, 'nlink', 1);
    await world.redis.sadd(`${keyPrefix}:{7:1}:chunks`, 5);
    await world.redis.rpush(`${keyPrefix}:{7:1}:5`, 'a record');
    const store = new RedisMetadata({ redis, keyPrefix });
    expect(await collect(inodeKeys(store, 7))).toEqual([{ fsId: 7, inodeId: 1n }]);
    await store.close();
  });

  test('SSCAN may give a member twice, and an empty page in the middle: each index comes once', async () => {
    const redis = connectRedis(inject('redisUrl'), { profile: 'metadata' });
    const pages = new Map<string, [string, string[]]>([
      ['0', ['8', ['3', '1']]],
      ['8', ['4', []]],
      ['4', ['2', ['1', '7', '3']]],
      ['2', ['0', ['7', '5']]],
    ]);
    Object.assign(redis, { sscan: async (_: string, cursor: string) => pages.get(cursor) });
    const store = new RedisMetadata({ redis });
    expect(await collect(store.chunkIndexes(KEY))).toEqual([3, 1, 7, 5]);
    await store.close();
  });

  test('a set without the index of a list that is there is put right by the commit', async () => {
    await world.redis.del(world.keyOf(KEY, 'chunks'));
    await world.store.begin(KEY, ATTEMPT);
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    expect(await collect(world.store.chunkIndexes(KEY))).toEqual([3]);
  });

  test('an emptied list leaves neither list nor set behind', async () => {
    await world.store.begin(KEY, ATTEMPT);
    await world.store.commit({ ...REQUEST, replaced: versions(0, 6), replacement: [] });
    expect(await world.redis.exists(world.keyOf(KEY, 3), world.keyOf(KEY, 'chunks'))).toBe(0);
  });

  test('I5: a list that only looks equal when joined is a conflict', async () => {
    const one = version(0);
    await world.redis.del(world.keyOf(KEY, 3));
    const joined = `${'1,0,0,1,1,1'}\n${'2,1,1,2,2,0'}`;
    await world.redis.rpush(world.keyOf(KEY, 3), joined, '3,2,2,3,3,0');
    await world.store.begin(KEY, ATTEMPT);
    const request = { ...REQUEST, replaced: versions(0, 3), replacement: [one] };
    expect(await world.store.commit(request)).toEqual({ outcome: 'conflict' });
    const two = { ...REQUEST, replaced: versions(0, 2), replacement: [one] };
    expect(await world.store.commit(two)).toEqual({ outcome: 'conflict' });
    expect(await world.redis.llen(world.keyOf(KEY, 3))).toBe(2);
  });

  test('a commit works after the server forgot its scripts, in the middle of a connection', async () => {
    await world.store.begin(KEY, ATTEMPT);
    expect((await world.store.commit({ ...REQUEST, chunkIndex: 4 })).outcome).toBe('conflict');
    await world.redis.script('FLUSH');
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    await world.redis.script('FLUSH');
    expect(await world.store.clearFence(KEY, ATTEMPT)).toBe(true);
    await world.redis.script('FLUSH');
    expect((await world.store.readChunk(KEY, 3, 1)).versions).toEqual(REQUEST.replacement.slice(0, 1));
  });
});

describe('Redis: another type under a key is refused by its name', () => {
  let world: RedisWorld;
  beforeEach(async () => {
    world = await redisWorld(inject('redisUrl'));
    await world.putFilesystem(FILESYSTEM);
    await world.putInode({ ...INODE, attempt: ATTEMPT });
    await world.append(KEY, 3, versions(0, 6));
  });
  afterEach(() => world.close());

  /** Puts a string where the format has something else. */
  async function spoil(key: string): Promise<void> {
    await world.redis.set(key, 'a string');
  }

  test('file system', async () => {
    const key = world.keyOf(KEY).replace(':42}', '}');
    await spoil(key);
    await expectRefusal(world.store.getFilesystem(7), 'filesystem-malformed', [key, 'WRONGTYPE']);
  });

  test('inode', async () => {
    const key = world.keyOf(KEY);
    await spoil(key);
    const named = [key];
    await expectRefusal(world.store.getInode(KEY), 'inode-malformed', named);
    await expectRefusal(world.store.readChunk(KEY, 3, 10), 'inode-malformed', named);
    await expectRefusal(world.store.begin(KEY, 1n), 'inode-malformed', named);
    await expectRefusal(world.store.commit(REQUEST), 'inode-malformed', named);
    await expectRefusal(world.store.clearFence(KEY, ATTEMPT), 'inode-malformed', named);
    expect(await world.redis.get(key)).toBe('a string');
  });

  test('list', async () => {
    const key = world.keyOf(KEY, 3);
    await spoil(key);
    await expectRefusal(world.store.readChunk(KEY, 3, 10), 'inode-malformed', [key, 'list', 'string']);
    await expectRefusal(world.store.commit(REQUEST), 'inode-malformed', [key, 'list', 'string']);
  });

  test('set: found before the list is touched', async () => {
    const key = world.keyOf(KEY, 'chunks');
    await spoil(key);
    await expectRefusal(collect(world.store.chunkIndexes(KEY)), 'inode-malformed', [key]);
    await expectRefusal(world.store.commit(REQUEST), 'inode-malformed', [key, 'set', 'string']);
    expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
  });

  test('gc, fsck and scan go past the inode that has it, and say so', async () => {
    const sound = { fsId: 7, inodeId: 43n };
    await world.putInode({ ...INODE, key: sound });
    await world.append(sound, 0, [version(1)]);
    const objects = new MemoryObjectStores();
    for (const key of [KEY, sound]) {
      const name = objectName(key, { chunkId: 2n, compaction: 1n, blockIndex: 0 }, FILESYSTEM.objectPrefix);
      objects.write(FILESYSTEM.bucket, name, Buffer.from('x'));
    }
    await spoil(world.keyOf(KEY, 3));
    const ledger = new MemoryLedger(new LedgerState());
    const deps = { metadata: world.store, objects, records: ledger, book: new MemoryGcBook(new GcBookState()) };
    const limits = { leaseMs: 1_000, graceMs: 1_000, minAgeMs: 3_000, delete: false, deletesMax: 10 };
    const report = await collectGarbage(7, { ...deps, nowMs: () => ledger.nowMs() }, limits);
    expect(report.failureExamples).toEqual([expect.stringContaining(world.keyOf(KEY, 3))]);

    const verdicts = await collect(checkFilesystem(7, deps, { read: false, requestsInFlight: 2, inodesInFlight: 2 }));
    expect(verdicts.map(({ key }) => key.inodeId).toSorted()).toEqual([42n, 43n]);
    const parts = await collect(world.store.readLists([KEY, sound], 10));
    expect(parts.map((part) => 'error' in part)).toEqual([true, false]);
  });
});
