/**
 * From settings to clients: the one place where Redis, S3, the queues and the dependencies of a run are put together,
 * for workers and commands alike. It opens and closes; it decides nothing and starts no work.
 */

import { randomUUID } from 'node:crypto';
import { endsWithin, systemClock } from '../clock.ts';
import { AttemptIds } from '../compact/attempt.ts';
import { planPolicy } from '../compact/choose-chunks.ts';
import type { CompactLimits } from '../compact/compact-inode.ts';
import { protocolOf } from '../compact/protocol.ts';
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import type { GcDeps } from '../gc/gc.ts';
import { CurvefsMetadata } from '../metadata/curvefs/curvefs.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import { storesWithRetries } from '../objects/retrying-store.ts';
import { type S3Credentials, S3ObjectStores, type S3StoresSettings } from '../objects/s3/stores.ts';
import { LOG_EVENTS, type Logger } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { Pace } from '../pace/pace.ts';
import type { QueueOptions } from '../queue/bullmq.ts';
import { COMPACT_QUEUE, CompactQueue } from '../queue/compact-queue.ts';
import { QueueGcBook } from '../queue/gc-book.ts';
import { HoldBook } from '../queue/hold-book.ts';
import { QueueInstallation } from '../queue/installation.ts';
import { QueueControl } from '../queue/pause.ts';
import { Quarantine } from '../queue/quarantine.ts';
import { ReapQueue } from '../queue/reap-queue.ts';
import { QueueScanBook } from '../queue/scan-book.ts';
import type { StatusSource } from '../queue/status.ts';
import { Ownership } from '../reap/bucket-owner.ts';
import { Holds } from '../reap/holds.ts';
import type { ReapDeps } from '../reap/reap-record.ts';
import { SharedLists } from '../reap/referenced-objects.ts';
import { StoredObjects } from '../reap/stored-objects.ts';
import { checkRedisFit, connectRedis } from '../redis/client.ts';
import { type RedisClient, whenReady } from '../redis/link.ts';
import { ObservedMemory, observedLedger, observedMetadata } from './observed-ports.ts';
import { Observer } from './observer.ts';
import { metadataAddresses, openMetadata, requireAnswer } from './open-metadata.ts';
import { limitGauges, limitsWaitedFor, openPace } from './open-pace.ts';
import { openPrimaries } from './primaries.ts';
import type { CompactJobDeps } from './run-inode.ts';
import { openTracing } from './tracing.ts';

/** How long closing may wait for a server that is away; a part of a pod's 30 s to end (workers/worker.ts). */
const CLOSE_WAIT_MS = 1_000;

/** Enough never to meet another one's, and few enough to type. */
const HOLD_ID_CHARACTERS = 8;

/** How long keys that are kept beside the metadata are used before they are asked for again. */
const KEYS_FRESH_MS = 15 * 60_000;
/** The names by which an environment gives the SDK credentials; any of them wins over those. */
const KEY_SOURCES = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'],
];

/** Everything that a worker or a command needs to do work. */
export interface Clients {
  readonly settings: Settings;
  readonly metadata: MetadataStore;
  readonly queue: CompactQueue;
  readonly ledger: ReapQueue;
  readonly quarantine: Quarantine;
  /** Pause and resume. */
  readonly control: QueueControl;
  readonly scans: QueueScanBook;
  /** What `status` and the metrics ask. */
  readonly status: StatusSource;
  readonly run: CompactJobDeps;
  readonly reap: ReapDeps;
  /** Whose the objects in a bucket are. */
  readonly ownership: Ownership;
  /** What keeps objects from being deleted, and what people see of that. */
  readonly holds: Holds;
  readonly holdBook: HoldBook;
  /** What this process reports about its work. */
  readonly observer: Observer;
  /** The limits on requests to S3, to be looked at. */
  readonly pace: Pace;
  /** What gc needs for the file system with this uuid. */
  gc(fsUuid: string): GcDeps;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** How long the Redis servers may take to be there; default as long as a command may take. */
  readonly connectMs?: number;
  /**
   * required: throws `metadata-unavailable` (retry) where the metadata store does not answer by then. checked: it is
   * checked if it answers by then; the usual. unasked: for those who need the queue only, or tell that it is away.
   */
  readonly metadata?: 'required' | 'checked' | 'unasked';
}

/**
 * Connects to everything and checks that the Redis servers are fit. Throws `queue-unavailable` (retry), `queue-unfit`,
 * `metadata-refused` or `settings-invalid` (halt).
 */
export async function openClients(
  settings: Settings,
  log: Logger,
  { connectMs = settings.redisTimeoutMs, metadata: need = 'checked' }: OpenOptions = {},
): Promise<Clients> {
  const connection = await openQueueRedis(settings, log, connectMs);
  const limits = limitsOf(settings);
  const tracing = await openTracing();
  const metrics = isWatched(settings) ? processMetrics() : undefined;
  const observer = new Observer({ log, limits, metrics, tracer: tracing?.tracer });
  const metadata = observedMetadata(await openMetadata(settings), observer);
  const primaries = openPrimaries(settings, { connection, metadata, log });
  const pace = openPace(settings, { connection, onWaited: (limit, ms) => observer.waited(limit, ms) });
  observer.metrics?.addSource(limitGauges(pace));
  observer.limitsWaitedFor = () => limitsWaitedFor(pace.snapshot());
  const objects = openObjects(settings, log, { keys: keysFrom(metadata), observer, pace });
  probeWith(observer, settings, metadata);
  const ledger = new ReapQueue({ connection, prefix: settings.queuePrefix });
  const { jobTries, retryDelayMs, lockDurationMs } = settings;
  const queue = new CompactQueue({
    ...{ connection, prefix: settings.queuePrefix, jobTries, retryDelayMs, lockDurationMs },
    onGivenBack: (jobIds) => observer.jobsGivenBack(COMPACT_QUEUE, jobIds),
  });
  const queues = { connection, prefix: settings.queuePrefix };
  const quarantine = new Quarantine(queues, metadata.storeId);
  const control = new QueueControl({ ...queues, compact: queue.queue, reap: ledger.queue });
  const scans = new QueueScanBook(queues, metadata.storeId);
  const ownership = openOwnership(settings, { metadata, objects, queues });
  const holds = openHolds(objects, ledger);
  const guards = [ownership.guard, primaries.guard, holds.guard];
  const close = async (): Promise<void> => {
    objects.close();
    primaries.close();
    const all = [queue.close(), ledger.close(), metadata.close(), tracing?.close()];
    await endsWithin(Promise.allSettled(all), CLOSE_WAIT_MS);
    connection.disconnect();
  };
  try {
    // What it did not find out by then is asked again before anything is deleted.
    const checked = need === 'unasked' || endsWithin(primaries.start(connectMs), connectMs);
    await Promise.all([checked, need !== 'required' || requireAnswer(metadata, settings.metadataUrl, connectMs)]);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ settings, metadata, queue, ledger, quarantine, control, scans, ownership, holds, observer, pace },
    holdBook: new HoldBook(queues, metadata.storeId),
    status: { ...queues, queue, ledger },
    run: {
      ...{ metadata, objects, queue, quarantine, control, limits },
      ledger: observedLedger(ledger, observer),
      clock: systemClock,
      memory: new ObservedMemory(settings.memoryBytes, observer),
      attemptIds: new AttemptIds(),
      jobTries: settings.jobTries,
      uploadWaitMs: settings.uploadWaitMs,
      requireOwner: (filesystem) => ownership.require(filesystem),
    },
    reap: {
      ...{ metadata, objects, guards, refuseEarly: holds.refuseEarly },
      nowMs: () => ledger.nowMs(),
      graceMs: protocolOf(metadata).graceMs(limits),
      lists: new SharedLists(),
      stored: new StoredObjects(),
    },
    gc: (fsUuid) => ({
      ...{ metadata, objects, records: ledger, guards },
      book: new QueueGcBook({ connection, prefix: settings.queuePrefix }, { storeId: metadata.storeId, fsUuid }),
      nowMs: () => ledger.nowMs(),
      quarantined: (keys) => quarantine.among(keys),
    }),
    close,
  };
}

async function openQueueRedis(settings: Settings, log: Logger, connectMs: number): Promise<RedisClient> {
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

/** Each bucket may have all its requests under way, and two share a client without waiting for a socket. */
const SOCKETS_PER_REQUEST = 2;

/** The S3 buckets, with retries and limits. */
export function openObjects(
  settings: Settings,
  log: Logger,
  {
    keys,
    observer,
    pace = openPace(settings),
  }: {
    readonly keys: KeySource;
    readonly observer?: Observer;
    readonly pace?: Pace;
  },
): ObjectStores {
  const retries = { clock: systemClock, patienceMs: settings.s3PatienceMs, pace };
  const stores = openStores(settings, log, keys);
  return storesWithRetries(stores, { ...retries, observer });
}

/** The S3 buckets as they are. */
export function openStores(settings: Settings, log: Logger, keys: KeySource): S3ObjectStores {
  return new S3ObjectStores({
    maxSockets: SOCKETS_PER_REQUEST * settings.requestsInFlight,
    ...(settings.s3Endpoint === undefined ? {} : { endpoint: settings.s3Endpoint }),
    ...(settings.s3Region === undefined ? {} : { region: settings.s3Region }),
    ...(settings.forcePathStyle === undefined ? {} : { forcePathStyle: settings.forcePathStyle }),
    requestTimeoutMs: settings.s3TimeoutMs,
    dataPath: settings.s3DataPath,
    requestChecksums: settings.s3RequestChecksums,
    responseChecksums: settings.s3ResponseChecksums,
    log: (message: string) => log.warn(message),
    ...keys,
  });
}

/** What keeps objects from being deleted. */
export function openHolds(objects: ObjectStores, ledger: ReapQueue, clock = systemClock): Holds {
  return new Holds({
    objects,
    clock,
    nowMs: () => ledger.nowMs(),
    hostNowMs: () => Date.now(),
    newId: () => randomUUID().replaceAll('-', '').slice(0, HOLD_ID_CHARACTERS),
  });
}

/** Whose the objects in the buckets are, asked for this installation. */
export function openOwnership(
  settings: Settings,
  parts: { readonly metadata: MetadataStore; readonly objects: ObjectStores; readonly queues: QueueOptions },
): Ownership {
  const { metadata, objects, queues } = parts;
  const { addresses, database } = metadataAddresses(settings.metadataUrl);
  return new Ownership({
    ...{ storeId: metadata.storeId, objects, addresses },
    installation: new QueueInstallation(queues),
    // A CurveFS cluster is no single server that could tell itself from another.
    ...(database === undefined
      ? {}
      : { server: async (fsId) => serverId(await metadata.incarnation({ fsId, inodeId: 0n }), database) }),
    monotonicMs: () => systemClock.monotonicMs(),
  });
}

/** A server that does not say which life it is could be any: it is the very same as none (I10). */
function serverId(incarnation: string, database: number): string | undefined {
  return incarnation.trim() === '' ? undefined : `${incarnation}/${database}`;
}

export type KeySource = Pick<S3StoresSettings, 'credentialsOf'>;

/** The keys that an MDS keeps for its file systems. */
export function keysFrom(metadata: MetadataStore): KeySource {
  return metadata instanceof CurvefsMetadata ? keptKeys(({ fsId }) => metadata.s3Keys(fsId)) : {};
}

/** Keys that are kept beside the metadata, unless the environment says whose are to be used. */
export function keptKeys(ask: (filesystem: Filesystem) => Promise<S3Credentials>): KeySource {
  if (KEY_SOURCES.some((name) => (process.env[name] ?? '') !== '')) return {};
  return {
    credentialsOf: async (filesystem) => ({
      ...(await ask(filesystem)),
      // Keys may be changed there; a worker runs for months.
      expiration: new Date(Date.now() + KEYS_FRESH_MS),
    }),
  };
}

/** Whether anybody gets the metrics. */
function isWatched({ metricsPort, pushgatewayUrl }: Settings): boolean {
  return metricsPort !== 0 || pushgatewayUrl !== undefined;
}

/** What every process counts for itself; the pod's own metrics are in metrics.ts. */
function processMetrics(): Metrics {
  return new Metrics({ scopes: ['process'] });
}

/** How a server that failed is asked whether it is back. */
function probeWith(observer: Observer, { s3Endpoint }: Settings, metadata: MetadataStore): void {
  // Any answer is one: the observer of every call sees it.
  observer.metadata.probe = () => metadata.getFilesystem(0);
  if (s3Endpoint === undefined) return;
  observer.store.probe = async (signal) => {
    const { status } = await fetch(s3Endpoint, { method: 'HEAD', redirect: 'manual', signal });
    if (status >= 500) throw new Error(`the server answered ${status}`);
  };
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
