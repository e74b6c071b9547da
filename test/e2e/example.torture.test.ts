/**
 * `s3compact example` on the run's servers: what it makes compacts and reads right, what is there is never touched, and
 * `--remove` takes away all that it made, in whatever state, and only that.
 */

import { ListBucketsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Redis } from 'ioredis';
import { afterAll, beforeEach, expect, inject, it } from 'vitest';
import { EXAMPLE_FILES, exampleBytes } from '../../src/cli/example-make.ts';
import { run } from '../../src/cli/main.ts';
import { ledgerMs } from '../../src/time.ts';
import { readFile, visibleObjects } from '../kit/oracle/reader.ts';
import { RedisFiles } from '../kit/support/redis-files.ts';
import { freshBucket, testS3Client, uniquePrefix } from '../setup/isolation.ts';
import { type CommandEnding, clientsOf, commonEnv } from './world.ts';

const OTHER_UUID = '00000000-0000-4000-8000-00000000beef';
const TIMES = { startedMs: ledgerMs(1), endedMs: ledgerMs(2) };
const redis = new Redis(inject('redisUrl'));
const s3 = testS3Client();
let prefix: string;
let bucket: string;
let env: Record<string, string>;
let files: RedisFiles;

beforeEach(() => {
  prefix = uniquePrefix('example');
  bucket = uniquePrefix('example');
  env = { ...commonEnv(prefix), METADATA_PREFIX: prefix };
  files = filesIn(bucket);
});
afterAll(() => {
  s3.destroy();
  redis.disconnect();
});

function filesIn(name: string): RedisFiles {
  const geometry = { blockSize: 4 * 1024 * 1024, chunkSize: 64 * 1024 * 1024 };
  return new RedisFiles({ redis, prefix, s3, bucket: name, fsId: 7, geometry });
}

async function command(...argv: string[]): Promise<CommandEnding> {
  const out = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text) });
  const exitCode = await run(argv, env, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { exitCode, ...out };
}

/** Of the example, as scan and gc leave them, and beside them those of another file system. */
async function notesOfScanAndGc() {
  const clients = await clientsOf(env);
  try {
    const { uuid = '' } = await redis.hgetall(`${prefix}:{7}`);
    const [own, other] = [clients.gc(uuid).book, clients.gc(OTHER_UUID).book];
    for (const book of [own, other]) {
      await book.note(new Map([['7_1_99_0_0', { sinceMs: ledgerMs(1), incarnation: 'a', firstMs: ledgerMs(1) }]]));
      await book.setPosition({ after: '7_1_1_0_0', objects: 1, leaked: 1, failures: 0 });
    }
    const [result] = await clients.scans.results();
    if (result === undefined) throw new Error('the scan has left no result');
    await clients.scans.setResult(8, { ...result, ...TIMES, fsUuid: OTHER_UUID });
    return { uuid, results: `${env['QUEUE_PREFIX']}:scans:${clients.metadata.storeId}:results` };
  } finally {
    await clients.close();
  }
}

const example = (...flags: string[]) => command('example', '7', '--bucket', bucket, ...flags);

async function expectReads(): Promise<void> {
  for (const file of EXAMPLE_FILES) {
    const state = await files.state(file.inodeId);
    const model = new Uint8Array(state.length);
    for (const [n, { offset }] of file.writes.entries()) model.set(exampleBytes(file, n), offset);
    const objects = new Map<string, Uint8Array>();
    for (const name of visibleObjects(state, 0, state.length)) objects.set(name, await files.objectBytes(name));
    expect(Buffer.from(readFile(state, (name) => objects.get(name))).equals(model)).toBe(true);
  }
}

async function buckets(): Promise<(string | undefined)[]> {
  return ((await s3.send(new ListBucketsCommand({}))).Buckets ?? []).map(({ Name }) => Name);
}

it('makes files that compact and read right; nothing is left when it is removed again, reap records included', async () => {
  const made = await example();
  expect(made.exitCode, made.stderr).toBe(0);
  expect(made.stdout).toContain(`file system 7 is made, its objects in bucket ${bucket} (made, too)`);
  await expectReads();
  for (const { inodeId } of EXAMPLE_FILES) {
    const { exitCode, stdout } = await command('inode', '7', `${inodeId}`, '--inline', '--json');
    expect(exitCode, stdout).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ending: 'done', outcome: 'compacted' });
  }
  await expectReads();
  await command('scan', '7');
  // An orphan that is old enough to be noted, and what stands there of others: of another number, and of this one before.
  const notes = await notesOfScanAndGc();
  expect((await redis.keys(`*${notes.uuid}*`)).length).toBeGreaterThan(0);
  const removed = await example('--remove', '--json');
  expect(removed.exitCode, removed.stderr).toBe(0);
  expect(JSON.parse(removed.stdout)).toMatchObject({ fsId: 7, bucket: 'removed' });
  expect(await redis.keys(`${prefix}:*`)).toEqual([]);
  expect(await buckets()).not.toContain(bucket);
  const status = JSON.parse((await command('status', '--json')).stdout);
  for (const queue of status.queues) expect(queue).toMatchObject({ waiting: 0, active: 0, delayed: 0 });
  expect(await redis.keys(`*${notes.uuid}*`)).toEqual([]);
  expect(await redis.hkeys(notes.results)).toEqual(['8']);
  expect(await redis.keys(`*${OTHER_UUID}*`)).not.toEqual([]);
  // And again, from the beginning.
  expect((await example()).exitCode).toBe(0);
  await expectReads();
  expect((await example('--remove')).stdout).toMatch(
    /^file system 7 is removed with 12\d objects; bucket \S+ is removed/,
  );
});

it('the result of a scan of another file system that had its number stays', async () => {
  expect((await example()).exitCode).toBe(0);
  await command('scan', '7');
  const clients = await clientsOf(env);
  const [result] = await clients.scans.results();
  if (result === undefined) throw new Error('the scan has left no result');
  await clients.scans.setResult(7, { ...result, ...TIMES, fsUuid: OTHER_UUID });
  expect((await example('--remove')).exitCode).toBe(0);
  expect((await clients.scans.results()).map(({ fsId }) => fsId)).toEqual([7]);
  await clients.close();
});

it("a bucket that is there is used, stays, and keeps what is not the example's", async () => {
  await s3.send(new PutObjectCommand({ Bucket: await useFreshBucket(), Key: '8_1_1_0_0', Body: 'mine' }));
  expect((await example()).exitCode).toBe(0);
  expect((await example('--remove')).stdout).toContain(`bucket ${bucket} stays`);
  expect(await files.bucketNames()).toEqual(['8_1_1_0_0']);
});

async function useFreshBucket(): Promise<string> {
  bucket = await freshBucket('example');
  files = filesIn(bucket);
  return bucket;
}

it.each(['7_99_1_0_0', '7/0/0/7_99_1_0_0', 's3compact-owner-7'])(
  'an object %s in the bucket: nothing is made',
  async (name) => {
    await s3.send(new PutObjectCommand({ Bucket: await useFreshBucket(), Key: name, Body: 'mine' }));
    const { exitCode, stderr } = await example();
    expect(exitCode).toBe(4);
    expect(stderr).toContain(`has objects of a file system 7 already (${name})`);
    expect(await redis.keys(`${prefix}:*`)).toEqual([]);
  },
);

it('a file system or an inode of that number: nothing is made, and neither is removed', async () => {
  await useFreshBucket();
  await files.createInode(2n);
  expect((await example()).stderr).toContain('inode 2 of file system 7 is there already');
  await files.createFilesystem();
  const before = await redis.hgetall(`${prefix}:{7}`);
  const { exitCode, stderr } = await example();
  expect(exitCode).toBe(4);
  expect(stderr).toContain('there is a file system 7 already');
  const removed = await example('--remove');
  expect(removed.exitCode).toBe(4);
  expect(removed.stderr).toContain('"s3compact example" did not make file system 7; nothing was removed');
  expect(await redis.hgetall(`${prefix}:{7}`)).toEqual(before);
  expect(await redis.exists(files.inodeKey(2n))).toBe(1);
});

it('a file that somebody else made in it stops the removal', async () => {
  expect((await example()).exitCode).toBe(0);
  await files.createInode(4n);
  const { exitCode, stderr } = await example('--remove');
  expect(exitCode).toBe(4);
  expect(stderr).toContain('has inode 4, which the example did not make; nothing was removed');
  await expectReads();
});

it('a removal that was stopped half-way goes on', async () => {
  expect((await example()).exitCode).toBe(0);
  await redis.unlink(files.inodeKey(1n));
  await files.deleteObjects((await files.bucketNames()).slice(0, 100));
  expect((await example('--remove')).exitCode).toBe(0);
  expect(await redis.keys(`${prefix}:*:chunks`)).toEqual([]);
  expect(await buckets()).not.toContain(bucket);
});

it('a CurveFS cluster is refused: its own clients write there', async () => {
  env['METADATA_URL'] = 'curvefs://127.0.0.1:1';
  const { exitCode, stderr } = await example();
  expect(exitCode).toBe(2);
  expect(stderr).toContain('METADATA_URL names a CurveFS cluster');
});
