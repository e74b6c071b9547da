/**
 * The Redis metadata adapter when another server takes the place of the one that it talked to: what was read in parts is
 * of one server or of none, and the change is known. Real servers: the embedded one has no replicas.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AttemptIds } from '../../../src/compact/attempt.ts';
import { compactInode } from '../../../src/compact/compact-inode.ts';
import { MemoryBudget } from '../../../src/compact/memory-budget.ts';
import { objectName } from '../../../src/format.ts';
import { reapRecord } from '../../../src/reap/reap-record.ts';
import { monotonicMs, wallMs } from '../../../src/time.ts';
import { findRedis, type RedisService, startRedis } from '../../kit/servers/redis.ts';
import { MemoryObjectStores } from '../../objects/memory-store.ts';
import { LedgerState, MemoryLedger } from '../../sim/memory-ledger.ts';
import { LIMITS } from '../../sim/world.ts';
import { startProxy } from '../proxy.ts';
import { portOf, quietRedis, type RedisWorld, redisWorld } from '../redis-world.ts';
import { collect, FILESYSTEM, INODE, KEY } from '../world.ts';

const TIMEOUT_MS = 5_000;
const WAIT = { timeout: 600_000, interval: 50 };
const INDEXES = 4_000;
const DOUBT = { kind: 'retry', code: 'metadata-unavailable' };

describe.runIf(findRedis() !== undefined)('another server in its place', () => {
  let primary: RedisService;
  let replica: RedisService;

  beforeEach(async () => {
    // By default a primary waits 5 s for more replicas before it sends its data.
    [primary, replica] = await Promise.all([startRedis({ config: ['--repl-diskless-sync-delay', '0'] }), startRedis()]);
  });
  afterEach(() => Promise.all([primary.stop(), replica.stop()]));

  /** Makes the second server a copy of the first. */
  async function follow(world: RedisWorld): Promise<void> {
    const redis = quietRedis(replica.url);
    await redis.replicaof('127.0.0.1', portOf(primary));
    await vi.waitFor(async () => expect(await redis.exists(world.keyOf(KEY))).toBe(1), WAIT);
    redis.disconnect();
  }

  async function promote(): Promise<void> {
    const redis = quietRedis(replica.url);
    await redis.replicaof('NO', 'ONE');
    redis.disconnect();
  }

  test('chunk indexes that are read in parts come from one server, or the end throws', async () => {
    const proxy = await startProxy(portOf(primary));
    const storeUrl = `redis://127.0.0.1:${proxy.port}`;
    const world = await redisWorld(primary.url, { storeUrl, timeoutMs: TIMEOUT_MS });
    await world.putInode(INODE);
    await world.redis.sadd(world.keyOf(KEY, 'chunks'), ...Array.from({ length: INDEXES }, (_, n) => n));
    await follow(world);
    expect(new Set(await collect(world.store.chunkIndexes(KEY))).size).toBe(INDEXES);

    const seen = new Set<number>();
    const read = async () => {
      for await (const index of world.store.chunkIndexes(KEY)) {
        seen.add(index);
        if (seen.size !== INDEXES / 8) continue;
        await promote();
        proxy.retarget(portOf(replica));
        proxy.set('refuse');
        proxy.set('pass');
        // The new connection stands: what fails from here on is not the loss of the old one.
        await vi.waitFor(() => world.store.getInode(KEY), WAIT);
      }
    };
    await expect(read()).rejects.toMatchObject({
      kind: 'retry',
      code: 'metadata-unavailable',
      message: expect.stringContaining('became another one'),
    });
    expect(new Set(await collect(world.store.chunkIndexes(KEY))).size).toBe(INDEXES);
    await world.close();
    await proxy.close();
  });

  test('I7: what the new primary references is not deleted by those who still talk to the old one', async () => {
    const world = await redisWorld(primary.url, { timeoutMs: TIMEOUT_MS });
    await world.putFilesystem({ ...FILESYSTEM, lastChunkId: 9n });
    await world.putInode({ ...INODE, mtimeMs: 0 });
    const objects = new MemoryObjectStores();
    for (let n = 1n; n <= 6n; n++) {
      await world.append(KEY, 0, [{ chunkId: n, compaction: 0n, offset: 0, len: 3, size: 3, zero: false }]);
      const name = objectName(KEY, { chunkId: n, compaction: 0n, blockIndex: 0 }, FILESYSTEM.objectPrefix);
      objects.write(FILESYSTEM.bucket, name, Buffer.from([Number(n), 1, 2]));
    }
    await follow(world);
    // A delete now would be a delete at the primary.
    const look = { key: KEY, incarnation: await world.store.incarnation(KEY) };
    await vi.waitFor(() => world.store.confirmPrimary([look]), WAIT);
    await expect(world.store.confirmPrimary([{ ...look, incarnation: 'another' }])).rejects.toMatchObject(DOUBT);
    // The sentinels, on the replica's side of a cut, promote it. The old primary lives on, and so does s3compact.
    await promote();
    const ledger = new LedgerState();
    const port = new MemoryLedger(ledger);
    const clock = { monotonicMs: () => monotonicMs(ledger.nowMs), sleep: () => Promise.resolve() };
    const attemptIds = new AttemptIds();
    const deps = { metadata: world.store, objects, ledger: port, clock, memory: new MemoryBudget(1 << 20), attemptIds };
    expect(await compactInode(KEY, deps, { limits: LIMITS })).toMatchObject({ outcome: 'compacted' });
    const before = objects.bucket(FILESYSTEM.bucket).size;
    const record = ledger.first();
    if (record === undefined) throw new Error('the attempt left no record');
    ledger.nowMs = wallMs(record.record.dueMs) + 10 * LIMITS.graceMs;
    const verdict = await reapRecord(record.record, {
      metadata: world.store,
      objects,
      nowMs: () => port.nowMs(),
      graceMs: LIMITS.graceMs,
      guards: [({ looks }) => world.store.confirmPrimary(looks)],
    });
    expect(verdict).toMatchObject({ kind: 'again', doubt: expect.stringContaining('not confirmed to be the primary') });
    expect(objects.bucket(FILESYSTEM.bucket).size).toBe(before);
    await world.close();
  });

  test('a replica that is promoted is another incarnation, although its process is the same', async () => {
    const world = await redisWorld(primary.url, { storeUrl: replica.url, timeoutMs: TIMEOUT_MS });
    await world.putInode(INODE);
    await follow(world);
    const before = await world.store.incarnation(KEY);
    await promote();
    const after = await world.store.incarnation(KEY);
    expect(after.split(':')[0]).toBe(before.split(':')[0]);
    expect(after).not.toBe(before);
    await world.close();
  });
});

test.each(['run_id', 'master_replid'])('a server that does not tell its %s is not known', async (field) => {
  const own = await startRedis();
  const redis = quietRedis(own.url);
  const id = new RegExp(`^${field}:(\\w+)`, 'm').exec(await redis.info())?.[1] ?? 'none';
  // As a filter between them blanks it.
  const proxy = await startProxy(portOf(own), (answer) => answer.replaceAll(id, '0'.repeat(id.length)));
  const world = await redisWorld(own.url, { storeUrl: `redis://127.0.0.1:${proxy.port}`, timeoutMs: TIMEOUT_MS });
  await world.putInode(INODE);
  expect(await world.store.incarnation(KEY)).toBe('');
  await redis.sadd(world.keyOf(KEY, 'chunks'), ...Array.from({ length: INDEXES }, (_, n) => n));
  await expect(collect(world.store.chunkIndexes(KEY))).rejects.toMatchObject({ code: 'metadata-unavailable' });
  redis.disconnect();
  await world.close();
  await proxy.close();
  await own.stop();
});
