/**
 * Lists for those who watch: jobs that failed, jobs that wait for a time, reap records that are overdue or in doubt, each
 * with its reason and its next try. It stands apart from the counts (status.ts) since only those who look at lists ask it.
 * Every list is bounded, whatever is in the queues; nothing is changed.
 */

import type { Job, Queue } from 'bullmq';
import { z } from 'zod';
import type { InodeKey } from '../model.ts';
import { wallMs } from '../time.ts';
import { queueCall } from './bullmq.ts';
import { BullmqKeys } from './bullmq-keys.ts';
import type { CompactJobData } from './compact-queue.ts';
import type { ReapJobData } from './reap-queue.ts';
import { OVERDUE_MS, type StatusSource } from './status.ts';

/** A part of a list; the counts are of all. */
interface ListPart {
  readonly from: number;
  readonly most: number;
}

const FIRST: ListPart = { from: 0, most: 100 };

export interface ListedJob {
  readonly jobId: string;
  readonly fsId: number;
  readonly inodeId: string;
  readonly origin: string;
  /** Tries that were charged. */
  readonly tries: number;
  /** Why it failed, or waits; absent: nobody has said. */
  readonly reason?: string;
  readonly code?: string;
  /** When its last try ended; absent: none has. */
  readonly endedMs?: number;
  /** When it is taken again; absent: never by itself. */
  readonly nextMs?: number;
}

export interface JobList {
  readonly total: number;
  /** The newest failures, or what is due first; some hundred at most. */
  readonly jobs: readonly ListedJob[];
}

/** Jobs that were given up; they are kept for a week; a scan queues their inodes again where that is worth it. */
export async function failedJobs({ queue: { queue } }: StatusSource, { from, most } = FIRST): Promise<JobList> {
  return queueCall('list the failed jobs', async () => {
    const [total, jobs] = await Promise.all([queue.getFailedCount(), queue.getFailed(from, from + most - 1)]);
    return { total, jobs: jobs.filter(isThere).map((job) => listed(job)) };
  });
}

/** Jobs that wait for a time: a retry, an outage, a second look, a paused file system. */
export async function delayedJobs(
  { queue: { queue }, connection }: StatusSource,
  { from, most } = FIRST,
): Promise<JobList> {
  return queueCall('list the delayed jobs', async () => {
    const due = await new BullmqKeys(connection, queue).firstDue(most, from);
    const [total, jobs] = await Promise.all([queue.getDelayedCount(), dueJobs(queue, due)]);
    return { total, jobs: jobs.map(({ job, dueMs }) => ({ ...waiting(job), nextMs: dueMs })) };
  });
}

type Due = Awaited<ReturnType<BullmqKeys['firstDue']>>;

async function dueJobs<Data>(queue: Queue<Data>, due: Due): Promise<{ job: Job<Data>; dueMs: number }[]> {
  const jobs = await Promise.all(due.map(async ({ id, dueMs }) => ({ job: await queue.getJob(id), dueMs })));
  return jobs.flatMap(({ job, dueMs }) => (isThere(job) ? [{ job: job as Job<Data>, dueMs }] : []));
}

/** Only a job that a worker handed back when it stopped waits for no time; what an earlier try said is not why it waits. */
function waiting(job: Job<CompactJobData>): ListedJob {
  const { jobId, fsId, inodeId, origin, tries, ...said } = listed(job);
  const why = job.delay === 0 ? { reason: 'the worker that had it was stopped; the next free one takes it' } : said;
  return { jobId, fsId, inodeId, origin, tries, ...why };
}

function listed(job: Job<CompactJobData>): ListedJob {
  const { fsId, inodeId, origin } = job.data;
  const report = failureOf(job.progress);
  const reason = report?.message ?? (job.failedReason || undefined);
  const { id: jobId = '', attemptsMade: tries, finishedOn: endedMs } = job;
  return { jobId, fsId, inodeId, origin, tries, reason, code: report?.code, endedMs };
}

/** What a worker said of the last run of a job (workers/compact-processor.ts). */
function failureOf(progress: unknown): { readonly message?: string; readonly code?: string } | undefined {
  const { kind, report } = (progress ?? {}) as { readonly kind?: unknown; readonly report?: object };
  return kind === 'failed' ? (report ?? {}) : undefined;
}

export interface ListedRecord {
  readonly jobId: string;
  readonly fsId: number;
  readonly inodeId: string;
  readonly chunkIndex: number;
  /** When it was due, or is again. */
  readonly dueMs: number;
  /** Looks in a row that ended in doubt. */
  readonly doubts: number;
  /** What the last of them found. */
  readonly doubt?: string;
}

/** Records that were looked through. */
export interface RecordsPart {
  /** Due for long, and nobody has looked. */
  readonly overdueRecords: readonly ListedRecord[];
  /** Looked at, nothing deleted, looked at again later. */
  readonly recordsInDoubt: readonly ListedRecord[];
  /** There are others behind them. */
  readonly more: boolean;
}

/** Reap records that need a look: some hundred of those that are due first. */
export async function listedRecords(
  { ledger, connection }: StatusSource,
  { from, most } = FIRST,
): Promise<RecordsPart> {
  const nowMs = wallMs(await ledger.nowMs());
  return queueCall('list the reap records', async () => {
    const { queue } = ledger;
    const [due, waiting] = await Promise.all([
      new BullmqKeys(connection, queue).firstDue(most, from),
      queue.getJobs(['wait', 'prioritized'], from, from + most - 1, true),
    ]);
    const delayed = await dueJobs(queue, due);
    const records = [
      ...waiting.filter(isThere).map((job) => record(job, wallMs(job.data.dueMs))),
      ...delayed.map(({ job, dueMs }) => record(job, dueMs)),
    ];
    const isOverdue = ({ dueMs }: ListedRecord) => nowMs - dueMs > OVERDUE_MS;
    return {
      overdueRecords: records.filter(isOverdue),
      recordsInDoubt: records.filter((one) => one.doubts > 0 && !isOverdue(one)),
      more: due.length === most || waiting.length >= most,
    };
  });
}

function record(job: Job<ReapJobData>, dueMs: number): ListedRecord {
  const { fsId, inodeId, chunkIndex, doubts = 0 } = job.data;
  const { doubt } = (job.progress ?? {}) as { readonly doubt?: unknown };
  const known = typeof doubt === 'string' ? doubt : undefined;
  return { jobId: job.id ?? '', fsId, inodeId, chunkIndex, dueMs, doubts, doubt: known };
}

/** A job may be gone when it is read. */
function isThere<T>(job: T | undefined | null): job is T {
  return job !== undefined && job !== null;
}

/** A run of one inode that has ended. */
export interface EndedRun {
  readonly endedMs: number;
  readonly origin: string;
  /** Absent: it was given up, or ended well without doing anything. */
  readonly moved?: { readonly bytes: number; readonly getsBefore: number; readonly getsAfter: number };
  readonly words?: string;
}

/** Ended jobs that are looked through for one inode: half of them done, half of them given up. */
const ENDED_LOOKED_AT = 1_000;

/** The runs of one inode as far as the queue keeps them and they are among the newest jobs; the newest first. */
export async function endedRuns({ queue: { queue } }: StatusSource, key: InodeKey): Promise<readonly EndedRun[]> {
  const most = ENDED_LOOKED_AT / 2;
  const jobs = await queueCall('list the runs of an inode', () =>
    Promise.all([queue.getCompleted(0, most - 1), queue.getFailed(0, most - 1)]),
  );
  return jobs
    .flat()
    .filter(isThere)
    .filter(({ data }) => data.fsId === key.fsId && data.inodeId === key.inodeId.toString())
    .map(ended)
    .toSorted((a, b) => b.endedMs - a.endedMs);
}

const movedSchema = z.object({
  cost: z.object({ readBytes: z.number(), writeBytes: z.number() }),
  gain: z.object({ getsBefore: z.number(), getsAfter: z.number() }),
});

function ended(job: Job<CompactJobData>): EndedRun {
  const { data } = movedSchema.safeParse(job.returnvalue);
  const { reason } = listed(job);
  return {
    endedMs: job.finishedOn ?? 0,
    origin: job.data.origin,
    ...(data === undefined ? {} : { moved: { bytes: data.cost.readBytes + data.cost.writeBytes, ...data.gain } }),
    words: reason,
  };
}
