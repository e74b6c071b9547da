/** A job whose processes died too often, on a real queue: it is counted and logged when BullMQ gives it up. */
import { Worker } from 'bullmq';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import { COMPACT_QUEUE, type CompactJobData } from '../../src/queue/compact-queue.ts';
import { connectRedis } from '../../src/redis/client.ts';
import type { Clients } from '../../src/wiring/clients.ts';
import type { RunningWorker } from '../../workers/running.ts';
import { startWorker } from '../../workers/worker.ts';
import { clientsOf, E2eWorld } from '../e2e/world.ts';
import { eventually } from '../queue/world.ts';

const KEY = { fsId: 1, inodeId: 7n };
let world: E2eWorld;
let clients: Clients;
let running: RunningWorker | undefined;

beforeEach(async () => {
  world = await E2eWorld.open('given-up');
  // Counted is only what somebody could get.
  clients = await clientsOf({ ...world.env, S3COMPACT_METRICS_PORT: '1' });
});
afterEach(async () => {
  await running?.stop();
  await clients.close();
  await world.close();
});

/** A job that a worker which died had in work: its lock ran out, as ten times before. */
async function stallAgain(jobId: string): Promise<void> {
  const { queue } = clients.queue;
  const { connection } = clients.status;
  const { redisUrl, queuePrefix: prefix } = clients.settings;
  const blocking = connectRedis(redisUrl, { profile: 'worker', timeoutMs: 10_000 });
  const dead = new Worker(COMPACT_QUEUE, null, { connection: blocking, prefix });
  await dead.getNextJob('token');
  await dead.close();
  blocking.disconnect();
  await connection.del(queue.toKey(`${jobId}:lock`));
  await connection.hset(queue.toKey(jobId), 'stc', 10);
  await connection.sadd(queue.toKey('stalled'), jobId);
}

/** The line of the log, once a worker has met the job. */
async function givenUp(): Promise<Record<string, unknown>> {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  running = startWorker(clients, createLogger({ level: 'warn', destination }));
  await eventually('it was given up', async () => (await clients.queue.queue.getFailedCount()) === 1);
  return eventually('the log says so', async () => lines.find(({ event }) => event === 'job.failed'));
}

it('is counted, and an error in the log names its inode', async () => {
  const { jobId } = await clients.queue.enqueue(KEY, 'scan');
  await stallAgain(jobId);
  const line = await givenUp();
  expect(line).toMatchObject({ level: 'error', msg: 'the job was given up', fsId: 1, inodeId: '7', jobId });
  expect(line['err']).toMatchObject({ message: expect.stringContaining('stalled') });
  expect(await clients.observer.metrics?.text()).toMatch(/^s3compact_jobs_given_up_total 1$/m);
});

it('is logged, too, when it names no inode', async () => {
  await clients.queue.queue.add('inode', {} as CompactJobData, { jobId: 'foreign' });
  await stallAgain('foreign');
  expect(await givenUp()).toMatchObject({ level: 'error', msg: 'the job was given up', jobId: 'foreign' });
});
