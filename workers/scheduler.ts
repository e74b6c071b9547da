/**
 * The scheduler's work: plans scans and carries them out, one at a time for each process. Of any number of replicas one
 * takes each scan; if it dies, another goes on where it stood. Nothing is lost with it but time.
 */

import { type Job, Worker } from 'bullmq';
import { endsWithin } from '../src/clock.ts';
import { CompactError } from '../src/errors.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { SCAN_QUEUE, type ScanJobData, ScanSchedule } from '../src/queue/scan-schedule.ts';
import { connectRedis } from '../src/redis/client.ts';
import type { ScanReport } from '../src/scan/types.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';
import { runScan } from './run-scan.ts';
import { cancelLostJobs, handBack } from './running.ts';

/** A scan whose processes died this often waits for its next time. */
const STALLS_MAX = 100;
const RUN_RETRY_DELAY_MS = 1_000;
const CLOSE_WAIT_MS = 2_000;
/** How long a plan that the queue's Redis lost stays unnoticed. */
const PLAN_EVERY_MS = 60_000;

interface RunningScheduler {
  /** Ends a scan that is under way; it is handed back. */
  stop(): Promise<void>;
}

/** What a scan job comes to. */
type ScanJobEnding = ScanReport | { readonly skipped: string };

/** Plans and takes scans of these file systems. */
export async function startScheduler(
  clients: WorkClients,
  log: Logger,
  filesystems: readonly number[],
  { planEveryMs = PLAN_EVERY_MS }: { readonly planEveryMs?: number } = {},
): Promise<RunningScheduler> {
  const { settings } = clients;
  const { queuePrefix: prefix, lockDurationMs } = settings;
  const schedule = new ScanSchedule({ connection: clients.status.connection, prefix, lockDurationMs });
  for (const fsId of filesystems) await schedule.plan(fsId, settings.scanEveryMs);
  const keepPlans = async (): Promise<void> => {
    for (const fsId of filesystems) {
      if (!(await schedule.keep(fsId, settings.scanEveryMs))) continue;
      log.warn({ event: LOG_EVENTS.scanReplanned, fsId }, 'the queue had lost the plan of scans; it is planned again');
    }
  };
  // A Redis that is away is reported by the worker; the next look comes by itself.
  const plans = setInterval(() => void keepPlans().catch(() => undefined), planEveryMs);
  const connection = connectRedis(settings.redisUrl, { profile: 'worker', timeoutMs: settings.redisTimeoutMs });
  const stop = new AbortController();
  const worker = new Worker<ScanJobData, ScanJobEnding>(
    SCAN_QUEUE,
    scanProcessor({ clients, log, schedule, stop: stop.signal }),
    {
      connection,
      prefix: settings.queuePrefix,
      concurrency: 1,
      maxStalledCount: STALLS_MAX,
      lockDuration: settings.lockDurationMs,
      stalledInterval: settings.lockDurationMs,
      runRetryDelay: RUN_RETRY_DELAY_MS,
    },
  );
  worker.on('error', (err) => log.debug({ event: LOG_EVENTS.queueLost, queue: SCAN_QUEUE, err }, 'the queue is away'));
  cancelLostJobs(worker, (jobId) => {
    log.warn(
      { event: LOG_EVENTS.jobLockLost, jobId },
      'the lock of a scan could not be renewed; the scan is cancelled',
    );
  });
  return {
    stop: async () => {
      stop.abort();
      clearInterval(plans);
      await endsWithin(Promise.allSettled([worker.close()]), settings.shutdownGraceMs);
      await endsWithin(Promise.allSettled([worker.close(true), schedule.close()]), CLOSE_WAIT_MS);
      connection.disconnect();
    },
  };
}

interface ScanJobContext {
  readonly clients: WorkClients;
  readonly log: Logger;
  readonly schedule: ScanSchedule;
  readonly stop: AbortSignal;
}

function scanProcessor({ clients, log, schedule, stop }: ScanJobContext) {
  return async (job: Job<ScanJobData>, token?: string, lost?: AbortSignal): Promise<ScanJobEnding> => {
    const { fsId } = job.data;
    // A scan that takes longer than the time between two: one is enough. Where that cannot be asked the scan waits for the queue itself.
    if (await schedule.isScanned(fsId, job.id).catch(() => false))
      return { skipped: 'another scan of this file system is under way' };
    const signal = lost === undefined ? stop : AbortSignal.any([stop, lost]);
    try {
      const report = await runScan(fsId, clients, log, { signal, ...(lost && { lost }) });
      // For another replica, which goes on where this one stood.
      if (report.ending === 'stopped') await handBack(job, token);
      return report;
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      log.error({ event: LOG_EVENTS.scanEnded, fsId, code: error.code }, `the scan failed: ${error.message}`);
      throw new Error(error.message);
    }
  };
}
