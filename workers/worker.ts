/**
 * A worker process: BullMQ workers for the compact and reap queues, from start to drain. It stops taking jobs at once,
 * lets running ones finish within the shutdown grace, then cancels them and hands them back. Whatever is cut off is
 * covered by its reap record, so stopping badly costs time, never data.
 */

import { type Job, Worker } from 'bullmq';
import { endsWithin } from '../src/clock.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import type { NotReady } from '../src/observe/readiness.ts';
import { COMPACT_QUEUE, type CompactJobData, REAP_QUEUE } from '../src/queue/compact-queue.ts';
import type { ReapJobData } from '../src/queue/reap-queue.ts';
import type { HeldObjects, ReapVerdict } from '../src/reap/reap-record.ts';
import { connectRedis, type RedisClient } from '../src/redis/client.ts';
import type { RefusalKind } from '../src/wiring/store-refusals.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';
import { compactProcessor } from './compact-processor.ts';
import { keepLookingForLostJobs } from './lost-jobs.ts';
import { OutageGate } from './outage-gate.ts';
import { QueueWatch } from './queue-watch.ts';
import { type LookEvent, reapProcessor } from './reap-processor.ts';
import { Reporter } from './reporter.ts';
import type { RunUpdate } from './run-reporter.ts';
import { cancelLostJobs, type ProcessSnapshot, processName, RunningJobs, type RunningWorker } from './running.ts';

/** A job whose processes died this often is given up: something about it kills them. */
const COMPACT_STALLS_MAX = 10;
/** Reap records are never given up. */
const REAP_STALLS_MAX = 1_000_000_000;
/** BullMQ's pause after a failed fetch; 15 s by default, which is how long a restarted Redis would stay unnoticed. */
const RUN_RETRY_DELAY_MS = 1_000;
/**
 * How long cancelled runs may take to let go, and closing after that. With the grace of 25 s and the closing of clients
 * it stays below the 30 s of a pod (src/wiring/clients.ts).
 */
const CANCEL_WAIT_MS = 2_000;
const CLOSE_WAIT_MS = 500;
const PROBE_LIFE_MS = 1_000;
/** What a drain takes at most beyond the grace. */
export const STOP_TAIL_MS = CANCEL_WAIT_MS + CLOSE_WAIT_MS;

interface WorkerOptions {
  /** `reap`: the reap queue alone. */
  readonly queues?: 'all' | 'reap';
  readonly onReapVerdict?: (verdict: ReapVerdict) => void;
}

/** Starts working on the queues. */
export function startWorker(clients: WorkClients, log: Logger, options: WorkerOptions = {}): RunningWorker {
  const { queues = 'all', onReapVerdict } = options;
  const connection = connectRedis(clients.settings.redisUrl, {
    profile: 'worker',
    timeoutMs: clients.settings.redisTimeoutMs,
  });
  // A command that works off what is due is short, and says what it could not do instead of waiting.
  const away = async (kinds?: readonly RefusalKind[]) =>
    queues === 'all' ? (await clients.observer.notReady(kinds)).map(({ what }) => what) : [];
  const jobs = new RunningJobs();
  const watch = new QueueWatch({ probe: () => probeQueue(clients), log });
  const stopping = new AbortController();
  const held = (job: Job, clauses: readonly string[]) => void reportHeld(job, clauses);
  const compactGate = new OutageGate({ away: () => away(), held, stopping: stopping.signal });
  const context = { connection, log, jobs, watch, gate: compactGate };
  // A store that takes no writes may have to be emptied.
  const reap = reapWorker(clients, {
    ...context,
    gate: new OutageGate({ away: () => away(['reads']), stopping: stopping.signal }),
    onReapVerdict,
  });
  const workers: Worker[] = [reap];
  if (queues === 'all') workers.push(compactWorker(clients, context));
  if (queues === 'all') keepLookingForLostJobs(clients, log, stopping.signal);
  log.info({ event: LOG_EVENTS.workerStarted, queues, pid: process.pid }, 'worker started');
  let aborted = false;
  const cancel = () => {
    aborted = true;
    for (const worker of workers) worker.cancelAllJobs('shutdown');
  };
  let stopped: Promise<void> | undefined;
  const notReady = async (): Promise<NotReady[]> =>
    stopped ? [{ code: 'running', what: 'stopping' }] : [...watch.notReady(), ...(await clients.observer.notReady())];
  const reporter = queues === 'all' ? new Reporter(clients, processName(), notReady) : undefined;
  return {
    stop: () => {
      stopping.abort();
      watch.stop();
      stopped ??= drain(workers, {
        cancel,
        jobs,
        connection,
        log,
        graceMs: aborted ? 0 : clients.settings.shutdownGraceMs,
      }).finally(() => reporter?.stop());
      return stopped;
    },
    abort: cancel,
    snapshots: async () => [
      {
        pid: process.pid,
        notReady: await notReady(),
        jobs: jobs.all(),
        ...(await metricsOf(clients)),
      },
    ],
    // A process of its own ends by an exception, not by a report.
    failed: new Promise(() => undefined),
  };
}

async function metricsOf({ observer: { metrics } }: WorkClients): Promise<Pick<ProcessSnapshot, 'metrics'>> {
  return metrics === undefined ? {} : { metrics: await metrics.json() };
}

interface WorkerContext {
  readonly connection: RedisClient;
  readonly log: Logger;
  readonly jobs: RunningJobs;
  readonly watch: QueueWatch;
  readonly gate: OutageGate;
  readonly onReapVerdict?: WorkerOptions['onReapVerdict'];
}

function compactWorker(clients: WorkClients, context: WorkerContext): Worker {
  const { connection, log, jobs, gate, watch } = context;
  const { settings } = clients;
  const worker = new Worker<CompactJobData>(
    COMPACT_QUEUE,
    jobs.tracked(gate.guarded(compactProcessor(clients.run, log, clients.observer))),
    {
      ...baseOptions(clients, connection),
      concurrency: settings.concurrency,
      maxStalledCount: COMPACT_STALLS_MAX,
    },
  );
  // BullMQ only reports it; going on without the lock would be slow, never wrong (I9), so stop.
  cancelLostJobs(worker, (jobId) => {
    clients.observer.metrics?.count('s3compact_job_locks_lost_total', 1);
    log.warn({ event: LOG_EVENTS.jobLockLost, jobId }, 'the lock of a job could not be renewed; its run is cancelled');
  });
  worker.on('failed', (job, error) => {
    // Runs report their own end; this is for jobs that BullMQ fails before they run: stalled too often.
    if (job?.deferredFailure === undefined) return;
    clients.observer.metrics?.count('s3compact_jobs_given_up_total', 1);
    logStalled(job, error, log);
  });
  worker.on('stalled', () => clients.observer.metrics?.count('s3compact_jobs_stalled_total', 1));
  return watch.watch(worker);
}

function logStalled(job: Job<CompactJobData>, error: Error, log: Logger): void {
  // Not read strictly: what somebody else queued may name no inode.
  const { fsId, inodeId } = job.data ?? {};
  log.error({ event: LOG_EVENTS.jobFailed, fsId, inodeId, jobId: job.id ?? '', err: error }, 'the job was given up');
}

function reapWorker(clients: WorkClients, context: WorkerContext): Worker {
  const { connection, log, jobs, gate, watch, onReapVerdict } = context;
  const onVerdict = (verdict: ReapVerdict | null, look: LookEvent) => {
    clients.observer.reapLook(verdict, look);
    if (verdict !== null) onReapVerdict?.(verdict);
  };
  const onHeld = (fsId: number, jobId: string, held: HeldObjects) => clients.holdBook.count(fsId, jobId, held);
  const process = gate.guarded(reapProcessor(clients.reaper, { log, onVerdict, onHeld }));
  const worker = new Worker<ReapJobData>(REAP_QUEUE, jobs.tracked(process), {
    ...baseOptions(clients, connection),
    concurrency: clients.settings.reapConcurrency,
    maxStalledCount: REAP_STALLS_MAX,
  });
  return watch.watch(worker);
}

/** A key that is gone by itself: whether the queue's Redis takes writes. */
async function probeQueue({ status, settings }: WorkClients): Promise<void> {
  await status.connection.set(`${settings.queuePrefix}:probe`, '1', 'PX', PROBE_LIFE_MS);
}

/** For those who look; a word that is lost costs nothing. */
async function reportHeld(job: Job, clauses: readonly string[]): Promise<void> {
  const update: RunUpdate = { kind: 'running', waits: { for: 'server', what: clauses.join('; ') } };
  await job.updateProgress(update).catch(() => undefined);
}

function baseOptions({ settings }: WorkClients, connection: RedisClient) {
  return {
    connection,
    prefix: settings.queuePrefix,
    // Who worked on a job, by the process that its worker reports (RunningWorker.snapshots).
    name: processName(),
    lockDuration: settings.lockDurationMs,
    stalledInterval: settings.lockDurationMs,
    runRetryDelay: RUN_RETRY_DELAY_MS,
  };
}

interface DrainContext extends Pick<WorkerContext, 'connection' | 'log' | 'jobs'> {
  readonly cancel: () => void;
  readonly graceMs: number;
}

/** `close()` hangs while Redis is down and as long as a job runs: both are bounded here. */
async function drain(workers: readonly Worker[], context: DrainContext): Promise<void> {
  const { log, graceMs, cancel, connection, jobs } = context;
  log.info({ event: LOG_EVENTS.workerStopping, graceMs }, 'stopping: no new jobs, running ones may finish');
  const closed = Promise.allSettled(workers.map((worker) => worker.close()));
  if (!(await endsWithin(closed, graceMs))) {
    cancel();
    if (!(await endsWithin(closed, CANCEL_WAIT_MS))) {
      // A second close() would only wait for the first.
      const left = jobs.giveBack().then(() => Promise.allSettled(workers.map((worker) => worker.disconnect())));
      await endsWithin(left, CLOSE_WAIT_MS);
      logLeft(jobs, log);
    }
  }
  connection.disconnect();
  log.info({ event: LOG_EVENTS.workerStopped }, 'stopped');
}

function logLeft(jobs: RunningJobs, log: Logger): void {
  for (const { queue, jobId } of jobs.all()) {
    log.warn(
      { event: LOG_EVENTS.jobLeft, queue, jobId },
      'a job could not be handed back; unless another worker has it already, one takes it when its lock has run out (S3COMPACT_LOCK_DURATION)',
    );
  }
}
