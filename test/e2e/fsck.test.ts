/** `s3compact fsck` on the run's servers: planted damage is reported with its exit code, and nothing is changed. */
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { E2eWorld, SMALL } from './world.ts';

const WHOLE = 10n;
const HURT = 11n;
let world: E2eWorld;

beforeAll(async () => {
  world = await E2eWorld.open('fsck');
  for (const inodeId of [WHOLE, HURT]) {
    await world.writer.createInode(inodeId);
    for (let n = 0; n < 30; n++) await world.writer.write(inodeId, n * 1_000, 1_500);
  }
  await world.writer.createInode(12n, { type: 'directory' });
  await world.compactFully(HURT);
  await world.writer.write(HURT, 20_000, 500);
  await world.writer.write(HURT, 31_000, 5_000);
});
afterAll(() => world.close());

async function fsck(...argv: string[]) {
  const { exitCode, stdout, stderr } = await world.command(['fsck', '1', ...argv, '--json']);
  if (stdout === '') throw new Error(stderr);
  const { summary, faults } = JSON.parse(stdout) as {
    summary: Record<string, number>;
    faults: { inodeId: string; begin: number; end: number; reason: string; object: string }[];
  };
  return { exitCode, summary, faults };
}

it('everything can be read: exit code 0, by size and by reading', async () => {
  const before = await world.writer.bucketSizes();
  for (const flags of [[], ['--read'], [`${HURT}`], [`${HURT}`, '--read']]) {
    expect(await fsck(...flags)).toMatchObject({ exitCode: 0, faults: [] });
  }
  expect((await fsck()).summary).toMatchObject({ inodes: 3, skipped: 1, unknown: 0, faults: 0 });
  expect(await world.writer.bucketSizes()).toEqual(before);
});

it('a missing and a short object: exit code 4, with the ranges', async () => {
  const state = await world.writer.state(HURT);
  const versions = state.lists.get(0) ?? [];
  const [last, middle] = [versions.at(-1), versions.at(-2)];
  const missing = `1_${HURT}_${middle?.chunkId}_${Math.floor(20_000 / SMALL.blockSize)}_0`;
  const short = `1_${HURT}_${last?.chunkId}_${Math.floor(31_000 / SMALL.blockSize)}_0`;
  await world.writer.deleteObjects([missing]);
  await world.writer.deleteObjects([short]);
  await world.writer.putObject(short, Buffer.alloc(100));

  const byShape = await fsck();
  expect(byShape.exitCode).toBe(4);
  expect(byShape.faults).toMatchObject([
    { inodeId: `${HURT}`, begin: 20_000, end: 20_480, reason: 'missing', object: missing },
    { inodeId: `${HURT}`, begin: 31_100, reason: 'short', object: short },
  ]);
  expect(byShape.summary).toMatchObject({ inodesWithFaults: 1 });

  const { stdout, exitCode } = await world.command(['fsck', '1', `${HURT}`, '--read']);
  expect(exitCode).toBe(4);
  expect(stdout).toContain('cannot be read');
  expect(stdout).toContain('missing');
  expect(stdout).toContain('short');
});

it('other bytes in a merged object: seen by reading only', async () => {
  const inodeId = 20n;
  await world.writer.createInode(inodeId);
  for (let n = 0; n < 30; n++) await world.writer.write(inodeId, n * 1_000, 1_500);
  await world.compactFully(inodeId);
  const merged = (await world.writer.referencedNames([inodeId])).find((name) => !name.endsWith('_0')) ?? '';
  const bytes = Buffer.from(await world.writer.objectBytes(merged));
  bytes.writeUInt8(bytes.readUInt8(7) ^ 0x10, 7);
  const { s3, bucket: Bucket } = world.writer.options;
  const { Metadata } = await s3.send(new HeadObjectCommand({ Bucket, Key: merged }));
  await s3.send(new PutObjectCommand({ Bucket, Key: merged, Body: bytes, Metadata }));

  expect(await fsck(`${inodeId}`)).toMatchObject({ exitCode: 0, faults: [] });
  const { exitCode, faults } = await fsck(`${inodeId}`, '--read');
  expect(exitCode).toBe(4);
  expect(faults).toMatchObject([{ inodeId: `${inodeId}`, reason: 'corrupt', object: merged }]);
});

it('a file whose keys are of a wrong type is one that is reported, and the walk goes on', async () => {
  await world.writer.createInode(30n);
  await world.writer.options.redis.set(`${world.writer.inodeKey(30n)}:chunks`, 'not a set');
  try {
    const { exitCode, stdout } = await world.command(['fsck', '1']);
    expect(exitCode).toBe(4);
    expect(stdout).toMatch(/1\/30 .* inode-malformed .*:chunks is of another type/);
    expect(stdout).toContain('cannot be read');
    const json = JSON.parse((await world.command(['fsck', '1', '--json'])).stdout);
    expect(json.endedEarly).toBeUndefined();
    expect(json.summary.inodes).toBeGreaterThan(1);
  } finally {
    await world.writer.options.redis.del(`${world.writer.inodeKey(30n)}:chunks`);
  }
});

it('a wrong number, an unlinked file and a bucket that is gone are errors of their own', async () => {
  expect((await world.command(['fsck', '99'])).stderr).toContain('there is no file system 99');
  expect((await world.command(['fsck', '1', '999'])).stderr).toContain('does not exist');
  const refused = await world.command(['fsck', '1', `${WHOLE}`], {
    AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
    S3COMPACT_S3_PATIENCE: '0s',
  });
  expect(refused.exitCode).toBe(3);
});
