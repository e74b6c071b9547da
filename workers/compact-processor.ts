/**
 * The processor of the compact queue: one job is one run over one inode. It turns a run's ending into what BullMQ
 * understands (result, retry, final failure) and writes the one log line of the attempt. It must decide nothing about
 * the inode: `run` does.
 */

import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import type { LookKeeper } from '../src/compact/compact-inode.ts';
import { CompactError } from '../src/errors.ts';
import type { Look } from '../src/ledger.ts';
import { LOG_EVENTS, type LogEvent, type Logger, logContext } from '../src/observe/log.ts';
import { queueCall } from '../src/queue/bullmq.ts';
import { type CompactJobData, inodeOfJob, lookOfJob } from '../src/queue/compact-queue.ts';
import type { Observer } from '../src/wiring/observer.ts';
import { type CompactJobDeps, type RunEnding, type RunReport, runInode } from '../src/wiring/run-inode.ts';
import type { RunRecord } from '../src/wiring/run-record.ts';
import { freeDelayMs, isOutage, outageDelayMs } from './outage-gate.ts';
import { RunReporter, type RunUpdate } from './run-reporter.ts';
import { handBack } from './running.ts';

/** What a job's `progress` holds: where the run is, or how the last try failed. */
export type JobProgress = RunUpdate | { readonly kind: 'failed'; readonly report: RunReport };

/** A job whose file system may be paused looks again after this. */
const UNASKED_DELAY_MS = 15_000;

const EVENT_OF: Record<RunEnding, LogEvent> = {
  done: LOG_EVENTS.jobDone,
  later: LOG_EVENTS.jobRetry,
  gone: LOG_EVENTS.inodeStale,
  quarantined: LOG_EVENTS.inodeQuarantined,
  halted: LOG_EVENTS.jobFailed,
};

interface ProcessorContext {
  readonly deps: CompactJobDeps;
  readonly log: Logger;
  readonly observer: Observer;
}

/** A processor for BullMQ's Worker. Throws for what is to be tried again, UnrecoverableError for what is not. */
export function compactProcessor(deps: CompactJobDeps, log: Logger, observer: Observer) {
  return async (job: Job<CompactJobData>, token?: string, signal?: AbortSignal): Promise<RunReport> => {
    const { where, report, fields } = await runJob({ deps, log, observer }, job, token, signal).catch((error) => {
      logFault(job, error, log, signal);
      throw error;
    });
    const wellEnded = report.ending === 'done' || report.ending === 'gone';
    const rests = report.lookAgainMs !== undefined && report.code === 'inode-busy';
    const level = wellEnded || rests ? 'info' : 'warn';
    log[level](
      { event: EVENT_OF[report.ending], ...where, queuedMs: queuedMsOf(job), ...report, ...fields },
      report.message ?? `run ended: ${report.ending}`,
    );
    if (wellEnded) return report;
    // Waiting for the second look is no failed try, and no worker is idle meanwhile.
    if (report.lookAgainMs !== undefined) {
      await reportTo(job, { kind: 'failed', report });
      await handBack(job, token, report.lookAgainMs);
    }
    // A file that never rests is no failure: the next scan finds it again.
    if (report.code === 'inode-busy' && job.attemptsMade + 1 >= (job.opts.attempts ?? 1)) return report;
    // A run that was stopped from outside is no failed try.
    if (report.code === 'cancelled') await handBack(job, token);
    const isJobs = report.ending !== 'later' && report.ending !== 'halted';
    const againMs = isJobs ? null : freeDelayMs(job, report.code, observer.refusing);
    await reportTo(job, { kind: 'failed', report });
    if (againMs !== null) await handBack(job, token, againMs);
    const message = report.message ?? report.ending;
    throw report.ending === 'later' ? new Error(message) : new UnrecoverableError(message);
  };
}

/** The run of a job, or its way back to the queue. */
async function runJob(
  { deps, log, observer }: ProcessorContext,
  job: Job<CompactJobData>,
  token?: string,
  signal?: AbortSignal,
) {
  const key = inodeOfJob(job.data);
  const where = { ...logContext({ key, jobId: job.id ?? '' }), origin: job.data.origin, try: job.attemptsMade + 1 };
  const parked = await parkIfPaused(deps, job, token);
  if (parked === null) return handBack(job, token, outageDelayMs(job) ?? UNASKED_DELAY_MS);
  if (parked) {
    log.debug({ event: LOG_EVENTS.jobParked, ...where }, 'the file system is paused; the job waits for its resume');
    throw new DelayedError();
  }
  log.debug({ event: LOG_EVENTS.jobStarted, ...where }, 'run started');
  const work = (record: RunRecord) => {
    const waits = () => record.waits.now(observer.limitsWaitedFor());
    const reporter = new RunReporter({ report: (update) => void reportTo(job, update), waits });
    return runInode(key, deps, {
      signal,
      onProgress: (at) => reporter.moved(at),
      observer: record,
      looks: new JobLooks(job),
    }).finally(() => reporter.stop());
  };
  return { where, ...(await observer.watchRun(where, work, signal)) };
}

/** Logs what has no report: a job that could not be started, and faults of s3compact. */
function logFault(job: Job<CompactJobData>, error: unknown, log: Logger, signal: AbortSignal | undefined): void {
  // Handed back, or cancelled: no fault.
  if (error instanceof DelayedError || signal?.aborted) return;
  const { fsId, inodeId } = job.data ?? {};
  const where = { fsId, inodeId, jobId: job.id ?? '', try: job.attemptsMade + 1 };
  const what = error instanceof CompactError ? error.message : 'a fault in s3compact ended the run; report it';
  log.error({ event: LOG_EVENTS.jobFailed, ...where, err: error }, what);
}

/** The first look at the inode lives and goes with the job. */
class JobLooks implements LookKeeper {
  first: Look | undefined;
  readonly #job: Job<CompactJobData>;

  constructor(job: Job<CompactJobData>) {
    this.#job = job;
    this.first = lookOfJob(job.data);
  }

  async keep(look: Look): Promise<void> {
    await queueCall('keep the look at an inode', () => this.#job.updateData({ ...this.#job.data, look }));
    this.first = look;
  }
}

/** How long the job was due before it was taken, by the pods' clocks. */
function queuedMsOf({ processedOn, timestamp, delay }: Job): number {
  return Math.max(0, (processedOn ?? timestamp) - timestamp - delay);
}

/** `null`: the queue could not be asked, or not do it, at the moment. */
async function parkIfPaused(
  { control }: CompactJobDeps,
  job: Job<CompactJobData>,
  token: string | undefined,
): Promise<boolean | null> {
  const { fsId } = job.data;
  try {
    const paused = await control.isFilesystemPaused(fsId);
    if (paused) await control.park(job, fsId, token);
    return paused;
  } catch (error) {
    if (error instanceof CompactError && isOutage(error.code)) return null;
    throw error;
  }
}

/** Progress is for those who look; losing it must not fail a run. */
async function reportTo(job: Job<CompactJobData>, progress: JobProgress): Promise<void> {
  await job.updateProgress(progress as unknown as object).catch(() => undefined);
}
