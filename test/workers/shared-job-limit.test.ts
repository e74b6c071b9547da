/** The bound on jobs of all workers: heeded by every worker, set again when it was lost, taken away by a setting of 0. */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import { COMPACT_QUEUE, CompactQueue } from '../../src/queue/compact-queue.ts';
import { keepTotalJobs } from '../../workers/shared-job-limit.ts';
import { eventually } from '../queue/world.ts';
import { uniquePrefix } from '../setup/isolation.ts';

const log = createLogger({ level: 'silent' });
let redis: Redis;
let queue: CompactQueue;
let prefix: string;
/** A connection to nowhere. */
let producer: Redis;
const workers: Worker[] = [];
/** Jobs that the workers of this test have under way. */
let inside = 0;
let most = 0;

beforeEach(() => {
  prefix = uniquePrefix('total-jobs');
  redis = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null });
  queue = new CompactQueue({ connection: redis, prefix, jobTries: 1, retryDelayMs: 1 });
  [inside, most] = [0, 0];
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.close();
  await queue.close();
  redis.disconnect();
});

function startWorkers(count: number): void {
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside--;
  };
  for (let n = 0; n < count; n++)
    workers.push(new Worker(COMPACT_QUEUE, work, { connection: redis, prefix, concurrency: 8 }));
}

function source(of: CompactQueue) {
  return { connection: of === queue ? redis : producer, prefix, queue: of };
}

async function runAll(first: number): Promise<void> {
  for (let n = 0; n < 24; n++) await queue.enqueue({ fsId: 1, inodeId: BigInt(first + n) }, 'scan');
  const left = () => queue.queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed');
  await eventually('all are done', async () => (await left()) === 0);
}

describe('--total-jobs', () => {
  it('is heeded by three workers that could do 24 at a time; with 0 they do', async () => {
    const bound = await keepTotalJobs({ totalJobs: 2 }, source(queue), { log });
    startWorkers(3);
    await runAll(0);
    expect(most).toBe(2);
    bound.stop();
    await keepTotalJobs({ totalJobs: 0 }, source(queue), { log });
    await runAll(100);
    expect(most).toBeGreaterThan(2);
  });

  it('is set again in a queue that lost it', async () => {
    const bound = await keepTotalJobs({ totalJobs: 3 }, source(queue), { log, lookEveryMs: 10 });
    await queue.queue.removeGlobalConcurrency();
    await eventually('it is there again', async () => (await queue.queue.getGlobalConcurrency()) === 3);
    bound.stop();
  });

  it('of a command or pod that is gone is taken away by the workers that set none', async () => {
    const workers = await keepTotalJobs({ totalJobs: 0 }, source(queue), { log, lookEveryMs: 10 });
    const job = await keepTotalJobs({ totalJobs: 1 }, source(queue), { log, lookEveryMs: 1_000 });
    expect(await queue.queue.getGlobalConcurrency()).toBe(1);
    job.stop();
    await eventually('it is gone', async () => (await queue.queue.getGlobalConcurrency()) === null);
    workers.stop();
  });

  it('of a command that is gone gives way to that of the workers, which keep to it while it stands', async () => {
    const workers = await keepTotalJobs({ totalJobs: 5 }, source(queue), { log, lookEveryMs: 10 });
    const job = await keepTotalJobs({ totalJobs: 1 }, source(queue), { log, lookEveryMs: 1_000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await queue.queue.getGlobalConcurrency()).toBe(1);
    job.stop();
    await eventually('it is five again', async () => (await queue.queue.getGlobalConcurrency()) === 5);
    workers.stop();
  });

  it('of a command that is gone does not bind a later command that sets none, where no worker runs', async () => {
    const dead = await keepTotalJobs({ totalJobs: 1 }, source(queue), { log, lookEveryMs: 10 });
    dead.stop();
    await eventually('nobody keeps it', async () => (await redis.exists(`${prefix}:total-jobs`)) === 0);
    expect(await queue.queue.getGlobalConcurrency()).toBe(1);
    const run = await keepTotalJobs({ totalJobs: 0 }, source(queue), { log, leavesOthers: true });
    expect(await queue.queue.getGlobalConcurrency()).toBe(null);
    run.stop();
  });

  it('of workers is left by a command that sets none, and goes when they have gone', async () => {
    const workers = await keepTotalJobs({ totalJobs: 2 }, source(queue), { log, lookEveryMs: 1_000 });
    const run = await keepTotalJobs({ totalJobs: 0 }, source(queue), { log, lookEveryMs: 10, leavesOthers: true });
    expect(await queue.queue.getGlobalConcurrency()).toBe(2);
    workers.stop();
    await eventually('it is gone', async () => (await queue.queue.getGlobalConcurrency()) === null);
    run.stop();
  });

  it('a queue that cannot be reached is reported as such', async () => {
    redis.disconnect();
    producer = new Redis({ port: 1, lazyConnect: true, enableOfflineQueue: false, maxRetriesPerRequest: 0 });
    producer.on('error', () => undefined);
    const away = new CompactQueue({ connection: producer, prefix, jobTries: 1, retryDelayMs: 1 });
    await expect(keepTotalJobs({ totalJobs: 3 }, source(away), { log })).rejects.toMatchObject({
      code: 'queue-unavailable',
    });
    producer.disconnect();
  });
});
