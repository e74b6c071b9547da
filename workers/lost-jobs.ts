/**
 * Looks for lost jobs, and for inodes in quarantine whose next look is due, while a worker runs: at its start, and again
 * every few minutes; most of the time somebody else has done it lately, and the look is one command. It stands apart because
 * a worker lives for months and `s3compact reap` for seconds, and both must look. It takes no job and ends none.
 */
import type { Queue } from 'bullmq';
import { systemClock } from '../src/clock.ts';
import { toError } from '../src/errors.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { LostJobs } from '../src/queue/lost-jobs.ts';
import { isDue } from '../src/queue/quarantine.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';

const LOOK_EVERY_MS = 5 * 60_000;
/** Inodes in quarantine that one look queues; the rest is for the next one, or for a scan. */
const DUE_MAX = 1_000;

/** One look, which never rejects: the next one comes by itself. */
export async function sweepLostJobs(clients: WorkClients, log: Logger, signal: AbortSignal): Promise<void> {
  const { status, settings, queue, ledger, observer } = clients;
  const queues = [queue.queue as Queue, ledger.queue as Queue];
  const lost = new LostJobs({
    connection: status.connection,
    prefix: settings.queuePrefix,
    clock: systemClock,
    lockDurationMs: settings.lockDurationMs,
    queues: queues.map((one) => ({
      queue: one,
      onGivenBack: (jobIds) => observer.jobsGivenBack(one.name, jobIds),
    })),
  });
  try {
    await lost.sweep(signal, () => queueDue(clients, signal));
  } catch (error) {
    if (signal.aborted) return;
    const text = 'the look for lost jobs has failed; it is made again within some minutes';
    log.warn({ event: LOG_EVENTS.sweepFailed, err: toError(error) }, text);
  }
}

/** An object that was missing may have come: a run tells, and releases the inode. */
async function queueDue({ quarantine, queue, ledger }: WorkClients, signal: AbortSignal): Promise<void> {
  const nowMs = await ledger.nowMs();
  let queued = 0;
  for await (const entry of quarantine.all()) {
    if (signal.aborted || queued >= DUE_MAX) return;
    if (!isDue(entry, nowMs)) continue;
    await queue.enqueue(entry.key, 'scan');
    queued++;
  }
}

/** Looks now and then until the signal. */
export function keepLookingForLostJobs(clients: WorkClients, log: Logger, signal: AbortSignal): void {
  const look = () => void sweepLostJobs(clients, log, signal);
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  look();
}
