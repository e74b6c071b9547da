/**
 * What the queues are asked by those who watch: `s3compact status` and the metrics, so that both tell the same. Every
 * answer is a few bounded reads, whatever is in the queues; each function stands for itself and changes nothing.
 */

import type { Job, Queue } from 'bullmq';
import { z } from 'zod';
import { wallMs } from '../time.ts';
import { type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys } from './bullmq-keys.ts';
import type { CompactQueue } from './compact-queue.ts';
import type { ReapQueue } from './reap-queue.ts';
import { effectOf } from './run-counter.ts';

/** The queues and their clock. */
export interface StatusSource extends QueueOptions {
  readonly queue: Pick<CompactQueue, 'queue'>;
  readonly ledger: Pick<ReapQueue, 'queue' | 'nowMs'>;
}

export interface QueueDepth {
  readonly name: string;
  /** Could be taken by a worker now. */
  readonly waiting: number;
  readonly active: number;
  /** Waits for a time: a retry, a parked job, a reap record that is not due. */
  readonly delayed: number;
  readonly failed: number;
  readonly paused: boolean;
  /** Jobs that all workers together may run at a time; `null`: no bound. */
  readonly jobsMax: number | null;
  /** How long the oldest of the waiting jobs that were looked at (some hundreds at both ends) has waited; 0: none waits. */
  readonly oldestWaitingMs: number;
}

/** Jobs at each end of a queue that are looked at for their age. */
const AGE_SAMPLE = 100;

type Counts = Pick<QueueDepth, 'waiting' | 'active' | 'delayed' | 'failed'>;

async function countsOf(queue: Pick<Queue, 'getJobCounts'>): Promise<Counts> {
  const counts = await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed');
  const { wait = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
  return { waiting: wait + prioritized, active, delayed, failed };
}

/** Depth and age of the compact and the reap queue. */
export async function queueDepths(source: StatusSource): Promise<readonly QueueDepth[]> {
  const nowMs = wallMs(await source.ledger.nowMs());
  return Promise.all([source.queue.queue, source.ledger.queue].map((queue) => depthOf(queue as Queue, source, nowMs)));
}

async function depthOf(queue: Queue, { connection }: StatusSource, nowMs: number): Promise<QueueDepth> {
  return queueCall('ask for the depth of a queue', async () => {
    const [counts, paused, jobsMax, oldest] = await Promise.all([
      countsOf(queue),
      queue.isPaused(),
      queue.getGlobalConcurrency(),
      oldestWaiting(new BullmqKeys(connection, queue)),
    ]);
    const oldestWaitingMs = oldest === null ? 0 : Math.max(0, nowMs - oldest);
    return { name: queue.name, ...counts, paused, jobsMax, oldestWaitingMs };
  });
}

/** When the oldest of the waiting jobs at both ends was made; the order of a queue is not that of age. */
async function oldestWaiting(keys: BullmqKeys): Promise<number | null> {
  const times = await keys.madeAt(AGE_SAMPLE);
  return times.length === 0 ? null : Math.min(...times);
}

export interface ReapBacklog {
  /** Records that are not done. */
  readonly pending: number;
  /** Those that are due, and were not looked at yet. */
  readonly due: number;
  /** Those of them that have been due for longer than `OVERDUE_MS`: nobody reaps, or not fast enough. */
  readonly overdue: number;
  /** For how long the first of them has been due, ms; 0 when none is. */
  readonly oldestDueMs: number;
}

/** A record that is due is looked at within moments where a worker is free. */
export const OVERDUE_MS = 5 * 60 * 1000;

/** How reaping keeps up. */
export async function reapBacklog(source: StatusSource): Promise<ReapBacklog> {
  const nowMs = wallMs(await source.ledger.nowMs());
  const { queue } = source.ledger;
  const keys = new BullmqKeys(source.connection, queue);
  return queueCall('ask how reaping keeps up', async () => {
    const [{ waiting, active, delayed, failed }, due, overdue, [first], oldest] = await Promise.all([
      countsOf(queue),
      queue.getDelayedCount(nowMs),
      queue.getDelayedCount(nowMs - OVERDUE_MS),
      keys.firstDue(1),
      oldestWaiting(keys),
    ]);
    const oldestDueMs = Math.max(0, nowMs - (first?.dueMs ?? nowMs), oldest === null ? 0 : nowMs - oldest);
    return {
      pending: waiting + active + delayed + failed,
      due: due + waiting,
      overdue: overdue + (oldest !== null && nowMs - oldest > OVERDUE_MS ? waiting : 0),
      oldestDueMs: due + waiting === 0 ? 0 : oldestDueMs,
    };
  });
}

/** What a run waits for at a moment. */
const waitSchema = z.object({
  /** worker: nobody holds its lock; a worker takes it soon. server: work is held until a server is back. ids: new ones age. */
  for: z.enum(['limit', 'memory', 's3', 'ids', 'metadata', 'server', 'worker']),
  what: z.string(),
  forMs: z.number().optional(),
});
const progressSchema = z.object({ waits: waitSchema });

export type JobWait = Readonly<z.infer<typeof waitSchema>>;

export interface JobInFlight {
  readonly jobId: string;
  readonly fsId: number;
  readonly inodeId: string;
  readonly origin: string;
  /** Since a worker took it. */
  readonly ageMs: number;
  /** What the worker says, as it is. */
  readonly progress: unknown;
  /** `null`: it works. */
  readonly waits: JobWait | null;
}

/** Jobs that are reported at most. */
const IN_FLIGHT_MAX = 200;

/** Jobs of the compact queue that are being worked on, oldest first; at most some hundreds. */
export async function jobsInFlight(source: StatusSource): Promise<readonly JobInFlight[]> {
  const nowMs = wallMs(await source.ledger.nowMs());
  const { queue } = source.queue;
  return queueCall('list what is being worked on', async () => {
    const jobs = (await queue.getActive(0, IN_FLIGHT_MAX - 1)).filter((job) => job !== undefined && job !== null);
    const lockless = await new BullmqKeys(source.connection, queue as Queue).lockless(jobs.map((job) => job.id ?? ''));
    return jobs
      .map((job) => ({
        jobId: job.id ?? '',
        fsId: job.data.fsId,
        inodeId: job.data.inodeId,
        origin: job.data.origin,
        ageMs: Math.max(0, nowMs - (job.processedOn ?? nowMs)),
        progress: job.progress,
        waits: lockless.has(job.id ?? '') ? LOCKLESS : (progressSchema.safeParse(job.progress).data?.waits ?? null),
      }))
      .toSorted((a, b) => b.ageMs - a.ageMs);
  });
}

const LOCKLESS: JobWait = {
  for: 'worker',
  what: 'nobody holds its lock (the one that had it is gone); another takes it over by itself',
};

/** What ended lately, as far as ended jobs are kept. */
export interface RecentRuns {
  readonly windowMs: number;
  readonly runs: number;
  readonly bytesMoved: number;
  readonly getsSaved: number;
}

const RECENT_WINDOW_MS = 60_000;
/** Ended jobs that are read at most; with more the sums are too small, never too large. */
const RECENT_MAX = 500;

/** The speed of the last minute, by the results of ended runs. */
export async function recentRuns(source: StatusSource): Promise<RecentRuns> {
  const sinceMs = wallMs(await source.ledger.nowMs()) - RECENT_WINDOW_MS;
  const jobs: Job[] = await queueCall('list what ended', () => source.queue.queue.getCompleted(0, RECENT_MAX - 1));
  let [runs, bytesMoved, getsSaved] = [0, 0, 0];
  for (const job of jobs) {
    if ((job?.finishedOn ?? 0) < sinceMs) continue;
    runs++;
    const effect = effectOf(job.returnvalue);
    bytesMoved += effect.bytesMoved;
    getsSaved += effect.getsSaved;
  }
  return { windowMs: RECENT_WINDOW_MS, runs, bytesMoved, getsSaved };
}

/** Worker processes that are connected to the compact queue; `null` where the server does not tell its clients. */
export async function workersConnected(source: StatusSource): Promise<number | null> {
  return queueCall('count the workers', () => source.queue.queue.getWorkersCount()).catch(() => null);
}
