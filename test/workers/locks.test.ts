/**
 * Job locks, on a real Redis: kept while the holder's loop is blocked for longer than they last, and let go when the
 * holder is dead; a lock that is lost cancels the run and hands nothing back that is another's (I9).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Queue, Worker } from 'bullmq';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { eventually, openQueueWorld, type QueueWorld } from '../queue/world.ts';

const CHILD = fileURLToPath(new URL('lock-child.ts', import.meta.url));
const LOCK_MS = 1_500;
const BLOCK_MS = 6_000;

describe('a loop that is blocked for four times as long as a lock lasts', () => {
  let world: QueueWorld;
  let queue: Queue;
  let other: Worker | undefined;
  let child: ChildProcess | undefined;
  const takenByOther: string[] = [];

  beforeEach(() => {
    world = openQueueWorld('locks');
    queue = new Queue('locks', { connection: world.redis, prefix: world.prefix });
    takenByOther.length = 0;
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

  /** The job is in the child's hands, whose loop is about to be blocked; another worker looks for stalled jobs. */
  async function takenByChild(kept: 'kept' | 'bare'): Promise<string[]> {
    const lines: string[] = [];
    const args = [CHILD, inject('redisUrl'), world.prefix, String(LOCK_MS), String(BLOCK_MS), kept];
    child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await queue.add('job', {}, { jobId: 'the-job' });
    await eventually('the child has the job', async () => lines.includes('taken'));
    other = new Worker('locks', async (job) => void takenByOther.push(job.id ?? ''), {
      ...{ connection: world.blocking, prefix: world.prefix, lockDuration: LOCK_MS },
      ...{ stalledInterval: LOCK_MS / 4, maxStalledCount: 100 },
    });
    return lines;
  }

  it('keeps its job: nobody else takes it, and it is done once', async () => {
    const lines = await takenByChild('kept');
    await eventually('the job is completed', () => queue.getJobState('the-job').then((state) => state === 'completed'));
    expect(lines).toEqual(['taken', 'done']);
    expect(takenByOther).toEqual([]);
    expect((await queue.getJob('the-job'))?.attemptsStarted).toBe(1);
  });

  it('loses it without the thread, which is what the test above would see', async () => {
    await takenByChild('bare');
    await eventually('somebody else has it', async () => takenByOther.length > 0);
  });

  it('a process that is stopped or killed keeps nothing: its thread stops with it', async () => {
    await takenByChild('kept');
    child?.kill('SIGSTOP');
    await eventually('somebody else has it', async () => takenByOther.length > 0);
    child?.kill('SIGCONT');
  });
});
