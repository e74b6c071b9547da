/** Pause and resume on real Redis: they survive their makers, lose no job, and nobody spins on what is paused. */
import { DelayedError, type Job, Worker } from 'bullmq';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { COMPACT_QUEUE, type CompactJobData, CompactQueue } from '../../src/queue/compact-queue.ts';
import { PARK_MS, QueueControl } from '../../src/queue/pause.ts';
import { ReapQueue } from '../../src/queue/reap-queue.ts';
import { everyOrder, type Gate } from './every-order.ts';
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
function parkingWorker() {
  const taken: string[] = [];
  const ran: string[] = [];
  const parked: string[] = [];
  const worker = new Worker<CompactJobData>(
    COMPACT_QUEUE,
    async (job, token) => {
      const { fsId, inodeId } = job.data;
      taken.push(`${fsId}/${inodeId}`);
      if (await control.isFilesystemPaused(fsId)) {
        await control.park(job, fsId, token);
        parked.push(`${fsId}/${inodeId}`);
        throw new DelayedError();
      }
      ran.push(`${fsId}/${inodeId}`);
    },
    { connection: world.blocking, prefix: world.prefix, concurrency: 4 },
  );
  closing.unshift(() => worker.close(true));
  return { taken, ran, parked };
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
  await eventually('all of it are parked', async () => worker.parked.length === 20);
  expect(worker.taken).toHaveLength(40);
  expect(worker.ran.every((key) => key.startsWith('2/'))).toBe(true);
  // The note of them outlives the last, which comes back by itself, and then goes.
  const noteMs = await world.redis.pttl(`${world.prefix}:parked-jobs:1`);
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

/** A control that waits at the gate before each of its commands; `gated` makes a job do so. */
function gatedControl(gate: Gate): QueueControl {
  const connection = gatedAt(gate, world.redis, ['hgetall', 'hdel', 'hexists', 'hsetnx', 'eval'], {
    multi: () => {
      const step = world.redis.multi();
      return Object.assign(step, { exec: before(gate, step.exec.bind(step)) });
    },
  });
  const getJob = async (id: string) => {
    const job = await queue.queue.getJob(id);
    return job && gated(gate, job);
  };
  const compact = gatedAt(gate, queue.queue, [], { getJob });
  return new QueueControl({ connection, prefix: world.prefix, compact, reap: ledger.queue });
}

function gated(gate: Gate, job: Job<CompactJobData>): Job<CompactJobData> {
  return gatedAt(gate, job, ['promote', 'moveToDelayed']);
}

function before<Args extends unknown[], Answer>(gate: Gate, call: (...args: Args) => Promise<Answer>) {
  return async (...args: Args): Promise<Answer> => {
    await gate();
    return call(...args);
  };
}

/** The same object, whose methods of these names wait at the gate first. */
function gatedAt<T extends object>(gate: Gate, target: T, names: readonly (keyof T)[], others: object = {}): T {
  const methods = names.map((name) => [name, before(gate, (target[name] as () => Promise<unknown>).bind(target))]);
  return Object.setPrototypeOf({ ...Object.fromEntries(methods), ...others }, target);
}

const ungated: Gate = async () => undefined;

type Take = () => Promise<Job<CompactJobData> | undefined>;

/** A worker that is served by hand. */
function hand(): Take {
  const worker = new Worker<CompactJobData>(COMPACT_QUEUE, null, {
    connection: world.blocking,
    prefix: world.prefix,
  });
  closing.unshift(() => worker.close(true));
  return () => worker.getNextJob('token', { block: false });
}

/** A job of a paused file system, in work. */
async function taken(take: Take) {
  await control.pauseFilesystem(1, NOTE);
  const { jobId } = await queue.enqueue({ fsId: 1, inodeId: 1n }, 'scan');
  const job = await take();
  if (job === undefined) throw new Error('no job');
  /** It has run, or waits for a worker, or the next resume brings it there. */
  const check = async () => {
    if (await control.isFilesystemPaused(1)) await control.resumeFilesystem(1);
    expect(await queue.queue.getJobState(jobId)).toMatch(/^(completed|prioritized)$/);
    await queue.queue.remove(jobId);
  };
  return { job, check };
}

describe('a job that is parked is never left behind, in no order of the commands of', () => {
  it.each([false, true])('the worker and a resume; a pause follows: %s', async (pauses) => {
    const take = hand();
    const orders = await everyOrder(2, async ([worker = ungated, person = ungated]) => {
      const { job, check } = await taken(take);
      const park = () => gatedControl(worker).park(gated(worker, job), 1, 'token');
      const resume = async () => {
        const persons = gatedControl(person);
        await persons.resumeFilesystem(1);
        if (pauses) await persons.pauseFilesystem(1, NOTE);
      };
      return { acts: [park, resume], check };
    });
    expect(orders).toBeGreaterThan(50);
  });

  it('a resume, the pause of another person, and a worker that takes it again and parks it again', async () => {
    const take = hand();
    const orders = await everyOrder(3, async ([worker = ungated, person = ungated, another = ungated]) => {
      const { job, check } = await taken(take);
      await control.park(job, 1, 'token');
      const work = async () => {
        const workers = gatedControl(worker);
        await worker();
        const again = await take();
        if (again === undefined) return;
        if (await workers.isFilesystemPaused(1)) await workers.park(gated(worker, again), 1, 'token');
        else await again.moveToCompleted('ran', 'token', false);
      };
      const resume = () => gatedControl(person).resumeFilesystem(1);
      const pause = () => gatedControl(another).pauseFilesystem(1, NOTE);
      return { acts: [work, resume, pause], check };
    });
    expect(orders).toBeGreaterThan(50);
  });
});

it('a resume that broke off is finished by the next one', async () => {
  await control.pauseFilesystem(1, NOTE);
  for (let n = 0n; n < 5n; n++) await queue.enqueue({ fsId: 1, inodeId: n }, 'scan');
  const worker = parkingWorker();
  // One that still looks whether somebody has resumed would bring them back itself.
  await eventually('all are parked', async () => worker.parked.length === 5);
  await world.redis.hdel(`${world.prefix}:paused`, '1');
  expect(worker.ran).toEqual([]);
  expect(await control.resumeFilesystem(1)).toEqual({ resumed: false, jobs: 5 });
  await eventually('they ran', async () => worker.ran.length === 5);
});

it('a resume that meets a job in the hand of a worker that dies is finished by the next one', async () => {
  const take = hand();
  const { job } = await taken(take);
  await control.pauseFilesystem(1, NOTE);
  await world.redis.hset(`${world.prefix}:parked-jobs:1`, job.id ?? '', job.attemptsStarted);
  expect(await control.resumeFilesystem(1)).toEqual({ resumed: true, jobs: 0 });
  await job.moveToDelayed(Date.now() + 3_600_000, 'token');
  expect(await control.resumeAll()).toEqual({ filesystems: [1], jobs: 1 });
  expect(await control.resumeAll()).toEqual({ filesystems: [], jobs: 0 });
});

it('a job that waits after its hour keeps no note, and whoever parks brings back its own job alone', async () => {
  const take = hand();
  const { job } = await taken(take);
  const parked = `${world.prefix}:parked-jobs:1`;
  await control.pauseFilesystem(1, NOTE);
  await control.park(job, 1, 'token');
  await job.promote();
  expect(await control.resumeFilesystem(1)).toEqual({ resumed: true, jobs: 0 });
  expect(await world.redis.hlen(parked)).toBe(0);
  const again = await take();
  if (again === undefined) throw new Error('no job');
  await world.redis.hset(parked, 'gone', 1);
  await control.park(again, 1, 'token');
  expect(await world.redis.hgetall(parked)).toEqual({ gone: '1' });
  expect(await again.getState()).toBe('prioritized');
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
