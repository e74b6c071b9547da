/**
 * What every process that works has, whatever the layout of its files: the queues, the clock and the ledger, limits, what it
 * reports. Apart from clients.ts because both layouts begin with it. It opens and closes; it decides nothing.
 */
import { planPolicy } from '../compact/choose-chunks.ts';
import type { CompactLimits } from '../compact/compact-inode.ts';
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { InodeKey } from '../model.ts';
import { LOG_EVENTS, type Logger } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { Pace } from '../pace/pace.ts';
import { COMPACT_QUEUE, CompactQueue } from '../queue/compact-queue.ts';
import { HoldBook } from '../queue/hold-book.ts';
import { QueueControl } from '../queue/pause.ts';
import { Quarantine } from '../queue/quarantine.ts';
import { ReapQueue } from '../queue/reap-queue.ts';
import { QueueScanBook } from '../queue/scan-book.ts';
import type { StatusSource } from '../queue/status.ts';
import type { Holds } from '../reap/holds.ts';
import { checkRedisFit, connectRedis } from '../redis/client.ts';
import { type RedisClient, whenReady } from '../redis/link.ts';
import type { ScanOptions, ScanParts, ScanReport } from '../scan/types.ts';
import { observedLedger } from './observed-ports.ts';
import { Observer } from './observer.ts';
import { limitGauges, limitsWaitedFor, openPace } from './open-pace.ts';
import type { Reaper } from './reaper.ts';
import type { CompactJobDeps } from './run-inode.ts';
import { openTracing } from './tracing.ts';

/** What a worker, or a command that looks at its work, needs. */
export interface WorkClients {
  readonly settings: Settings;
  /** Which file systems there are. */
  readonly metadata: Pick<MetadataStore, 'storeId' | 'getFilesystem'>;
  readonly queue: CompactQueue;
  readonly ledger: ReapQueue;
  readonly quarantine: Quarantine;
  /** Pause and resume. */
  readonly control: QueueControl;
  readonly scans: QueueScanBook;
  /** What `status` and the metrics ask. */
  readonly status: StatusSource;
  readonly run: CompactJobDeps;
  readonly reaper: Reaper;
  /** One scan; no call outlives the signal by much. */
  scan(fsId: number, parts: ScanParts, options: ScanOptions): Promise<ScanReport>;
  /** What keeps objects from being deleted, and what people see of that. */
  readonly holds: Holds;
  readonly holdBook: HoldBook;
  /** What this process reports about its work. */
  readonly observer: Observer;
  /** The limits on requests to S3, to be looked at. */
  readonly pace: Pace;
  /** Throws `filesystem-missing`, `inode-missing`, `inode-not-s3` or `inode-unlinked` (halt). */
  requireFile(key: InodeKey): Promise<void>;
  close(): Promise<void>;
}

/** Made once the servers are there: metrics of a process have timers that nothing ends. */
export async function openWorkBase(settings: Settings, log: Logger, connection: RedisClient) {
  const limits = limitsOf(settings);
  const tracing = await openTracing();
  const metrics = isWatched(settings) ? new Metrics({ scopes: ['process'] }) : undefined;
  const observer = new Observer({ log, limits, metrics, tracer: tracing?.tracer });
  const pace = openPace(settings, { connection, onWaited: (limit, ms) => observer.waited(limit, ms) });
  observer.metrics?.addSource(limitGauges(pace));
  observer.limitsWaitedFor = () => limitsWaitedFor(pace.snapshot());
  return { settings, connection, limits, tracing, observer, pace };
}

export type WorkBase = Awaited<ReturnType<typeof openWorkBase>>;

/** The queues, and what is kept beside them for one metadata store. */
export function openQueues({ settings, connection, observer, limits }: WorkBase, storeId: string) {
  const { queuePrefix: prefix, jobTries, retryDelayMs, lockDurationMs, uploadWaitMs } = settings;
  const queues = { connection, prefix };
  const ledger = new ReapQueue(queues);
  const queue = new CompactQueue({
    ...queues,
    jobTries,
    retryDelayMs,
    lockDurationMs,
    onGivenBack: (jobIds) => observer.jobsGivenBack(COMPACT_QUEUE, jobIds),
  });
  const quarantine = new Quarantine(queues, storeId);
  const control = new QueueControl({ ...queues, compact: queue.queue, reap: ledger.queue });
  return {
    queues,
    ledger,
    queue,
    quarantine,
    control,
    scans: new QueueScanBook(queues, storeId),
    holdBook: new HoldBook(queues, storeId),
    status: { ...queues, queue, ledger },
    /** Of a run, all but how it compacts. */
    run: { ledger: observedLedger(ledger, observer), queue, quarantine, control, limits, jobTries, uploadWaitMs },
  };
}

/** Throws `queue-unavailable` (retry) or `queue-unfit` (halt). */
export async function openQueueRedis(settings: Settings, log: Logger, connectMs: number): Promise<RedisClient> {
  const connection = connectRedis(settings.redisUrl, {
    profile: 'producer',
    timeoutMs: settings.redisTimeoutMs,
    onError: (error) => log.debug({ event: LOG_EVENTS.queueLost, err: error }, "the queue's Redis is not reachable"),
  });
  try {
    const fault = await whenReady(connection, connectMs);
    if (fault !== null) {
      throw new CompactError(`the queue's Redis ${fault.message}; check REDIS_URL and the server`, {
        kind: fault.refused ? 'halt' : 'retry',
        code: 'queue-unavailable',
        cause: fault.cause,
      });
    }
    const warnings = await checkRedisFit(connection, { name: "queue's", graceMs: settings.graceMs });
    for (const warning of warnings) log.info({ event: LOG_EVENTS.redisUnguarded }, `the queue's Redis ${warning}`);
    return connection;
  } catch (error) {
    connection.disconnect();
    throw error;
  }
}

/** Whether anybody gets the metrics. */
function isWatched({ metricsPort, pushgatewayUrl }: Settings): boolean {
  return metricsPort !== 0 || pushgatewayUrl !== undefined;
}

function limitsOf(settings: Settings): CompactLimits {
  return {
    policy: planPolicy(settings),
    chunksMax: settings.maxChunks,
    bytesMax: settings.maxBytes,
    requestsMax: settings.maxRequests,
    durationMaxMs: settings.maxRunMs,
    leaseMs: settings.leaseMs,
    graceMs: settings.graceMs,
    commitTimeoutMs: settings.redisTimeoutMs,
    quietMs: settings.quietPeriodMs,
    blocksInFlight: settings.blocksInFlight,
    getsInFlight: settings.getsInFlight,
  };
}
