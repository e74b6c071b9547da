/**
 * The bound on jobs that all workers on all machines run at a time: BullMQ keeps it beside the queue, and every fetch
 * heeds it. It is set at the start, and set again when the queue's Redis came back without it. It limits work, nothing
 * rests on it.
 */
import type { Settings } from '../src/config/index.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import type { CompactQueue } from '../src/queue/compact-queue.ts';
import { queueCall } from '../src/queue/compact-queue.ts';

/** How long a Redis that lost its data may go without the bound. */
const LOOK_EVERY_MS = 15_000;

export interface KeptPoolJobs {
  stop(): void;
}

/** Sets the bound, or takes it away where the setting is 0. Throws `queue-unavailable` (retry). */
export async function keepPoolJobs(
  { poolJobs }: Pick<Settings, 'poolJobs'>,
  { queue }: CompactQueue,
  { log, lookEveryMs = LOOK_EVERY_MS }: { readonly log: Logger; readonly lookEveryMs?: number },
): Promise<KeptPoolJobs> {
  await queueCall('bound the jobs of the pool', () =>
    poolJobs === 0 ? queue.removeGlobalConcurrency() : queue.setGlobalConcurrency(poolJobs),
  );
  if (poolJobs === 0) return { stop: () => undefined };
  const look = async (): Promise<void> => {
    if ((await queue.getGlobalConcurrency()) !== null) return;
    await queue.setGlobalConcurrency(poolJobs);
    log.warn(
      { event: LOG_EVENTS.queueBack, poolJobs },
      'the queue had lost its bound on running jobs; it is set again',
    );
  };
  // A Redis that is away is reported by the workers; the next look comes by itself.
  const timer = setInterval(() => void look().catch(() => undefined), lookEveryMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
