/**
 * What a worker does while S3 or the metadata service is away, or refuses everybody: it waits. Jobs that it holds wait at the gate, and a run
 * that failed because a server is away is no failed try: it goes back for later, so that an outage of minutes costs no job
 * its tries. A job does not do so for ever: a fault that never ends must be seen. It asks no server itself.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from 'bullmq';
import type { ErrorCode } from '../src/errors.ts';
import { isRefusal, type Refusing } from '../src/wiring/store-refusals.ts';
import { handBack, type Processor } from './running.ts';

/** What a server that is away, full of requests or failing over looks like. */
const OUTAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'store-unavailable',
  'metadata-unavailable',
  'queue-unavailable',
]);
/** Starts of one job that failed so; after that each is a try. With the wait below it takes a quarter of an hour or more. */
const FREE_STARTS_MAX = 100;
/** The same for a refusal that may be of the inode's own: time for another inode to be refused, or served. */
const REFUSED_STARTS_MAX = 5;
const AGAIN_MIN_MS = 500;
const AGAIN_MAX_MS = 15_000;
/** How often those at the gate look whether the servers are back. */
const LOOK_EVERY_MS = 1_000;
/** One job is let through so often: not every server can be asked in another way. */
const TRIAL_EVERY_MS = 10_000;

/** Whether a failure says nothing about the inode or the job. */
export function isOutage(code: string | undefined): boolean {
  return code !== undefined && OUTAGE_CODES.has(code);
}

/**
 * How long a job waits whose run met an outage; `null` when it has had its share of free starts.
 * `attemptsStarted` counts every start, `attemptsMade` those that were tries.
 */
export function outageDelayMs(
  job: Pick<Job, 'attemptsStarted' | 'attemptsMade'>,
  { random = Math.random, startsMax = FREE_STARTS_MAX }: { random?: () => number; startsMax?: number } = {},
): number | null {
  const free = job.attemptsStarted - job.attemptsMade;
  if (free > startsMax) return null;
  const wholeMs = Math.min(AGAIN_MAX_MS, AGAIN_MIN_MS * 2 ** Math.max(0, free - 1));
  return (wholeMs * (1 + random())) / 2;
}

const REFUSED_STARTS: Readonly<Record<Refusing, number>> = {
  none: REFUSED_STARTS_MAX,
  maybe: FREE_STARTS_MAX,
  // It is seen in /readyz, and whatever the job is, it would be refused.
  sure: Number.POSITIVE_INFINITY,
};

/** The same for a run that ended with this code, if that may say nothing about the inode; `null` otherwise. */
export function freeDelayMs(
  job: Pick<Job, 'attemptsStarted' | 'attemptsMade'>,
  code: string | undefined,
  refusing: Refusing,
): number | null {
  if (isOutage(code)) return outageDelayMs(job);
  return isRefusal(code) ? outageDelayMs(job, { startsMax: REFUSED_STARTS[refusing] }) : null;
}

interface GateOptions {
  /** Servers that do not answer or refuse, a clause each. */
  readonly away: () => Promise<readonly string[]>;
  /** Called for a job that is held, and why; again when the reason changes. */
  readonly held?: (job: Job, clauses: readonly string[]) => void;
  /** The worker stops: whoever waits, or comes now, goes back to the queue. */
  readonly stopping: AbortSignal;
}

export class OutageGate {
  readonly #options: GateOptions;
  #trialAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** The processor, which begins when the servers are there; a worker that stops meanwhile hands the job back. */
  guarded<Data, Result>(process: Processor<Data, Result>): Processor<Data, Result> {
    return async (job, token, signal) => {
      if (!(await this.#open(job, signal))) return handBack(job, token);
      return process(job, token, signal);
    };
  }

  /** `false`: not any more. */
  async #open(job: Job, signal: AbortSignal | undefined): Promise<boolean> {
    const { away, held, stopping } = this.#options;
    let reported = '';
    const over = signal === undefined ? stopping : AbortSignal.any([stopping, signal]);
    for (;;) {
      const clauses = await away();
      // Also a job that was on its way here when the worker stopped: BullMQ's cancelling does not reach it.
      if (over.aborted) return false;
      if (clauses.length === 0) return true;
      if (clauses.join() !== reported) held?.(job, clauses);
      reported = clauses.join();
      if (performance.now() - this.#trialAtMs >= TRIAL_EVERY_MS) {
        this.#trialAtMs = performance.now();
        return true;
      }
      await delay(LOOK_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
    }
  }
}
