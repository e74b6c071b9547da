/**
 * What changes a JuiceFS volume, where the server is there and says no: a user who may not do everything, full memory, a
 * replica. What is refused is refused whole.
 */
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { JuicefsCommits } from '../../../src/metadata/juicefs/commits.ts';
import type { SliceCommitRequest } from '../../../src/metadata/slice-commits.ts';
import { RawVolume, wholeSlice } from '../../kit/juicefs/raw-volume.ts';
import { type RedisService, startRedis } from '../../kit/servers/redis.ts';

const IDS = { first: 1_001n, count: 3 };
const record = (id: bigint, offset: number, len: number, from = 0) => ({ id, offset, len, size: 10, from });

let own: RedisService;
let redis: Redis;
let raw: RawVolume;
let request: SliceCommitRequest;

/** Its users and its memory change: a server for each test. Slice 2 is cut into two parts, 1 is let go, 1002 is new. */
beforeEach(async () => {
  own = await startRedis();
  redis = new Redis(own.url);
  await redis.set('nextchunk', '2000');
  raw = new RawVolume(redis, '');
  await raw.list(7, 0, [wholeSlice(1, 0, 10), wholeSlice(2, 5, 10)]);
  const fence = { attempt: 5n, inodeId: 7n, chunkIndex: 0, deadlineMs: Date.now() + 3_600_000 };
  request = {
    fence,
    ids: IDS,
    delayMs: 0,
    replaced: [record(1n, 0, 10), record(2n, 5, 10)],
    replacement: [record(1_002n, 0, 5), record(2n, 5, 2), record(2n, 8, 4, 3)],
  };
  expect(await commitsAs().begin(fence)).toBe('begun');
});

afterEach(async () => {
  await raw.volume.close();
  redis.disconnect();
  await own.stop();
});

function commitsAs(client = redis): JuicefsCommits {
  return new JuicefsCommits({ redis: client, prefix: '', timeoutMs: 60_000, idsAgeMs: 0 });
}

async function all(): Promise<Record<string, string | undefined>> {
  const keys = (await redis.keys('*')).toSorted();
  const values = await Promise.all(keys.map(async (key) => (await redis.dumpBuffer(key))?.toString('hex')));
  return Object.fromEntries(keys.map((key, n) => [key, values[n]]));
}

test.each(['TYPE', 'TIME', 'HGET', 'HEXISTS', 'LRANGE', 'LTRIM', 'LPUSH', 'HSET', 'HDEL', 'HINCRBY'])(
  'a user who may not %s commits nothing',
  async (command) => {
    await redis.acl('SETUSER', 'half', 'on', '>pw', '~*', '+@all', `-${command.toLowerCase()}`);
    const half = new Redis(own.url.replace('redis://', 'redis://half:pw@'));
    const before = await all();
    const outcome: unknown = await commitsAs(half)
      .commit(request)
      .catch((error: unknown) => error);
    const writes = ['LTRIM', 'LPUSH', 'HSET', 'HDEL', 'HINCRBY'];
    if (writes.includes(command)) expect(outcome).toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    else expect(outcome).toMatchObject({ outcome: 'unknown' });
    // Of a slice with one reference, "0 more" says the same as nothing.
    const { sliceRef = '', ...others } = await all();
    expect(others).toEqual(before);
    if (sliceRef !== '') expect(await redis.hgetall('sliceRef')).toEqual({ k2_10: '0' });
    half.disconnect();
  },
);

test('a user who may not INFO gets no ids, and no life that equals another that is not known', async () => {
  await redis.acl('SETUSER', 'half', 'on', '>pw', '~*', '+@all', '-info');
  const half = new Redis(own.url.replace('redis://', 'redis://half:pw@'));
  const before = await all();
  const commits = commitsAs(half);
  for (const refused of [() => commits.incarnation(), () => commits.takeIds(1, 5n)])
    await expect(refused()).rejects.toMatchObject({
      kind: 'retry',
      code: 'metadata-unavailable',
      message: expect.stringContaining('let INFO through'),
    });
  expect(await all()).toEqual(before);
  half.disconnect();
});

test('a full memory: each step happens whole or not at all', async () => {
  await redis.config('SET', 'maxmemory', '1');
  const before = await all();
  const commits = commitsAs();
  const later = { ...request.fence, attempt: 6n };
  for (const refused of [() => commits.begin(later), () => commits.takeIds(1, 5n), () => commits.clear(5n)])
    await expect(refused()).rejects.toThrow('OOM');
  expect(await all()).toEqual(before);
  // It starts with LTRIM, which needs no memory; from then on Redis lets a script finish.
  expect(await commits.commit(request)).toEqual({ outcome: 'committed' });
  expect(await redis.llen('c7_0')).toBe(3);
  expect(await redis.hgetall('sliceRef')).toEqual({ k2_10: '1' });
  expect(await redis.hlen('delSlices')).toBe(1);
  const after = await all();
  await expect(commits.release(5n)).rejects.toThrow('OOM');
  expect(await all()).toEqual(after);
  await redis.config('SET', 'maxmemory', '0');
  expect(await commits.release(5n)).toEqual({ state: 'deleting', slices: [{ id: 1n, size: 10 }] });
});

test('a replica changes nothing', async () => {
  await redis.replicaof('127.0.0.1', '1');
  const before = await all();
  const commits = commitsAs();
  await expect(commits.commit(request)).rejects.toMatchObject({ kind: 'halt', code: 'metadata-refused' });
  await expect(commits.confirmPrimary()).rejects.toMatchObject({ kind: 'retry' });
  expect(await all()).toEqual(before);
  commits.close();
});
