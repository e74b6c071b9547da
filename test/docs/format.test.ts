/** docs/format.md against the code: its commands make a file system that s3compact reads as the page says. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { objectName } from '../../src/format.ts';
import { RedisMetadata } from '../../src/metadata/redis/redis.ts';
import type { ObjectPrefix } from '../../src/model.ts';
import { objectsOf } from '../../src/plan/index.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { quietRedis } from '../metadata/redis-world.ts';

const PAGE = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');
const KEY = { fsId: 1, inodeId: 5n };
const MIB = 1024 * 1024;

describe('a file system made by the commands of docs/format.md', () => {
  let server: RedisService;
  let store: RedisMetadata;
  let commands = 0;

  beforeAll(async () => {
    server = await startRedis();
    const redis = quietRedis(server.url);
    for (const block of PAGE.matchAll(/```redis\n([\s\S]*?)```/g)) {
      for (const line of (block[1] ?? '').trim().split('\n')) {
        const [command = '', ...rest] = line.split(' ');
        const reply = await redis.call(command, ...rest);
        expect(String(reply)).not.toContain('ERR');
        commands++;
      }
    }
    redis.disconnect();
    const client = connectRedis(server.url, { profile: 'metadata', timeoutMs: 5000 });
    store = new RedisMetadata({ redis: client, keyPrefix: 'fs', timeoutMs: 5000 });
  });

  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  test('is read as the page says', async () => {
    expect(commands).toBe(12);
    const filesystem = await store.getFilesystem(1);
    expect(filesystem).toMatchObject({ name: 'films', bucket: 'films', blockSize: 4 * MIB, chunkSize: 64 * MIB });
    expect(filesystem).toMatchObject({ objectPrefix: 0, lastChunkId: 3n });
    expect(await store.getInode(KEY)).toMatchObject({ type: 's3', length: 4 * MIB + 4, nlink: 1 });
    const snapshot = await store.readChunk(KEY, 0, 100);
    expect(snapshot.versions.map(({ chunkId, offset, len }) => [chunkId, offset, len])).toEqual([
      [1n, 0, 4 * MIB],
      [2n, 100, 10],
      [3n, 4 * MIB - 4, 8],
    ]);
    const last = snapshot.versions.slice(2);
    const geometry = { blockSize: 4 * MIB, chunkSize: 64 * MIB };
    expect([...objectsOf(last, geometry)].map((object) => objectName(KEY, object, 0))).toEqual([
      '1_5_3_0_0',
      '1_5_3_1_0',
    ]);
  });
});

test('the names in the table are those of the code', () => {
  const rows = [...PAGE.matchAll(/^\| ([012]) \| `([^`]+)` \|$/gm)];
  expect(rows).toHaveLength(3);
  for (const [, prefix, name] of rows) {
    const object = { chunkId: 3n, blockIndex: 1, compaction: 0n };
    expect(objectName(KEY, object, Number(prefix) as ObjectPrefix)).toBe(name);
  }
});
