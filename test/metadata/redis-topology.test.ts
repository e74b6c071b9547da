/**
 * The Redis metadata adapter on more than one server: a cluster, a replica, sentinels. What matters is the same on each:
 * a commit is sent once or not at all, and a server that may not write says so before it has written anything.
 * These need a real server; the embedded one has no second node.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../services/free-port.ts';
import { findProgram, type GuardedProcess, spawnGuarded, withAttempts } from '../../services/guarded.ts';
import { type RedisService, startRedis } from '../../services/redis.ts';
import type { CommitRequest } from '../../src/metadata/port.ts';
import { RedisMetadata } from '../../src/metadata/redis.ts';
import { checkRedisFit, connectRedis } from '../../src/redis-client.ts';
import { expectRefusal } from './contract.ts';
import { type LossyProxy, startProxy } from './proxy.ts';
import { type RedisWorld, redisWorld } from './redis-world.ts';
import { ATTEMPT, collect, FILESYSTEM, INODE, KEY, version, versions } from './world.ts';

const TIMEOUT_MS = 3000;
/** How long servers get to find each other. */
const WAIT = { timeout: 30_000, interval: 50 };
const AFTER = [version(90), version(3), version(4), version(5)];
const REQUEST: CommitRequest = {
  key: KEY,
  chunkIndex: 3,
  attempt: ATTEMPT,
  replaced: versions(0, 4),
  replacement: [version(90), version(3)],
};
const portOf = (service: RedisService) => Number(new URL(service.url).port);

async function prepare(world: RedisWorld): Promise<void> {
  await world.putFilesystem(FILESYSTEM);
  await world.putInode(INODE);
  await world.append(KEY, 3, versions(0, 6));
}

/** Everything that the store does, once. */
async function useStore(world: RedisWorld): Promise<void> {
  const { store } = world;
  expect(await store.getFilesystem(7)).toEqual(FILESYSTEM);
  expect(await store.begin(KEY, ATTEMPT)).toBe('begun');
  expect(await store.readChunk(KEY, 3, 4)).toMatchObject({ versions: versions(0, 4), versionsTotal: 6 });
  expect(await store.commit(REQUEST)).toEqual({ outcome: 'committed' });
  expect(await store.commit(REQUEST)).toEqual({ outcome: 'conflict' });
  expect(await collect(store.chunkIndexes(KEY))).toEqual([3]);
  expect(await store.clearFence(KEY, ATTEMPT)).toBe(true);
  expect(await store.getInode(KEY)).toEqual(INODE);
  expect(await world.list(KEY, 3)).toEqual(AFTER);
}

test('a cluster of which no node is there: nothing was sent', async () => {
  const redis = connectRedis('redis+cluster://127.0.0.1:1,127.0.0.1:2', { profile: 'metadata', timeoutMs: 300 });
  const store = new RedisMetadata({ redis, timeoutMs: 300 });
  const failure = await store.commit(REQUEST).catch((error: unknown) => error);
  expect(failure).toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
  expect(String(failure)).toContain('nothing was changed');
  await store.close();
});

if (findProgram('redis-server') !== undefined) {
  describe('Redis Cluster', clusterTests);
  describe('a replica', replicaTests);
  describe('sentinel', sentinelTests);
}

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
    await prepare(world);
  });
  afterEach(() => world.close());

  test('everything works, and the server is fit', async () => {
    await useStore(world);
    const redis = connectRedis(`redis+cluster://127.0.0.1:${proxy.port}`, { profile: 'producer' });
    expect(redis).toBeInstanceOf(Cluster);
    await checkRedisFit(redis);
    redis.disconnect();
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
    expect(performance.now() - startedAtMs).toBeLessThan(2 * TIMEOUT_MS);
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

/** A client for the test's own commands, which may lose its server. */
function quietRedis(url: string): Redis {
  const redis = new Redis(url);
  redis.on('error', () => {});
  return redis;
}

function replicaTests(): void {
  let primary: RedisService;
  let replica: RedisService;
  let world: RedisWorld;

  beforeEach(async () => {
    // By default a primary waits 5 s for more replicas before it sends its data.
    [primary, replica] = await Promise.all([startRedis({ config: ['--repl-diskless-sync-delay', '0'] }), startRedis()]);
    world = await redisWorld(primary.url, { storeUrl: replica.url, timeoutMs: TIMEOUT_MS });
    await prepare(world);
    await world.redis.hset(world.keyOf(KEY), 'attempt', String(ATTEMPT));
    const redis = quietRedis(replica.url);
    await redis.replicaof('127.0.0.1', portOf(primary));
    await vi.waitFor(async () => expect(await redis.exists(world.keyOf(KEY))).toBe(1), WAIT);
    redis.disconnect();
  });
  afterEach(async () => {
    await world.close();
    await Promise.all([primary.stop(), replica.stop()]);
  });

  test('reads are answered, writes are refused before anything is written', async () => {
    const { store } = world;
    expect(await store.readChunk(KEY, 3, 10)).toMatchObject({ versions: versions(0, 6) });
    await expectRefusal(store.begin(KEY, 5n), 'metadata-refused', ['READONLY', 'primary']);
    await expectRefusal(store.commit(REQUEST), 'metadata-refused', ['READONLY', 'primary']);
    await expectRefusal(store.clearFence(KEY, ATTEMPT), 'metadata-refused', ['READONLY', 'primary']);
    expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
    expect((await store.readChunk(KEY, 3, 10)).versions).toEqual(versions(0, 6));
  });

  test('a replica that becomes the primary is written to by the same store', async () => {
    await expectRefusal(world.store.commit(REQUEST), 'metadata-refused');
    const redis = quietRedis(replica.url);
    await redis.replicaof('NO', 'ONE');
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    redis.disconnect();
  });

  test('a primary that is demoted behind the same name: refused once, then the new primary is found', async () => {
    const proxy = await startProxy(portOf(primary));
    const redis = connectRedis(`redis://127.0.0.1:${proxy.port}`, { profile: 'metadata', timeoutMs: TIMEOUT_MS });
    const keyPrefix = world.store.storeId.replace('redis:', '');
    const store = new RedisMetadata({ redis, keyPrefix, timeoutMs: TIMEOUT_MS });
    expect(await store.getInode(KEY)).toMatchObject({ attempt: ATTEMPT });
    const [a, b] = [quietRedis(primary.url), quietRedis(replica.url)];
    await b.replicaof('NO', 'ONE');
    await a.replicaof('127.0.0.1', portOf(replica));
    proxy.retarget(portOf(replica));
    await expectRefusal(store.commit(REQUEST), 'metadata-refused', ['READONLY']);
    expect(await store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    expect((await b.lrange(world.keyOf(KEY, 3), 0, -1)).length).toBe(AFTER.length);
    for (const client of [a, b]) client.disconnect();
    await store.close();
    await proxy.close();
  });

  test('a replica that lost its primary and may not answer is a matter of time', async () => {
    const redis = quietRedis(replica.url);
    await redis.config('SET', 'replica-serve-stale-data', 'no');
    await primary.stop();
    await vi.waitFor(async () => expect(await redis.info('replication')).toContain('master_link_status:down'), WAIT);
    for (const call of [world.store.getInode(KEY), world.store.readChunk(KEY, 3, 1), world.store.commit(REQUEST)]) {
      await expect(call).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
    }
    redis.disconnect();
  });

  test('a replica is not fit for a queue', async () => {
    const redis = connectRedis(replica.url, { profile: 'producer' });
    await expectRefusal(checkRedisFit(redis), 'queue-unfit', ['replica', 'primary', String(portOf(replica))]);
    redis.disconnect();
  });
}

function sentinelTests(): void {
  let primary: RedisService;
  let sentinel: GuardedProcess;
  let port: number;

  beforeEach(async () => {
    primary = await startRedis();
    [sentinel, port] = await withAttempts(() => startSentinel(primary));
  });
  afterEach(async () => {
    await sentinel.stop();
    await primary.stop();
  });

  test('the primary is found by its name, behind a sentinel that is down', async () => {
    const storeUrl = `redis+sentinel://127.0.0.1:1,127.0.0.1:${port}/films`;
    const world = await redisWorld(primary.url, { storeUrl, timeoutMs: TIMEOUT_MS });
    await prepare(world);
    await useStore(world);
    await world.close();
  });

  test('the database comes after the name; a name that nobody knows ends in time', async () => {
    const base = `redis+sentinel://127.0.0.1:${port}`;
    const redis = connectRedis(`${base}/films/3`, { profile: 'producer', timeoutMs: TIMEOUT_MS });
    await checkRedisFit(redis);
    expect(await redis.client('INFO')).toMatch(/ db=3 /);
    redis.disconnect();
    const nobody = connectRedis(`${base}/books`, { profile: 'producer', timeoutMs: TIMEOUT_MS });
    await expect(checkRedisFit(nobody, 300)).rejects.toMatchObject({ kind: 'retry', code: 'queue-unavailable' });
    nobody.disconnect();
  });
}

async function startSentinel(primary: RedisService): Promise<[GuardedProcess, number]> {
  const port = await freePort();
  const child = await spawnGuarded('redis-sentinel', (directory) => {
    const file = join(directory, 'sentinel.conf');
    const settings = [`port ${port}`, 'bind 127.0.0.1', `sentinel monitor films 127.0.0.1 ${portOf(primary)} 1`];
    writeFileSync(file, settings.join('\n'));
    return { command: findProgram('redis-server') ?? '', args: [file, '--sentinel'] };
  });
  try {
    await child.printed(/\+monitor master films/, 30_000);
  } catch (error) {
    await child.stop();
    throw error;
  }
  const redis = new Redis(port);
  await once(redis, 'ready');
  redis.disconnect();
  return [child, port];
}
