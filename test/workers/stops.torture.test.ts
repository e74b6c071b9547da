/**
 * Processes that are asked to stop in the middle: in a merge, in a commit whose answer does not come, in a pool. They end in
 * time, hand back what they had, and another worker goes on at once and not when a lock has run out (I9, I12). A slow merge
 * is made by the limit on bytes, so every moment of it lasts.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { createLogger } from '../../src/observe/log.ts';
import { openClients } from '../../src/wiring/clients.ts';
import type { RunningWorker } from '../../workers/running.ts';
import { startWorker } from '../../workers/worker.ts';
import { E2eWorld } from '../e2e/world.ts';
import { findRedis, startRedis } from '../kit/servers/redis.ts';
import { eventually } from '../queue/world.ts';

const INODE = 700n;
const KEY = { fsId: 1, inodeId: INODE };
const BLOCK = 4096;
/** Locks that outlast the test: who takes a job has been handed it. */
const LONG_LOCKS = {
  S3COMPACT_LOCK_DURATION: '2m',
  S3COMPACT_MAX_SECONDS: '5s',
  S3COMPACT_MAX_BYTES: '1MiB',
  S3COMPACT_S3_TIMEOUT: '5s',
  S3COMPACT_S3_PATIENCE: '0s',
  S3COMPACT_REDIS_TIMEOUT: '2s',
  S3COMPACT_LEASE: '10m',
  S3COMPACT_FRAGMENT_THRESHOLD: '3',
  S3COMPACT_SHUTDOWN_GRACE: '0ms',
};
/** 16 blocks read and written: half a minute, of which a block is a second. */
const SLOW = { S3COMPACT_BYTES_PER_SECOND: '8KiB', S3COMPACT_BLOCKS_IN_FLIGHT: '1' };
/** Grace 0, cancelling, closing and the end of a process on a busy machine. */
const STOPS_WITHIN_MS = 15_000;
let world: E2eWorld;
const workers: RunningWorker[] = [];

afterEach(async () => {
  for (const worker of workers.splice(0)) {
    worker.abort();
    await worker.stop();
  }
  await world.close();
});

async function open(env: Readonly<Record<string, string>> = {}): Promise<void> {
  world = await E2eWorld.open('stops', { env: { ...LONG_LOCKS, ...env } });
  await world.writer.createInode(INODE);
  await world.writer.write(INODE, 0, 16 * BLOCK);
  for (let block = 0; block < 16; block++) await world.writer.write(INODE, block * BLOCK + 100, 200);
}

function state(): Promise<readonly [number, number]> {
  const { queue } = world.clients.queue;
  return Promise.all([queue.getActiveCount(), queue.getJobCountByTypes('waiting', 'prioritized', 'delayed')]);
}

/** In the middle of a merge: some of the merged objects are there, and the list is the old one. */
async function inTheMiddle(before: readonly string[]): Promise<void> {
  await eventually('some merged objects are there', async () => {
    const names = await world.writer.bucketNames();
    return names.length >= before.length + 2;
  });
}

async function exitOf(process: ChildProcess): Promise<{ code: number | null; ms: number }> {
  const beganMs = performance.now();
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
  return { code: process.exitCode, ms: performance.now() - beganMs };
}

/** A fast worker in this process finds the job and does it, long before any lock runs out; then nothing is left over. */
async function another(): Promise<void> {
  workers.push(startWorker(world.clients, createLogger({ level: 'silent' })));
  const { queue } = world.clients.queue;
  await eventually('another worker has done it', async () => (await queue.getCompletedCount()) > 0, 30_000);
  expect(await world.writer.readFault(INODE)).toBeNull();
  expect((await world.compactInline(INODE)).outcome).toBe('nothing');
  // The records of the attempt that was stopped were handed over: they do not wait for its lease.
  await eventually(
    'the reap queue is worked off',
    async () => {
      const { queue: reap } = world.clients.ledger;
      return (await reap.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed')) === 0;
    },
    40_000,
  );
  expect(await world.writer.bucketNames()).toEqual(await world.writer.referencedNames([INODE]));
}

describe('SIGTERM in the middle of a merge', () => {
  it.each([
    ['one process', '1'],
    ['a pool', '2'],
  ])('%s: ends in time with code 0; the job is handed back and done by another at once', async (_, processes) => {
    await open();
    const before = await world.writer.bucketNames();
    const worker = world.startWorker({ ...SLOW, S3COMPACT_PROCESSES: processes, S3COMPACT_CONCURRENCY: '1' });
    await world.clients.queue.enqueue(KEY, 'scan');
    await inTheMiddle(before);
    worker.kill('SIGTERM');
    const { code, ms } = await exitOf(worker);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(STOPS_WITHIN_MS);
    expect(await state()).toEqual([0, 1]);
    await another();
  });

  it('within the grace it goes on; the second signal cancels', async () => {
    await open({ S3COMPACT_SHUTDOWN_GRACE: '10m' });
    const before = await world.writer.bucketNames();
    const worker = world.startWorker({ ...SLOW, S3COMPACT_CONCURRENCY: '1' });
    await world.clients.queue.enqueue(KEY, 'scan');
    await inTheMiddle(before);
    worker.kill('SIGTERM');
    const { length } = await world.writer.bucketNames();
    await eventually('it goes on', async () => (await world.writer.bucketNames()).length > length + 1);
    expect(worker.exitCode).toBeNull();
    worker.kill('SIGTERM');
    expect((await exitOf(worker)).code).toBe(0);
    expect(await state()).toEqual([0, 1]);
    await another();
  });
});

it('SIGTERM while a run waits for a rate to learn whose the bucket is: the job is handed back', async () => {
  await open();
  // The note of the owner is written at once, and paid for by all that follows: it is read back in minutes.
  const slowest = { S3COMPACT_BYTES_PER_SECOND: '1', S3COMPACT_MAX_BYTES: '16KiB', S3COMPACT_LEASE: '10h' };
  const worker = world.startWorker({ ...slowest, S3COMPACT_CONCURRENCY: '1' });
  await world.clients.queue.enqueue(KEY, 'scan');
  await eventually('it waits for the rate', async () => {
    const [job] = await world.clients.queue.queue.getActive();
    return JSON.stringify(job?.progress ?? '').includes('S3COMPACT_BYTES_PER_SECOND');
  });
  worker.kill('SIGTERM');
  expect((await exitOf(worker)).code).toBe(0);
  expect(await state()).toEqual([0, 1]);
  await another();
});

it('SIGTERM while a look at a reap record waits for a rate: the record is handed back, and nothing of it is lost', async () => {
  const times = { S3COMPACT_GRACE: '1s', S3COMPACT_READER_CACHE_LIFE: '500ms' };
  await open(times);
  await world.compactInline(INODE, ['--grace', '1s', '--reader-cache-life', '500ms']);
  const { queue: records } = world.clients.ledger;
  // Sixteen merged objects are asked for before anything is deleted, one a second.
  const worker = world.startWorker({ S3COMPACT_REQUESTS_PER_SECOND: '1' });
  await eventually('the look is under way', async () => (await records.getActiveCount()) > 0);
  worker.kill('SIGTERM');
  expect((await exitOf(worker)).code).toBe(0);
  expect(await records.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed')).toBe(1);
  expect(await records.getActiveCount()).toBe(0);
});

describe.runIf(findRedis() !== undefined)('SIGTERM while the answer to a commit does not come', () => {
  it('ends in time and deletes nothing; when the metadata is back the file is whole, and nothing is left over', async () => {
    const metadata = await startRedis();
    try {
      const env = { METADATA_URL: metadata.url, S3COMPACT_LOCK_DURATION: '5s', S3COMPACT_LEASE: '14s' };
      const more = { S3COMPACT_MAX_SECONDS: '1s', S3COMPACT_MAX_BYTES: '256KiB', S3COMPACT_CONCURRENCY: '1' };
      await open({ ...env, ...more, S3COMPACT_GRACE: '1s', S3COMPACT_READER_CACHE_LIFE: '500ms' });
      const before = await world.writer.bucketNames();
      const worker = world.startWorker({ S3COMPACT_BYTES_PER_SECOND: '32KiB' });
      await world.clients.queue.enqueue(KEY, 'scan');
      // The record is there, so the list has been read; merging takes seconds, and the commit will meet silence.
      await eventually('it merges', async () => (await world.clients.ledger.queue.getDelayedCount()) > 0);
      process.kill(metadata.pid, 'SIGSTOP');
      await eventually('all merged objects are there', async () => {
        return (await world.writer.bucketNames()).length >= before.length + 16;
      });
      worker.kill('SIGTERM');
      const { code, ms } = await exitOf(worker);
      expect(code).toBe(0);
      expect(ms).toBeLessThan(STOPS_WITHIN_MS);
      expect(await world.writer.bucketNames()).toEqual(expect.arrayContaining(before));
      process.kill(metadata.pid, 'SIGCONT');
      await another();
    } finally {
      process.kill(metadata.pid, 'SIGCONT');
      await metadata.stop();
    }
  });
});

describe('a job whose lock is lost', () => {
  it('is cancelled here, not handed back, and done by whoever took it', async () => {
    await open({ ...SLOW, S3COMPACT_CONCURRENCY: '1', S3COMPACT_LOCK_DURATION: '5s' });
    const lost: string[] = [];
    const log = createLogger({
      level: 'warn',
      destination: { write: (line) => void (line.includes('job.lock-lost') && lost.push(line)) },
    });
    const before = await world.writer.bucketNames();
    const slow = startWorker(world.clients, log);
    workers.push(slow);
    await world.clients.queue.enqueue(KEY, 'scan');
    await inTheMiddle(before);
    const [job] = (await slow.snapshots())[0]?.jobs ?? [];
    const { queue } = world.clients.queue;
    // Somebody else holds it now.
    await world.writer.options.redis.set(`${queue.toKey(job?.jobId ?? '')}:lock`, 'another', 'PX', 600_000);
    await eventually(
      'the run is cancelled',
      async () => lost.length > 0 && (await slow.snapshots())[0]?.jobs.length === 0,
    );
    // It was not moved: it is as it was, and the other's.
    expect(await state()).toEqual([1, 0]);
    await slow.stop();
    await world.writer.options.redis.del(`${queue.toKey(job?.jobId ?? '')}:lock`);
    const settings = loadSettings({ flags: {}, env: { ...world.env, S3COMPACT_BYTES_PER_SECOND: '0' } });
    const clients = await openClients(settings, createLogger({ level: 'silent' }));
    const fast = startWorker(clients, createLogger({ level: 'silent' }));
    await eventually('it is done', async () => (await queue.getCompletedCount()) === 1, 30_000);
    await fast.stop();
    await clients.close();
    expect(await world.writer.readFault(INODE)).toBeNull();
  });
});
