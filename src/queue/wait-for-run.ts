/**
 * Waiting for the first run of an inode that starts after a request (`s3compact inode`). By polling, since a poll
 * survives a lost connection and a missed event alike. It must not run anything itself.
 */

import type { Job, Queue } from 'bullmq';
import type { Clock } from '../clock.ts';
import { throwIfCancelled } from '../errors.ts';
import type { InodeKey } from '../model.ts';
import { later, type MonotonicMs } from '../time.ts';
import { queueCall } from './bullmq.ts';
import { COMMAND_PRIORITY, type CompactJobData, type CompactQueue, type Enqueued } from './compact-queue.ts';

const POLL_MS = 200;
const STOPPED = 'stopped waiting; the inode stays queued';

/** How the run ended, as BullMQ keeps it. */
export type RunSeen =
  | { readonly kind: 'completed'; readonly jobId: string; readonly value: unknown }
  /** The first try failed; `final` tells that no further try follows. */
  | {
      readonly kind: 'failed';
      readonly jobId: string;
      readonly final: boolean;
      readonly message: string;
      readonly progress: unknown;
    }
  | { readonly kind: 'timed-out'; readonly jobId: string; readonly state: string };

interface WaitOptions {
  readonly queue: CompactQueue;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Called with the state and progress of the job whenever they are read. */
  readonly onPoll?: (state: string, progress: unknown) => void;
  readonly signal?: AbortSignal;
}

/** Queues an inode at top priority and waits for the first run that starts after this call. */
export async function runNow(key: InodeKey, options: WaitOptions): Promise<RunSeen> {
  const deadlineMs = later(options.clock.monotonicMs(), options.timeoutMs);
  const { queue } = options;
  let enqueued = await queue.enqueue(key, 'command');
  for (;;) {
    const jobId = await servingJob(key, enqueued, { ...options, deadlineMs });
    if (jobId !== null) {
      await hurry(queue.queue, jobId);
      const own = jobId === enqueued.requestedId;
      const seen = await awaitJob(jobId, { ...options, deadlineMs, triesBefore: own ? 0 : undefined });
      if (seen.kind !== 'gone') return seen;
    }
    // The run that was under way ended, and what followed it, or our job, is gone from sight: a second run does no harm.
    enqueued = await queue.enqueue(key, 'command');
    if (options.clock.monotonicMs() >= deadlineMs)
      return { kind: 'timed-out', jobId: enqueued.jobId, state: 'waiting' };
    throwIfCancelled(options.signal, STOPPED);
    await options.clock.sleep(POLL_MS);
  }
}

type Deadlined = WaitOptions & {
  readonly deadlineMs: MonotonicMs;
  /** Tries that were over before the request; absent: what the first look finds. */
  readonly triesBefore?: number;
};

/** What a look at one job came to; `gone`: the queue does not keep it any more. */
type JobSeen = RunSeen | { readonly kind: 'gone' };

/** The id of the job whose run starts after the request; `null` when that cannot be known any more. */
async function servingJob(key: InodeKey, enqueued: Enqueued, options: Deadlined): Promise<string | null> {
  const { requestedId, jobId } = enqueued;
  if (jobId === requestedId) return jobId;
  const { queue } = options.queue;
  const state = await queueCall('look at a job', async () => (await queue.getJob(jobId))?.getState());
  // Waiting or delayed: its next run is still to come. Active: it may have started before the request.
  if (state !== undefined && state !== 'active' && state !== 'completed' && state !== 'failed') return jobId;
  const active = await awaitJob(jobId, options);
  // A failed try leaves the same job waiting for its next one, which starts after the request.
  if (active.kind === 'timed-out' || (active.kind === 'failed' && !active.final)) return jobId;
  if ((await queueCall('look at a job', () => queue.getJob(requestedId))) !== undefined) return requestedId;
  const next = await options.queue.jobIdOf(key);
  return next === jobId ? null : next;
}

/** To the front of the queue, and out of a back-off. */
export async function hurry(queue: Queue<CompactJobData>, jobId: string): Promise<void> {
  await queueCall('raise the priority of an inode', async () => {
    const job = await queue.getJob(jobId);
    const state = await job?.getState();
    if (job === undefined) return;
    if (state === 'prioritized' || state === 'waiting') await job.changePriority({ priority: COMMAND_PRIORITY });
    else if (state === 'delayed') {
      await job.changePriority({ priority: COMMAND_PRIORITY });
      await job.promote().catch(() => undefined);
    }
  });
}

async function awaitJob(jobId: string, options: Deadlined): Promise<JobSeen> {
  const { queue } = options.queue;
  let { triesBefore } = options;
  for (;;) {
    // The state first: a job that was read before it ended does not hold its result.
    const state = await queueCall('look at a job', () => queue.getJobState(jobId));
    const job = await queueCall('look at a job', () => queue.getJob(jobId));
    if (job === undefined) return { kind: 'gone' };
    options.onPoll?.(state, job.progress);
    triesBefore ??= job.attemptsMade;
    const seen = endingOf(job, state, triesBefore);
    if (seen !== null) return seen;
    if (state === 'unknown' || state === 'active') await options.queue.giveBack([jobId]);
    if (options.clock.monotonicMs() >= options.deadlineMs) return { kind: 'timed-out', jobId, state };
    throwIfCancelled(options.signal, STOPPED);
    await options.clock.sleep(POLL_MS);
  }
}

function endingOf(job: Job<CompactJobData>, state: string, triesBefore: number): RunSeen | null {
  const jobId = job.id ?? '';
  if (state === 'completed') return { kind: 'completed', jobId, value: job.returnvalue };
  // It has ended since its state was read, nobody knows how; the next look tells.
  if (state !== 'failed' && job.finishedOn !== undefined) return null;
  const failedTry = job.attemptsMade > triesBefore || state === 'failed';
  if (!failedTry) return null;
  return { kind: 'failed', jobId, final: state === 'failed', message: job.failedReason ?? '', progress: job.progress };
}
