/**
 * The jobs that this process has taken and not ended yet: what readiness and `status` look at. It
 * stands apart from BullMQ's own book, which is private to each of its workers. It changes nothing about a job.
 */
import type { Job } from 'bullmq';
import type { RunningJob } from './running.ts';

/** What BullMQ calls for a job; three parameters, or it would give no signal. */
export type Processor<Data, Result> = (job: Job<Data>, token?: string, signal?: AbortSignal) => Promise<Result>;

export class RunningJobs {
  readonly #jobs = new Set<RunningJob>();

  all(): readonly RunningJob[] {
    return [...this.#jobs];
  }

  /** The processor, entered in the book while it runs. */
  tracked<Data, Result>(process: Processor<Data, Result>): Processor<Data, Result> {
    return async (job, token, signal) => {
      const entry = { queue: job.queueName, jobId: job.id ?? '', takenAtMs: Date.now() };
      this.#jobs.add(entry);
      try {
        return await process(job, token, signal);
      } finally {
        this.#jobs.delete(entry);
      }
    };
  }
}
