/**
 * The Redis metadata adapter where the server is there and says no: users who may not do everything, wrong credentials,
 * a database that does not exist. What is refused is refused whole, and told without the password.
 */
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RedisMetadata } from '../../../src/metadata/redis/redis.ts';
import { connectRedis } from '../../../src/redis/client.ts';
import { type RedisService, startRedis } from '../../kit/servers/redis.ts';
import { expectRefusal } from '../contract.ts';
import { fillWorld, type RedisWorld, redisWorld } from '../redis-world.ts';
import { ATTEMPT, KEY, REQUEST, versions } from '../world.ts';

/** Long, so that "at once" can be told from it on a busy machine. */
const TIMEOUT_MS = 60_000;
const SECRET = 'tell-nobody-%40-this';

/** Its users and passwords change: a server for each test. */
let own: RedisService;
let world: RedisWorld;

beforeEach(async () => {
  own = await startRedis();
  world = await redisWorld(own.url, { timeoutMs: TIMEOUT_MS });
  await fillWorld(world);
  expect(await world.store.begin(KEY, ATTEMPT)).toBe('begun');
});
afterEach(async () => {
  await world.close();
  await own.stop();
});

function storeAs(userInfo: string, db = ''): RedisMetadata {
  const url = own.url.replace('redis://', `redis://${userInfo}`) + db;
  const redis = connectRedis(url, { profile: 'metadata', timeoutMs: TIMEOUT_MS });
  return new RedisMetadata({ redis, keyPrefix: world.store.storeId.replace('redis:', ''), timeoutMs: TIMEOUT_MS });
}

test.each(['LTRIM', 'LPUSH', 'SADD', 'SREM', 'HGET'])('a user who may not %s commits nothing', async (command) => {
  await world.redis.acl('SETUSER', 'half', 'on', '>pw', '~*', '+@all', `-${command.toLowerCase()}`);
  const store = storeAs('half:pw@');
  const outcome = await store.commit(REQUEST).catch((error: unknown) => error);
  if (command === 'HGET') {
    // Redis reports a read that a script may not do with ERR, which says nothing: safe, if slow.
    expect(outcome).toMatchObject({ outcome: 'unknown' });
  } else {
    expect(outcome).toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    expect(String(outcome)).toContain('NOPERM');
  }
  expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
  expect(await world.redis.smembers(world.keyOf(KEY, 'chunks'))).toEqual(['3']);
  await store.close();
});

test('a user who may not run scripts is told so', async () => {
  await world.redis.acl('SETUSER', 'plain', 'on', '>pw', '~*', '+@all', '-@scripting');
  const store = storeAs('plain:pw@');
  await expectRefusal(store.begin(KEY, 1n), 'metadata-refused', ['NOPERM']);
  await expectRefusal(store.commit(REQUEST), 'metadata-refused', ['NOPERM']);
  await store.close();
});

test.each([
  ['no credentials', ''],
  ['a wrong password', `:${SECRET}@`],
  ['an unknown user', `mallory:${SECRET}@`],
])('%s: refused at once, and the password is nowhere in the error', async (_, userInfo) => {
  await world.redis.acl('SETUSER', 'default', 'resetpass', '>the-right-one');
  const store = storeAs(userInfo);
  const startedAtMs = performance.now();
  const failure = await expectRefusal(store.getInode(KEY), 'metadata-refused', ['refused the credentials']);
  await expectRefusal(store.commit(REQUEST), 'metadata-refused');
  expect(performance.now() - startedAtMs).toBeLessThan(TIMEOUT_MS);
  expect(inspect(failure, { depth: 10, showHidden: true })).not.toMatch(/tell-nobody/);
  await store.close();
});

test('a password that becomes right is used, without a new client', async () => {
  await world.redis.acl('SETUSER', 'default', 'resetpass', '>the-right-one');
  const store = storeAs(`:${SECRET}@`);
  await expectRefusal(store.getInode(KEY), 'metadata-refused');
  await world.redis.acl('SETUSER', 'default', `>${decodeURIComponent(SECRET)}`);
  await vi.waitFor(async () => expect(await store.getInode(KEY)).toMatchObject({ attempt: ATTEMPT }), 5000);
  await store.close();
});

test('a database that does not exist is refused; ioredis alone would use database 0', async () => {
  const redis = connectRedis(`${own.url}/99`, { profile: 'metadata', timeoutMs: TIMEOUT_MS });
  const keyPrefix = world.store.storeId.replace('redis:', '');
  const store = new RedisMetadata({ redis, keyPrefix, timeoutMs: TIMEOUT_MS });
  await expectRefusal(store.getInode(KEY), 'metadata-refused', ['no such database']);
  await vi.waitFor(() => expect(redis.status).toBe('end'), 5000);
  await expectRefusal(store.begin(KEY, 1n), 'metadata-refused', ['no such database']);
  expect((await world.store.getInode(KEY))?.attempt).toBe(ATTEMPT);
  await store.close();
});

test('another database of the same server is another store', async () => {
  const store = storeAs('', '/5');
  expect(await store.getInode(KEY)).toBeNull();
  await store.close();
});
