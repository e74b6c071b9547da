/** Pause and resume on real Redis: they survive their makers, lose no job, and nobody spins on what is paused. */
import { DelayedError, Worker } from 'bullmq';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { COMPACT_QUEUE, type CompactJobData, CompactQueue } from '../../src/queue/compact-queue.ts';
import { PARK_MS, QueueControl } from '../../src/queue/pause.ts';
import { ReapQueue } from '../../src/queue/reap-queue.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const NOTE = { sinceMs: 5, by: 'host:1' };
const worlds: QueueWorld[] = [];
const closing: (() => Promise<unknown>)[] = [];
let world: QueueWorld;
let queue: CompactQueue;
let ledger: ReapQueue;
let control: QueueControl;

beforeEach(() => {
  world = openQueueWorld('control');
  worlds.push(world);
  const options = { connection: world.redis, prefix: world.prefix };
  queue = new CompactQueue({ ...options, jobTries: 3, retryDelayMs: 50 });
  ledger = new ReapQueue(options);
  closing.push(
    () => queue.close(),
    () => ledger.close(),
  );
  control = newControl();
});
afterAll(async () => {
  for (const close of closing) await close();
  for (const one of worlds) one.close();
});

function newControl(): QueueControl {
  return new QueueControl({
    connection: world.redis,
    prefix: world.prefix,
    compact: queue.queue,
    reap: ledger.queue,
  });
}

/** Parks what is paused, as the compact worker does; tells which inodes it took, and which it ran. */
function parkingWorker(beforeDelay: (fsId: number) => Promise<unknown> = async () => undefined) {
  const taken: string[] = [];
  const ran: string[] = [];
  const worker = new Worker<CompactJobData>(
    COMPACT_QUEUE,
    async (job, token) => {
      const { fsId, inodeId } = job.data;
      taken.push(`${fsId}/${inodeId}`);
      if (await control.isFilesystemPaused(fsId)) {
        const moveToDelayed = job.moveToDelayed.bind(job);
        job.moveToDelayed = async (...args) => {
          await beforeDelay(fsId);
          return moveToDelayed(...args);
        };
        await control.park(job, fsId, token);
        throw new DelayedError();
      }
      ran.push(`${fsId}/${inodeId}`);
    },
    { connection: world.blocking, prefix: world.prefix, concurrency: 4 },
  );
  closing.unshift(() => worker.close(true));
  return { taken, ran };
}

it('a paused file system stands in Redis, for whoever asks, until it is resumed', async () => {
  expect(await control.paused()).toEqual({ compact: false, reap: false, filesystems: [] });
  expect(await control.pauseFilesystem(7, NOTE)).toBe(true);
  expect(await control.pauseFilesystem(7, { sinceMs: 9, by: 'other' })).toBe(false);
  const later = newControl();
  expect(await later.paused()).toEqual({ compact: false, reap: false, filesystems: [{ fsId: 7, ...NOTE }] });
  expect(await later.isPaused(7)).toBe(true);
  expect(await later.isPaused(8)).toBe(false);
  expect(await later.resumeFilesystem(7)).toEqual({ resumed: true, jobs: 0 });
  expect(await later.resumeFilesystem(7)).toEqual({ resumed: false, jobs: 0 });
  expect(await control.isPaused(7)).toBe(false);
});

it('jobs of a paused file system are parked once each while the others run, and all come back at resume', async () => {
  await control.pauseFilesystem(1, NOTE);
  for (let n = 0n; n < 20n; n++) {
    await queue.enqueue({ fsId: 1, inodeId: n }, 'scan');
    await queue.enqueue({ fsId: 2, inodeId: n }, 'scan');
  }
  const worker = parkingWorker();
  await eventually('the others ran', async () => worker.ran.length === 20);
  // One that was taken is not parked yet.
  await eventually('all of it are parked', async () => (await queue.queue.getDelayedCount()) === 20);
  expect(worker.taken).toHaveLength(40);
  expect(worker.ran.every((key) => key.startsWith('2/'))).toBe(true);
  // The note of them outlives the last, which comes back by itself, and then goes.
  const noteMs = await world.redis.pttl(`${world.prefix}:parked:1`);
  expect(noteMs).toBeGreaterThan(PARK_MS);
  expect(noteMs).toBeLessThanOrEqual(2 * PARK_MS);
  // A parked inode is still in flight: it is not queued twice.
  const { requestedId, jobId } = await queue.enqueue({ fsId: 1, inodeId: 3n }, 'scan');
  expect(jobId).not.toBe(requestedId);
  expect(worker.taken).toHaveLength(40);
  expect(await control.resumeFilesystem(1)).toEqual({ resumed: true, jobs: 20 });
  await eventually('the parked ones ran', async () => worker.ran.length === 40);
  expect(new Set(worker.ran).size).toBe(40);
});

it('a job that is parked while somebody resumes comes back', async () => {
  await control.pauseFilesystem(1, NOTE);
  await queue.enqueue({ fsId: 1, inodeId: 1n }, 'scan');
  const isPaused = control.isFilesystemPaused.bind(control);
  let asked = 0;
  control.isFilesystemPaused = async (fsId) => {
    const paused = await isPaused(fsId);
    // Between the worker's look and its parking.
    if (asked++ === 0) await newControl().resumeFilesystem(fsId);
    return paused;
  };
  const worker = parkingWorker();
  await eventually('it ran', async () => worker.ran.length === 1);
});

it('so does one that was noted but not yet put aside when somebody resumes', async () => {
  await control.pauseFilesystem(1, NOTE);
  await queue.enqueue({ fsId: 1, inodeId: 1n }, 'scan');
  const resumed: unknown[] = [];
  const worker = parkingWorker(async (fsId) => resumed.push(await newControl().resumeFilesystem(fsId)));
  await eventually('it ran', async () => worker.ran.length === 1);
  // The resume saw the note, and could not bring back a job that was still active.
  expect(resumed).toEqual([{ resumed: true, jobs: 0 }]);
});

it('a resume that broke off is finished by the next one', async () => {
  await control.pauseFilesystem(1, NOTE);
  for (let n = 0n; n < 5n; n++) await queue.enqueue({ fsId: 1, inodeId: n }, 'scan');
  const worker = parkingWorker();
  await eventually('all are parked', async () => (await queue.queue.getDelayedCount()) === 5);
  await world.redis.hdel(`${world.prefix}:paused`, '1');
  expect(worker.ran).toEqual([]);
  expect(await control.resumeFilesystem(1)).toEqual({ resumed: false, jobs: 5 });
  await eventually('they ran', async () => worker.ran.length === 5);
});

it('pausing everything stops the compact queue, and the reap queue only where that is asked for', async () => {
  await control.pauseAll({ reap: false });
  await control.pauseFilesystem(3, NOTE);
  expect(await control.paused()).toMatchObject({ compact: true, reap: false });
  expect(await control.isPaused(1)).toBe(true);
  await queue.enqueue({ fsId: 1, inodeId: 1n }, 'command');
  const worker = parkingWorker();
  await control.pauseAll({ reap: true });
  expect(await control.paused()).toMatchObject({ compact: true, reap: true });
  expect(worker.taken).toEqual([]);
  await control.resumeAll();
  expect(await control.paused()).toEqual({ compact: false, reap: false, filesystems: [] });
  await eventually('it ran', async () => worker.ran.length === 1);
});
