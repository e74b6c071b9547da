/**
 * Job locks, on a real Redis: a holder whose loop is blocked for longer than they last loses its job to another worker,
 * and what it does with the job after that changes nothing (I9).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Queue, Worker } from 'bullmq';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { eventually, openQueueWorld, type QueueWorld } from '../queue/world.ts';

const CHILD = fileURLToPath(new URL('lock-child.ts', import.meta.url));
const LOCK_MS = 500;
const BLOCK_MS = 4_000;

let world: QueueWorld;
let queue: Queue;
let other: Worker | undefined;
let child: ChildProcess | undefined;

beforeEach(() => {
  world = openQueueWorld('locks');
  queue = new Queue('locks', { connection: world.redis, prefix: world.prefix });
});
afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await other?.close();
  await queue.close();
  world.close();
});

it('I9: a loop that is blocked for eight times as long as a lock lasts costs a second run, and the job ends once', async () => {
  const lines: string[] = [];
  const args = [CHILD, inject('redisUrl'), world.prefix, String(LOCK_MS), String(BLOCK_MS)];
  child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await queue.add('job', {}, { jobId: 'the-job' });
  await eventually('the child has the job', async () => lines.includes('taken'));
  other = new Worker('locks', async () => 'by another', {
    connection: world.blocking,
    prefix: world.prefix,
    lockDuration: 60_000,
    stalledInterval: LOCK_MS / 4,
    maxStalledCount: 100,
  });
  await eventually('somebody else has done it', async () => (await queue.getCompletedCount()) === 1);
  await eventually('the child wanted to end it', async () => lines.includes('done') && lines.includes('refused'));
  const job = await queue.getJob('the-job');
  expect(job).toMatchObject({ returnvalue: 'by another', attemptsStarted: 2 });
  expect(await queue.getJobCounts('completed', 'active', 'failed')).toEqual({ completed: 1, active: 0, failed: 0 });
});
