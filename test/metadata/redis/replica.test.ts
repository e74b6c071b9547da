/**
 * The Redis metadata adapter with a replica and with sentinels: a server that may not write says so before anything is
 * written, and the one that may is found again. It needs a real server; the embedded one cannot be a replica.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RedisMetadata } from '../../../src/metadata/redis/redis.ts';
import { checkRedisFit, connectRedis } from '../../../src/redis/client.ts';
import { findRedis, type RedisService, startRedis } from '../../kit/servers/redis.ts';
import { hasSentinel, type SentinelService, startSentinel } from '../../kit/servers/sentinel.ts';
import { expectRefusal } from '../contract.ts';
import { startProxy } from '../proxy.ts';
import { fillWorld, portOf, quietRedis, type RedisWorld, redisWorld } from '../redis-world.ts';
import { AFTER, ATTEMPT, KEY, REQUEST, useStore, versions } from '../world.ts';

const TIMEOUT_MS = 3000;
/** How long servers get to find each other. */
const WAIT = { timeout: 600_000, interval: 50 };

test('sentinels of which none is there: nothing was sent', async () => {
  const redis = connectRedis('redis+sentinel://127.0.0.1:1/films', { profile: 'metadata', timeoutMs: 300 });
  const store = new RedisMetadata({ redis, timeoutMs: 300 });
  const failure = await store.commit(REQUEST).catch((error: unknown) => error);
  expect(failure).toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
  expect(String(failure)).toContain('nothing was changed');
  await store.close();
});

if (findRedis() !== undefined) describe('a replica', replicaTests);
if (hasSentinel()) describe('sentinel', sentinelTests);

function replicaTests(): void {
  let primary: RedisService;
  let replica: RedisService;
  let world: RedisWorld;

  beforeEach(async () => {
    // By default a primary waits 5 s for more replicas before it sends its data.
    [primary, replica] = await Promise.all([startRedis({ config: ['--repl-diskless-sync-delay', '0'] }), startRedis()]);
    world = await redisWorld(primary.url, { storeUrl: replica.url, timeoutMs: TIMEOUT_MS });
    await fillWorld(world);
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
    await expectRefusal(checkRedisFit(redis, { name: "queue's" }), 'queue-unfit', [
      'replica',
      'primary',
      String(portOf(replica)),
    ]);
    redis.disconnect();
  });

  test('a primary that takes writes without its replicas works, and the check says what to set', async () => {
    const redis = connectRedis(primary.url, { profile: 'producer' });
    const fitFor = (graceMs: number) => checkRedisFit(redis, { name: 'metadata', graceMs });
    // The replica has the data before the primary counts it.
    await vi.waitFor(async () => expect(await redis.info('replication')).toMatch(/slave0:.*state=online/), WAIT);
    const [warning = '', ...more] = await fitFor(60_000);
    expect(more).toEqual([]);
    for (const word of ['has 1 replica', 'min-replicas-to-write 1', 'min-replicas-max-lag 10']) {
      expect(warning).toContain(word);
    }
    const admin = quietRedis(primary.url);
    await admin.config('SET', 'min-replicas-to-write', '1');
    expect(await fitFor(10_001)).toEqual([]);
    // Cut off, it would go on for as long as objects are kept.
    await expectRefusal(fitFor(10_000), 'metadata-refused', ['min-replicas-max-lag', 'S3COMPACT_GRACE', '10 s']);
    for (const client of [redis, admin]) client.disconnect();
  });
}

function sentinelTests(): void {
  let primary: RedisService;
  let sentinel: SentinelService;
  let port: number;

  beforeEach(async () => {
    primary = await startRedis();
    sentinel = await startSentinel(primary);
    port = sentinel.port;
  });
  afterEach(async () => {
    await sentinel.stop();
    await primary.stop();
  });

  test('the primary is found by its name, behind a sentinel that is down', async () => {
    const storeUrl = `redis+sentinel://127.0.0.1:1,127.0.0.1:${port}/films`;
    const world = await redisWorld(primary.url, { storeUrl, timeoutMs: TIMEOUT_MS });
    await fillWorld(world);
    await useStore(world);
    await world.close();
  });

  test('the database comes after the name; a name that nobody knows is refused at once', async () => {
    const base = `redis+sentinel://127.0.0.1:${port}`;
    const redis = connectRedis(`${base}/films/3`, { profile: 'producer', timeoutMs: TIMEOUT_MS });
    await checkRedisFit(redis, { name: "queue's" });
    expect(await redis.client('INFO')).toMatch(/ db=3 /);
    redis.disconnect();
    const nobody = connectRedis(`${base}/books`, { profile: 'producer', timeoutMs: TIMEOUT_MS });
    await expectRefusal(checkRedisFit(nobody, { name: "queue's", timeoutMs: TIMEOUT_MS }), 'queue-unfit', [
      `127.0.0.1:${port}`,
      'no primary of this name',
    ]);
    nobody.disconnect();
  });

  test('sentinels with a password of their own: used from the URL, and asked for where it is not given', async () => {
    const guarded = await startSentinel(primary, ['requirepass tell%nobody']);
    const base = `redis+sentinel://127.0.0.1:1,127.0.0.1:${guarded.port}/films`;
    const redis = connectRedis(`${base}?sentinelPassword=tell%25nobody`, {
      profile: 'metadata',
      timeoutMs: TIMEOUT_MS,
    });
    expect(await checkRedisFit(redis, { name: 'metadata' })).toEqual([]);
    redis.disconnect();
    const secrets = [
      ['', 'NOAUTH'],
      ['?sentinelPassword=wrong', 'WRONGPASS'],
    ];
    for (const [query = '', code = ''] of secrets) {
      const stranger = connectRedis(base + query, { profile: 'producer', timeoutMs: 60_000 });
      const failure = await expectRefusal(
        checkRedisFit(stranger, { name: 'metadata', timeoutMs: 60_000 }),
        'metadata-refused',
        [code, `127.0.0.1:${guarded.port}`, '?sentinelPassword='],
      );
      expect(failure.message).not.toContain('wrong');
      stranger.disconnect();
    }
    await guarded.stop();
  });
}
