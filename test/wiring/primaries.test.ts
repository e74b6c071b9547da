/**
 * The guard that asks, right before a delete, whether both Redis servers are fit and still the primaries; and the check
 * of the metadata Redis at start.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { createLogger } from '../../src/observe/log.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { type RedisClient, whenReady } from '../../src/redis/link.ts';
import { openMetadata } from '../../src/wiring/open-metadata.ts';
import { openPrimaries, type Primaries } from '../../src/wiring/primaries.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { type LossyProxy, startProxy } from '../metadata/proxy.ts';
import { portOf, quietRedis } from '../metadata/redis-world.ts';
import { FILESYSTEM, KEY } from '../metadata/world.ts';

let queue: RedisService;
let metadata: RedisService;
let proxy: LossyProxy;
let connection: RedisClient;
let primaries: Primaries;
let store: Awaited<ReturnType<typeof openMetadata>>;

beforeEach(async () => {
  [queue, metadata] = await Promise.all([startRedis(), startRedis()]);
  proxy = await startProxy(portOf(queue));
  const env = { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, METADATA_URL: metadata.url };
  const settings = loadSettings({ env, flags: {} });
  connection = connectRedis(settings.redisUrl, { profile: 'producer' });
  store = await openMetadata(settings);
  primaries = openPrimaries(settings, { connection, metadata: store, log: createLogger({ level: 'silent' }) });
});
afterEach(async () => {
  primaries.close();
  connection.disconnect();
  await store.close();
  await proxy.close();
  await Promise.all([queue.stop(), metadata.stop()]);
});

async function ask(): Promise<void> {
  const incarnation = await store.incarnation(KEY);
  await primaries.guard({ filesystem: FILESYSTEM, keys: [KEY], looks: [{ key: KEY, incarnation }], names: [] });
}

test('single servers without replicas stand in the way of nothing', async () => {
  await primaries.start(10_000);
  await ask();
  await ask();
});

test('a metadata Redis that may throw keys away is refused at start and before a delete', async () => {
  const redis = quietRedis(metadata.url);
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  const unfit = {
    kind: 'halt',
    code: 'metadata-refused',
    message: expect.stringContaining('the metadata Redis is not'),
  };
  await expect(primaries.start(10_000)).rejects.toMatchObject(unfit);
  await expect(ask()).rejects.toMatchObject(unfit);
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
  await ask();
  redis.disconnect();
});

test('lists that were read at another server than the one that is confirmed are doubt', async () => {
  const looks = [{ key: KEY, incarnation: 'of before' }];
  const asked = primaries.guard({ filesystem: FILESYSTEM, keys: [KEY], looks, names: [] });
  await expect(asked).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
});

test('a queue whose connection still leads to another server than a new one is doubt', async () => {
  expect(await whenReady(connection, 10_000)).toBeNull();
  // New connections go to another Redis, as after a fail-over behind one name.
  proxy.retarget(portOf(metadata));
  await expect(ask()).rejects.toMatchObject({ kind: 'retry', code: 'queue-unavailable' });
});
