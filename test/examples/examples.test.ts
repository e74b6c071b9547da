/** The programs of examples/ do what they say, on real servers: a plan, a file written, one inode compacted, queued once. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { RedisFiles } from '../kit/support/redis-files.ts';
import { quietRedis } from '../metadata/redis-world.ts';
import { freshBucket, testS3Client } from '../setup/isolation.ts';

const geometry = { blockSize: 4096, chunkSize: 65_536 };
let server: RedisService;
let redis: ReturnType<typeof quietRedis>;
let writer: RedisFiles;

beforeAll(async () => {
  server = await startRedis();
  redis = quietRedis(server.url);
  writer = new RedisFiles({
    redis,
    prefix: 'fs',
    s3: testS3Client(),
    bucket: await freshBucket('examples'),
    fsId: 1,
    geometry,
  });
  await writer.createFilesystem();
  await writer.createInode(7n);
  for (let n = 0; n < 12; n++) await writer.write(7n, n * 100, 100);
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

async function example(name: string, ...args: string[]): Promise<string> {
  const s3 = inject('s3');
  const keys = { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey };
  const env = {
    ...process.env,
    ...keys,
    REDIS_URL: server.url,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
  };
  const file = fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url));
  return (await promisify(execFile)(process.execPath, [file, ...args], { env })).stdout;
}

test('plan-a-list plans without a server', async () => {
  const text = await example('plan-a-list');
  expect(text).toContain('GETs of a full read now: 64\nGETs after the plan: 1\n');
});

test('compact-an-inode compacts it, and its records wait in the reap queue', async () => {
  expect(await example('compact-an-inode', '1', '7')).toMatch(/^compacted: 12 GETs before, 1 after\n$/);
  expect(await writer.readFault(7n)).toBeNull();
  expect(await redis.zcard('s3compact:reap:delayed')).toBe(1);
});

test('write-a-file makes a file that compacts and reads right, and no file system twice', async () => {
  const { bucket } = writer.options;
  expect(await example('write-a-file', bucket, '7', '4711')).toMatch(/^wrote 10 lines to inode 4711 of file system 7;/);
  expect(await example('compact-an-inode', '7', '4711')).toMatch(/^compacted: 10 GETs before, 1 after\n$/);
  await expect(example('write-a-file', bucket, '7', '4712')).rejects.toThrow('file system 7 is there already');
});

test('queue-an-inode queues it once', async () => {
  expect(await example('queue-an-inode', '1', '7')).toBe('queued\n');
  expect(await example('queue-an-inode', '1', '7')).toBe('it was queued already\n');
});
