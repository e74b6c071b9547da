/**
 * The Redis metadata adapter on a cluster: a commit is sent once or not at all, also where ioredis would find another
 * node for it. Two nodes, since with one node alone ioredis gives up before it sends anything again.
 * It needs a real server; the embedded one has no second node.
 */
import { Cluster, type Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { inodeKeys } from '../../../src/metadata/port.ts';
import { RedisMetadata } from '../../../src/metadata/redis/redis.ts';
import type { InodeKey } from '../../../src/model.ts';
import { checkRedisFit, connectRedis } from '../../../src/redis/client.ts';
import { freePort } from '../../kit/servers/free-port.ts';
import { withAttempts } from '../../kit/servers/guarded.ts';
import { findRedis, type RedisService, startRedis } from '../../kit/servers/redis.ts';
import { expectRefusal } from '../contract.ts';
import { type LossyProxy, startProxy } from '../proxy.ts';
import { fillWorld, portOf, quietRedis, type RedisWorld, redisWorld } from '../redis-world.ts';
import { AFTER, ATTEMPT, collect, INODE, KEY, REQUEST, useStore, versions } from '../world.ts';

const TIMEOUT_MS = 3000;
/** Without the time-out it would hang for ever; a busy machine takes longer than the time-out. */
const HANG_MS = 60_000;
/** How long servers get to find each other. */
const WAIT = { timeout: 600_000, interval: 50 };

test('a cluster of which no node is there: nothing was sent', async () => {
  const redis = connectRedis('redis+cluster://127.0.0.1:1,127.0.0.1:2', { profile: 'metadata', timeoutMs: 300 });
  const store = new RedisMetadata({ redis, timeoutMs: 300 });
  const failure = await store.commit(REQUEST).catch((error: unknown) => error);
  expect(failure).toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
  expect(String(failure)).toContain('nothing was changed');
  await store.close();
});

if (findRedis() !== undefined) describe('Redis Cluster', clusterTests);

/** A cluster whose first node has all slots but one, and announces the proxy as its address. */
function clusterTests(): void {
  let node: RedisService;
  /** Keeps the cluster up for its clients when the connection to the first node is cut. */
  let other: RedisService;
  let proxy: LossyProxy;
  let world: RedisWorld;

  beforeAll(async () => {
    const busPort = await freePort();
    [other, node] = await Promise.all([startNode(busPort), startNode()]);
    // One proxy for all tests: nodes tell each other the address of the first one only once a second.
    proxy = await startProxy(portOf(node));
    const [a, b] = [quietRedis(node.url), quietRedis(other.url)];
    await a.config('SET', 'cluster-announce-ip', '127.0.0.1');
    await a.config('SET', 'cluster-announce-port', String(proxy.port));
    await b.config('SET', 'cluster-announce-ip', '127.0.0.1');
    await a.cluster('ADDSLOTSRANGE', 1, 16_383);
    await b.cluster('ADDSLOTS', 0);
    await a.call('CLUSTER', 'MEET', '127.0.0.1', String(portOf(other)), String(busPort));
    await vi.waitFor(async () => {
      expect(await a.cluster('INFO')).toContain('cluster_state:ok');
      expect(await b.cluster('INFO')).toContain('cluster_state:ok');
      expect(JSON.stringify(await b.cluster('SLOTS'))).toContain(`[1,16383,["127.0.0.1",${proxy.port},`);
      expect(await a.cluster('SLOTS')).toHaveLength(2);
    }, WAIT);
    a.disconnect();
    b.disconnect();
  });
  afterAll(() => Promise.all([node.stop(), other.stop(), proxy.close()]));

  beforeEach(async () => {
    proxy.set('pass');
    const storeUrl = `redis+cluster://127.0.0.1:${proxy.port},127.0.0.1:1`;
    world = await redisWorld(node.url, { storeUrl, timeoutMs: TIMEOUT_MS });
    await fillWorld(world);
  });
  afterEach(() => world.close());

  test('everything works, and the server is fit', async () => {
    await useStore(world);
    const redis = connectRedis(`redis+cluster://127.0.0.1:${proxy.port}`, { profile: 'producer' });
    expect(redis).toBeInstanceOf(Cluster);
    expect(await checkRedisFit(redis, { name: "queue's", graceMs: 15_001 })).toEqual([]);
    // I11: cut off, a node goes on until it misses the others.
    const short = checkRedisFit(redis, { name: 'metadata', graceMs: 15_000 });
    await expectRefusal(short, 'metadata-refused', ['cluster-node-timeout', 'S3COMPACT_GRACE', '15 s']);
    const [mine, far] = [KEY, await inodeInSlot(0)];
    const looks = await Promise.all(
      [mine, far].map(async (key) => ({ key, incarnation: await world.store.incarnation(key) })),
    );
    await world.store.confirmPrimary(looks);
    const swapped = looks.map(({ key }, n) => ({ key, incarnation: looks[1 - n]?.incarnation ?? '' }));
    await expect(world.store.confirmPrimary(swapped)).rejects.toMatchObject({ code: 'metadata-unavailable' });
    redis.disconnect();
  });

  test('the inodes of every node are found, and a slot that moves meanwhile is told', async () => {
    const far = await inodeInSlot(0);
    const otherRedis = quietRedis(other.url);
    await otherRedis.hset(world.keyOf(far), { length: 0, nlink: 1, mtimeMs: 0, type: 's3' });
    const found = await collect(inodeKeys(world.store, 7));
    expect(found.map(({ inodeId }) => inodeId).toSorted()).toEqual([KEY.inodeId, far.inodeId].toSorted());

    const parts = await collect(world.store.readLists([KEY, far], 10));
    expect(parts).toMatchObject([
      { key: far, inode: { key: far }, chunks: [], last: true },
      { key: KEY, inode: INODE, chunks: [{ chunkIndex: 3, versions: versions(0, 6) }], last: true },
    ]);
    // A walk that stopped between two nodes goes on with the second.
    const pages = await collect(world.store.inodePages(7));
    const resumed = await collect(world.store.inodePages(7, pages[0]?.cursor ?? ''));
    expect(resumed).toEqual(pages.slice(1));

    // Whatever is in it is not asked for by name here.
    const free = 16_383;
    const walk = async () => {
      for await (const _ of inodeKeys(world.store, 7)) await world.redis.cluster('DELSLOTS', free).catch(() => {});
    };
    try {
      await expect(walk()).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
    } finally {
      await world.redis.cluster('ADDSLOTS', free);
      await vi.waitFor(async () => expect(await world.redis.cluster('INFO')).toContain('cluster_state:ok'), WAIT);
      otherRedis.disconnect();
    }
  });

  test('the incarnation is that of the inode and of the file system, which another node may have', async () => {
    const far = await inodeInSlot(0);
    const otherRedis = quietRedis(other.url);
    await otherRedis.hset(world.keyOf(far), { length: 0, nlink: 1, mtimeMs: 0, type: 's3' });
    const life = async (redis: Redis) => /run_id:(\w+)/.exec(await redis.info('server'))?.[1];
    const incarnation = await world.store.incarnation(far);
    expect(incarnation).toContain(await life(otherRedis));
    expect(incarnation).toContain(await life(world.redis));
    otherRedis.disconnect();
  });

  test('calls at the same moment on a client that has just been made', async () => {
    const keys = Array.from({ length: 20 }, (_, n) => ({ fsId: 7, inodeId: 30n + BigInt(n) }));
    // A client connects to one node, by chance, before the first call: ten clients have both kinds among them.
    for (let n = 0; n < 10; n++) {
      const redis = connectRedis(`redis+cluster://127.0.0.1:${proxy.port}`, { profile: 'metadata' });
      const store = new RedisMetadata({ redis, keyPrefix: world.store.storeId.replace('redis:', '') });
      const inodes = await Promise.all(keys.map((key) => store.getInode(key)));
      expect(inodes.filter((inode) => inode !== null)).toEqual([INODE]);
      await store.close();
    }
  });

  /** Some inode whose keys this slot has: one of 16,384, so it is found within some ten thousand. */
  async function inodeInSlot(wanted: number): Promise<InodeKey> {
    for (let first = 0; first < 400_000; first += 10_000) {
      const ids = Array.from({ length: 10_000 }, (_, n) => BigInt(first + n));
      const batch = world.redis.pipeline();
      for (const inodeId of ids) batch.cluster('KEYSLOT', world.keyOf({ fsId: 7, inodeId }));
      const at = ((await batch.exec()) ?? []).findIndex(([, slot]) => slot === wanted);
      const inodeId = ids[at];
      if (inodeId !== undefined) return { fsId: 7, inodeId };
    }
    throw new Error(`no inode in slot ${wanted}`);
  }

  test('I6: the answer is lost with the connection: unknown, applied once, and never sent again', async () => {
    await world.store.begin(KEY, ATTEMPT);
    await world.redis.config('RESETSTAT');
    proxy.set('cut-answer');
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    await vi.waitFor(async () => expect((await world.store.readChunk(KEY, 3, 9)).versions).toEqual(AFTER), WAIT);
    const stats = await world.redis.info('commandstats');
    const runs = [...stats.matchAll(/^cmdstat_(?:eval|evalsha):calls=(\d+)/gm)].map(([, calls]) => Number(calls));
    expect(runs.reduce((sum, calls) => sum + calls, 0)).toBe(2);
  });

  test('I6: the request is lost with the connection: unknown, not applied, and never sent again', async () => {
    await world.store.begin(KEY, ATTEMPT);
    proxy.set('cut-request');
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    await vi.waitFor(
      async () => expect((await world.store.readChunk(KEY, 3, 9)).versions).toEqual(versions(0, 6)),
      WAIT,
    );
    expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
  });

  test('a slot that no node has is a matter of time', async () => {
    const slot = await world.redis.cluster('KEYSLOT', world.keyOf(KEY));
    await world.redis.cluster('DELSLOTS', slot);
    try {
      for (const call of [world.store.getInode(KEY), world.store.begin(KEY, 1n), world.store.commit(REQUEST)]) {
        await expect(call).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
      }
      // SCAN itself would answer: it does not ask for the slots.
      const walk = collect(inodeKeys(world.store, 7));
      await expect(walk).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
    } finally {
      await world.redis.cluster('ADDSLOTS', slot);
      await vi.waitFor(async () => expect(await world.redis.cluster('INFO')).toContain('cluster_state:ok'), WAIT);
    }
  });

  test('while the node is not there every call ends in time; when it is back the same store finds it', async () => {
    await world.store.begin(KEY, ATTEMPT);
    proxy.set('refuse');
    await vi.waitFor(async () => {
      await expect(world.store.getInode(KEY)).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
    }, WAIT);
    const startedAtMs = performance.now();
    // The other node sends it to the one that is not there: ioredis tells no more than that it failed.
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    expect(performance.now() - startedAtMs).toBeLessThan(HANG_MS);
    expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
    proxy.set('pass');
    await vi.waitFor(async () => expect(await world.store.clearFence(KEY, 1n)).toBe(false), WAIT);
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
  });

  test('wrong credentials are refused by their name', async () => {
    await world.redis.acl('SETUSER', 'default', 'resetpass', '>the-right-one');
    const url = `redis+cluster://:tell-nobody@127.0.0.1:${proxy.port}`;
    const redis = connectRedis(url, { profile: 'metadata', timeoutMs: TIMEOUT_MS });
    const store = new RedisMetadata({ redis, timeoutMs: TIMEOUT_MS });
    await expectRefusal(store.getInode(KEY), 'metadata-refused', ['refused the credentials']);
    await store.close();
    await world.redis.acl('SETUSER', 'default', 'nopass');
  });
}

function startNode(busPort?: number): Promise<RedisService> {
  return withAttempts(async () => {
    // By default the port + 10,000, which may be beyond the last one.
    const bus = ['--cluster-port', String(busPort ?? (await freePort()))];
    return startRedis({ config: ['--cluster-enabled', 'yes', ...bus] });
  });
}
