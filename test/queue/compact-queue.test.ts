/** The compact queue on real Redis: in-flight keys are never queued twice, and no request is lost (I9). */
import { Worker } from 'bullmq';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { InodeKey } from '../../src/model.ts';
import {
  COMMAND_PRIORITY,
  COMPACT_QUEUE,
  type CompactJobData,
  CompactQueue,
  inodeOfJob,
} from '../../src/queue/compact-queue.ts';
import { runNow } from '../../src/queue/wait-for-run.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const KEY: InodeKey = { fsId: 1, inodeId: 2n ** 63n + 5n };
const worlds: QueueWorld[] = [];
const closing: (() => Promise<unknown>)[] = [];
let world: QueueWorld;
let queue: CompactQueue;

beforeEach(() => {
  world = openQueueWorld('compact-queue');
  worlds.push(world);
  queue = new CompactQueue({ connection: world.redis, prefix: world.prefix, jobTries: 3, retryDelayMs: 50 });
  closing.push(() => queue.close());
});

afterAll(async () => {
  for (const close of closing) await close();
  for (const one of worlds) one.close();
});

/** A worker whose runs last until they are let go; tells how many ran at once of each key. */
function slowWorker(onRun: (key: InodeKey, run: number) => Promise<unknown>) {
  let runs = 0;
  const active = new Map<string, number>();
  let mostOfOneKey = 0;
  const worker = new Worker<CompactJobData>(
    COMPACT_QUEUE,
    async (job) => {
      const key = inodeOfJob(job.data);
      const id = job.data.inodeId;
      active.set(id, (active.get(id) ?? 0) + 1);
      mostOfOneKey = Math.max(mostOfOneKey, active.get(id) ?? 0);
      try {
        return await onRun(key, ++runs);
      } finally {
        active.set(id, (active.get(id) ?? 0) - 1);
      }
    },
    { connection: world.blocking, prefix: world.prefix, concurrency: 8 },
  );
  closing.unshift(() => worker.close(true));
  return { runs: () => runs, mostOfOneKey: () => mostOfOneKey };
}

describe('in-flight de-duplication', () => {
  it('a waiting key is not queued twice', async () => {
    const first = await queue.enqueue(KEY, 'scan');
    const second = await queue.enqueue(KEY, 'command');
    expect(first.jobId).toBe(first.requestedId);
    expect(second.jobId).toBe(first.jobId);
    expect(await queue.queue.getJobCountByTypes('waiting', 'prioritized', 'delayed')).toBe(1);
    expect(await queue.jobIdOf(KEY)).toBe(first.jobId);
  });

  it('a request during a run gives exactly one more run, never two at once', async () => {
    const gate = Promise.withResolvers<void>();
    const worker = slowWorker(async (_key, run) => (run === 1 ? gate.promise : undefined));
    await queue.enqueue(KEY, 'scan');
    await eventually('the first run starts', async () => worker.runs() === 1);
    for (let n = 0; n < 5; n++) await queue.enqueue(KEY, 'scan');
    gate.resolve();
    await eventually('the key leaves the queue', async () => (await queue.jobIdOf(KEY)) === null);
    expect(worker.runs()).toBe(2);
    expect(worker.mostOfOneKey()).toBe(1);
  });

  it('many producers over few keys: never two active, and every key runs after its last request', async () => {
    const lastRun = new Map<bigint, number>();
    const lastAsk = new Map<bigint, number>();
    let tick = 0;
    const worker = slowWorker(async (key) => {
      lastRun.set(key.inodeId, ++tick);
      await new Promise((resolve) => setImmediate(resolve));
    });
    const other = new CompactQueue({ connection: world.redis, prefix: world.prefix, jobTries: 3, retryDelayMs: 50 });
    closing.unshift(() => other.close());
    const ask = async (from: CompactQueue, inodeId: bigint) => {
      lastAsk.set(inodeId, ++tick);
      await from.enqueue({ fsId: 1, inodeId }, 'scan');
    };
    for (let n = 0; n < 400; n++) {
      await Promise.all([ask(queue, BigInt(n % 7)), ask(other, BigInt((n * 3) % 7))]);
    }
    await eventually('the queue is empty', async () => {
      return (await queue.queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed')) === 0;
    });
    expect(worker.mostOfOneKey()).toBe(1);
    for (const [inodeId, asked] of lastAsk) expect(lastRun.get(inodeId)).toBeGreaterThan(asked);
  });

  it('serves a command before a scan before a continuation', async () => {
    const order: string[] = [];
    await queue.enqueue({ fsId: 1, inodeId: 1n }, 'continuation');
    await queue.enqueue({ fsId: 1, inodeId: 2n }, 'scan');
    await queue.enqueue({ fsId: 1, inodeId: 3n }, 'command');
    const worker = new Worker<CompactJobData>(COMPACT_QUEUE, async (job) => void order.push(job.data.origin), {
      connection: world.blocking,
      prefix: world.prefix,
    });
    closing.unshift(() => worker.close(true));
    await eventually('all three ran', async () => order.length === 3);
    expect(order).toEqual(['command', 'scan', 'continuation']);
  });
});

describe('runNow: the first run that starts after the request', () => {
  const wait = () => ({ queue, clock: systemClock, timeoutMs: 20_000 });

  it('waits for its own job when the key was not queued', async () => {
    slowWorker(async () => ({ answer: 42 }));
    expect(await runNow(KEY, wait())).toMatchObject({ kind: 'completed', value: { answer: 42 } });
  });

  it('raises the priority of a key that waits already and waits for that run', async () => {
    const first = await queue.enqueue(KEY, 'continuation');
    const seen = runNow(KEY, wait());
    await eventually('the priority is raised', async () => {
      return (await queue.queue.getJob(first.jobId))?.priority === COMMAND_PRIORITY;
    });
    slowWorker(async () => 'done');
    expect(await seen).toMatchObject({ kind: 'completed', jobId: first.jobId, value: 'done' });
  });

  it('takes a key out of its back-off', async () => {
    const slow = new CompactQueue({
      connection: world.redis,
      prefix: world.prefix,
      jobTries: 3,
      retryDelayMs: 3_600_000,
    });
    closing.unshift(() => slow.close());
    slowWorker(async (_key, run) => {
      if (run === 1) throw new Error('later');
      return 'second try';
    });
    const { jobId } = await slow.enqueue(KEY, 'scan');
    await eventually('the first try failed', async () => (await queue.queue.getJob(jobId))?.isDelayed());
    expect(await runNow(KEY, wait())).toMatchObject({ kind: 'completed', jobId, value: 'second try' });
  });

  it('a run that was under way does not count', async () => {
    const gate = Promise.withResolvers<void>();
    const worker = slowWorker(async (_key, run) => {
      if (run === 1) await gate.promise;
      return run;
    });
    await queue.enqueue(KEY, 'scan');
    await eventually('the first run starts', async () => worker.runs() === 1);
    const seen = runNow(KEY, wait());
    const other = runNow(KEY, wait());
    await eventually(
      'the request is stored',
      async () => (await world.redis.keys(`${world.prefix}:compact:dn:*`)).length > 0,
    );
    gate.resolve();
    // Two requests share the next run, or one of them asks for a run of its own; none takes the first.
    for (const ending of [await seen, await other]) {
      expect(ending).toMatchObject({ kind: 'completed' });
      expect(ending.kind === 'completed' && Number(ending.value)).toBeGreaterThan(1);
    }
  });

  it('tells the first failed try, and whether another follows', async () => {
    const seen = Promise.withResolvers<void>();
    let tries = 0;
    slowWorker(async () => {
      // Without it the last try may be over before somebody looks.
      if (tries++ > 0) await seen.promise;
      throw new Error('no bucket');
    });
    try {
      expect(await runNow(KEY, wait())).toMatchObject({ kind: 'failed', final: false, message: 'no bucket' });
    } finally {
      seen.resolve();
    }
  });

  it('a run that ends between the look at its state and the look at the job is reported as it ended', async () => {
    slowWorker(async () => 'done');
    const getJobState = queue.queue.getJobState.bind(queue.queue);
    vi.spyOn(queue.queue, 'getJobState').mockImplementationOnce(async (jobId) => {
      const ended = async () => (await getJobState(jobId)) === 'completed';
      await eventually('the run ends', ended);
      return 'active';
    });
    expect(await runNow(KEY, wait())).toMatchObject({ kind: 'completed', value: 'done' });
  });

  it('ends at its deadline while the job stays queued', async () => {
    const seen = await runNow(KEY, { ...wait(), timeoutMs: 50 });
    expect(seen).toMatchObject({ kind: 'timed-out', state: 'prioritized' });
    expect(await queue.jobIdOf(KEY)).not.toBeNull();
  });
});

it('refuses a job that names no inode', () => {
  for (const data of [
    null,
    {},
    { fsId: 1 },
    { fsId: 1, inodeId: 5 },
    { fsId: -1, inodeId: '5' },
    { fsId: 1, inodeId: '-5' },
  ]) {
    expect(() => inodeOfJob(data)).toThrow(/does not name an inode/);
  }
});
