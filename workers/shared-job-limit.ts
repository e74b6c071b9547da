/**
 * Keeps the bound on jobs that all workers on all machines run at a time: it is said at the start, and looked at now and
 * then by every worker and every `run`, also by those that set none: what a Redis lost is set again, what nobody keeps any more goes. It
 * takes no job and stops none.
 */
import type { Settings } from '../src/config/index.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { JobBound, type JobBoundOptions } from '../src/queue/job-bound.ts';

/** How long a Redis that lost its data may go without the bound. */
const LOOK_EVERY_MS = 15_000;
/** A bound outlives its keepers by so many looks. */
const LIFE_LOOKS = 4;

interface KeptTotalJobs {
  stop(): void;
}

interface KeepOptions {
  readonly log: Logger;
  readonly lookEveryMs?: number;
  /** With a setting of 0, the bound that somebody keeps stands, and one that nobody keeps any more goes. */
  readonly leavesOthers?: boolean;
}

/** Sets the bound, or takes it away where the setting is 0. Throws `queue-unavailable` (retry). */
export async function keepTotalJobs(
  { totalJobs }: Pick<Settings, 'totalJobs'>,
  queues: Omit<JobBoundOptions, 'lifeMs'>,
  { log, lookEveryMs = LOOK_EVERY_MS, leavesOthers = false }: KeepOptions,
): Promise<KeptTotalJobs> {
  const bound = new JobBound({ ...queues, lifeMs: LIFE_LOOKS * lookEveryMs });
  const look = async (): Promise<void> => {
    const found = await bound.look(totalJobs);
    if (found === 'kept') return;
    const what = found === 'set-again' ? 'was lost; it is set again' : 'is kept by nobody any more; it is taken away';
    log.warn({ event: LOG_EVENTS.queueBack, totalJobs }, `the bound on running jobs ${what}`);
  };
  if (totalJobs === 0 && leavesOthers) await look();
  else await bound.set(totalJobs);
  // A Redis that is away is reported by the workers; the next look comes by itself.
  const timer = setInterval(() => void look().catch(() => undefined), lookEveryMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
