/**
 * What whoever starts work can do with it and ask of it, whether it is one process or a pool of them: stop, abort, look.
 * It stands alone because the worker, the pool, metrics, readiness and commands all speak of it. It must not
 * change anything about a job; what is in a snapshot is plain JSON, since it crosses from one process to another.
 */
import { hostname } from 'node:os';
import { DelayedError, type Job, type Worker } from 'bullmq';
import type { CompactError } from '../src/errors.ts';
import type { ProcessMetrics } from '../src/observe/aggregate.ts';
import type { NotReady } from '../src/observe/readiness.ts';

/** Who this is, for those who look later: host and process. */
export function processName(): string {
  return `${hostname()}:${process.pid}`;
}

/** A job that a process has taken. */
interface RunningJob {
  readonly queue: string;
  readonly jobId: string;
  /** When this process took it, ms since 1970 by its own clock. */
  readonly takenAtMs: number;
}

/** One working process at one moment. */
export interface ProcessSnapshot {
  readonly pid: number;
  /** Why no work can be done at the moment; empty: ready. */
  readonly notReady: readonly NotReady[];
  readonly jobs: readonly RunningJob[];
  /** `registry.getMetricsAsJSON()` of the process, where it has metrics of its own. */
  readonly metrics?: ProcessMetrics;
}

/** Work on the queues that has been started. */
export interface RunningWorker {
  /** Drains and closes; resolves when nothing runs any more. */
  stop(): Promise<void>;
  /** Cancels running jobs now; a `stop` that is under way ends soon after. */
  abort(): void;
  /** Every process as it is; one that does not answer in time is reported as not ready. Never rejects. */
  snapshots(): Promise<readonly ProcessSnapshot[]>;
  /** Resolves with the reason when the work cannot go on by itself: processes that die again and again. */
  readonly failed: Promise<CompactError>;
}

/** What BullMQ calls for a job; three parameters, or it would give no signal. */
export type Processor<Data, Result> = (job: Job<Data>, token?: string, signal?: AbortSignal) => Promise<Result>;

/** For whoever comes then; BullMQ wants to hear by an error that the job is no longer its own to finish. */
export async function delayJob(job: Job, delayMs: number, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token);
  throw new DelayedError();
}

/** The same for a job that may be not ours any more: then it is another's, or its lock has run out and somebody takes it. */
export async function handBack(job: Job, token: string | undefined, delayMs = 0): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token).catch(() => undefined);
  throw new DelayedError();
}

/** The jobs that this process has taken and not ended yet; BullMQ's own book is private to each of its workers. */
export class RunningJobs {
  /** Each with its way back to the queue. */
  readonly #jobs = new Map<RunningJob, () => Promise<void>>();

  all(): readonly RunningJob[] {
    return [...this.#jobs.keys()];
  }

  /** Hands back what its runs do not let go of: to them it is as a lost lock (I9). What stays in the book was not handed back. */
  async giveBack(): Promise<void> {
    const backs = [...this.#jobs].map(async ([entry, back]) => {
      await back();
      this.#jobs.delete(entry);
    });
    await Promise.allSettled(backs);
  }

  /** The processor, entered in the book while it runs. */
  tracked<Data, Result>(process: Processor<Data, Result>): Processor<Data, Result> {
    return async (job, token, signal) => {
      const entry = { queue: job.queueName, jobId: job.id ?? '', takenAtMs: Date.now() };
      this.#jobs.set(entry, () => job.moveToDelayed(Date.now(), token));
      try {
        return await process(job, token, signal);
      } finally {
        this.#jobs.delete(entry);
      }
    };
  }
}

/** Ends the runs of jobs whose lock could not be renewed: BullMQ only reports them, and another worker has them by now, or soon. */
export function cancelLostJobs<Data, Ending>(worker: Worker<Data, Ending>, report: (jobId: string) => void): void {
  worker.on('lockRenewalFailed', (jobIds) => {
    for (const jobId of jobIds) {
      report(jobId);
      worker.cancelJob(jobId, 'lock-lost');
    }
  });
}
