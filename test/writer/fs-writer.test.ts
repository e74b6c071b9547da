/**
 * The library's writer on the run's Redis and S3 server. That it keeps to the format is judged by the page that describes
 * it (its commands must leave the very same keys) and by the oracle, which spells names and records itself.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { InodeKey } from '../../src/model.ts';
import { storesWithRetries } from '../../src/objects/retrying-store.ts';
import { S3ObjectStores } from '../../src/objects/s3/stores.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { FsWriter } from '../../src/writer/fs-writer.ts';
import { recordOf } from '../kit/oracle/names.ts';
import { readFile, visibleObjects } from '../kit/oracle/reader.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { RedisFiles } from '../kit/support/redis-files.ts';
import { quietRedis } from '../metadata/redis-world.ts';
import { freshBucket, testS3Client, uniquePrefix } from '../setup/isolation.ts';

const GEOMETRY = { blockSize: 4096, chunkSize: 16_384 };
const KEY: InodeKey = { fsId: 1, inodeId: 5n };
const s3 = inject('s3');
const stores = storesWithRetries(
  new S3ObjectStores({
    endpoint: s3.endpoint,
    region: s3.region,
    credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
  }),
  { clock: systemClock },
);
const redis = quietRedis(inject('redisUrl'));
const client = connectRedis(inject('redisUrl'), { profile: 'metadata' });
let prefix: string;
let bucket: string;
let writer: FsWriter;

beforeAll(async () => {
  bucket = await freshBucket('fs-writer');
});
beforeEach(() => {
  prefix = uniquePrefix('writer');
  writer = new FsWriter({ redis: client, objects: stores, keyPrefix: prefix });
});
afterAll(() => {
  redis.disconnect();
  client.disconnect();
  stores.close();
});

async function madeFile(fsId: number): Promise<InodeKey> {
  const key = { fsId, inodeId: 5n };
  await writer.createFilesystem(fsId, { name: 'films', bucket, uuid: prefix, ...GEOMETRY });
  await writer.createInode(key);
  return key;
}

/** Every byte as a reader who shares no code with the writer sees it. */
async function read({ fsId, inodeId }: InodeKey): Promise<Uint8Array> {
  const files = new RedisFiles({ redis, prefix, s3: testS3Client(), bucket, fsId, geometry: GEOMETRY });
  const state = await files.state(inodeId);
  const objects = new Map<string, Uint8Array>();
  for (const name of visibleObjects(state, 0, state.length)) objects.set(name, await files.objectBytes(name));
  files.options.s3.destroy();
  return readFile(state, (name) => objects.get(name));
}

/** Another text for each write. */
function bytes(len: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: len }, (_, n) => (n * 7 + seed * 13) % 251);
}

test('what it writes reads as a plain file does, over borders of blocks and chunks, with zeros and cuts', async () => {
  const key = await madeFile(1);
  const model = new Uint8Array(50_000);
  let length = 0;
  const writes = [
    [0, 100],
    [4090, 10],
    [100, 40_000],
    [16_380, 8],
    [3, 1],
    [49_990, 10],
  ] as const;
  for (const [n, [offset, len]] of writes.entries()) {
    model.set(bytes(len, n), offset);
    length = Math.max(length, offset + len);
    const versions = await writer.write(key, offset, bytes(len, n));
    expect(new Set(versions.map(({ chunkId }) => chunkId)).size).toBe(versions.length);
  }
  model.fill(0, 8_000, 20_000);
  await writer.writeZeros(key, 8_000, 12_000);
  expect(Buffer.from(await read(key)).equals(model.subarray(0, length))).toBe(true);
  await writer.lists.truncate(key, 30_000);
  expect(Buffer.from(await read(key)).equals(model.subarray(0, 30_000))).toBe(true);
});

test('it leaves the very keys that the commands of docs/format.md leave', async () => {
  const byHand: RedisService = await startRedis();
  const byWriter: RedisService = await startRedis();
  const [left, right] = [quietRedis(byHand.url), quietRedis(byWriter.url)];
  const metadata = connectRedis(byWriter.url, { profile: 'metadata' });
  try {
    const page = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');
    for (const [, block = ''] of page.matchAll(/```redis\n([\s\S]*?)```/g)) {
      for (const line of block.trim().split('\n')) {
        const [command = '', ...rest] = line.split(' ');
        await left.call(command, ...rest);
      }
    }
    const { lists } = new FsWriter({ redis: metadata, objects: stores });
    const uuid = '0b1e6f5e-7a3d-4a53-9d0a-7a6f6d1c2b11';
    await lists.createFilesystem(1, { name: 'films', bucket: 'films', uuid });
    await lists.createInode(KEY);
    for (const [offset, len] of [
      [0, 4_194_304],
      [100, 10],
      [4_194_300, 8],
    ] as const) {
      const version = { chunkId: await lists.takeChunkId(1), compaction: 0n, offset, len, size: len, zero: false };
      await lists.append(KEY, { chunkIndex: 0, versions: [version], length: offset + len });
    }
    expect(await dump(right)).toEqual(await dump(left));
  } finally {
    for (const one of [left, right, metadata]) one.disconnect();
    await Promise.all([byHand.stop(), byWriter.stop()]);
  }
});

/** Everything that is there, but the times. */
async function dump(server: ReturnType<typeof quietRedis>, pattern = '*'): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const key of (await server.keys(pattern)).sort()) {
    const type = await server.type(key);
    if (type === 'hash') all[key] = { ...(await server.hgetall(key)), mtimeMs: 'a time' };
    else all[key] = type === 'list' ? await server.lrange(key, 0, -1) : (await server.smembers(key)).sort();
  }
  return all;
}

test('nothing that is there is made again or changed', async () => {
  const key = await madeFile(1);
  await writer.write(key, 0, bytes(10, 1));
  const before = await dump(redis, `${prefix}:*`);
  const again = { name: 'others', bucket, uuid: 'another', ...GEOMETRY };
  await expect(writer.createFilesystem(1, again)).rejects.toMatchObject({ kind: 'halt', code: 'metadata-refused' });
  await expect(writer.createInode(key)).rejects.toMatchObject({ kind: 'halt', code: 'metadata-refused' });
  expect(await dump(redis, `${prefix}:*`)).toEqual(before);
});

test('an inode that is missing, unlinked or no file is not written to', async () => {
  const key = await madeFile(1);
  await expect(writer.write({ ...key, inodeId: 6n }, 0, bytes(1, 1))).rejects.toThrow(/stale missing/);
  await writer.lists.unlink(key);
  await expect(writer.write(key, 0, bytes(1, 1))).rejects.toThrow(/stale unlinked/);
  expect(await redis.llen(`${prefix}:{1:5}:0`)).toBe(0);
});

test('writers side by side lose neither a version nor length', async () => {
  const key = await madeFile(2);
  await Promise.all(Array.from({ length: 20 }, (_, n) => writer.write(key, (19 - n) * 100, bytes(100, n))));
  expect(await redis.llen(`${prefix}:{2:5}:0`)).toBe(20);
  expect(await redis.hget(`${prefix}:{2:5}`, 'length')).toBe('2000');
});

test('where Redis gives out an id for the second time the names are taken, and another id is used', async ({
  skip,
}) => {
  skip(s3.kind === 's3rver', 's3rver ignores If-None-Match');
  const key = await madeFile(3);
  await writer.write(key, 0, bytes(100, 1));
  await writer.write(key, 100, bytes(100, 2));
  await redis.hset(`${prefix}:{3}`, 'nextChunkId', 0);
  await writer.write(key, 50, bytes(100, 3));
  const records = (await redis.lrange(`${prefix}:{3:5}:0`, 0, -1)).map(recordOf);
  expect(records.map(({ chunkId }) => chunkId)).toEqual([1n, 2n, 3n]);
  const model = new Uint8Array(200);
  for (const n of [1, 2, 3]) model.set(bytes(100, n), [0, 100, 50][n - 1]);
  expect(Buffer.from(await read(key)).equals(model)).toBe(true);
});

test("removeInode takes its keys away and nobody else's", async () => {
  const key = await madeFile(4);
  const other = { fsId: 4, inodeId: 6n };
  await writer.createInode(other);
  for (const one of [key, other]) await writer.write(one, 16_000, bytes(1_000, 1));
  await writer.lists.removeInode(key);
  const keys = (await redis.keys(`${prefix}:*`)).sort();
  expect(keys).toEqual(['', ':0', ':1', ':chunks'].map((end) => `${prefix}:{4:6}${end}`).concat(`${prefix}:{4}`));
});
