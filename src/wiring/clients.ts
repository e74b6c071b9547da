/**
 * From settings to clients: the one place where Redis, S3, the queues and the dependencies of a run are put together,
 * for workers and commands alike. It opens and closes; it decides nothing and starts no work.
 */

import { randomUUID } from 'node:crypto';
import { endsWithin, systemClock } from '../clock.ts';
import { AttemptIds } from '../compact/attempt.ts';
import { protocolOf } from '../compact/protocol.ts';
import type { Settings } from '../config/index.ts';
import type { GcDeps } from '../gc/gc.ts';
import { CurvefsMetadata } from '../metadata/curvefs/curvefs.ts';
import { requireFilesystem, requireInode } from '../metadata/lookup.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { SliceVolume } from '../metadata/slice-volume.ts';
import type { Filesystem } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import { storesWithRetries } from '../objects/retrying-store.ts';
import { type S3Credentials, S3ObjectStores, type S3StoresSettings } from '../objects/s3/stores.ts';
import type { Logger } from '../observe/log.ts';
import type { Pace } from '../pace/pace.ts';
import type { QueueOptions } from '../queue/bullmq.ts';
import { QueueGcBook } from '../queue/gc-book.ts';
import { QueueInstallation } from '../queue/installation.ts';
import type { ReapQueue } from '../queue/reap-queue.ts';
import { Ownership } from '../reap/bucket-owner.ts';
import { Holds } from '../reap/holds.ts';
import type { ReapDeps } from '../reap/reap-record.ts';
import { SharedLists } from '../reap/referenced-objects.ts';
import { StoredObjects } from '../reap/stored-objects.ts';
import { scanFilesystem } from '../scan/scan.ts';
import { cancellableDeps } from './cancellable.ts';
import { ObservedMemory, observedMetadata } from './observed-ports.ts';
import type { Observer } from './observer.ts';
import { metadataAddresses, openMetadata, requireAnswer } from './open-metadata.ts';
import { openPace } from './open-pace.ts';
import { openPrimaries } from './primaries.ts';
import { reaperOfBlocks } from './reaper.ts';
import { compactorOfBlocks } from './run-inode.ts';
import { openQueueRedis, openQueues, openWorkBase, type WorkClients } from './work-clients.ts';

/** How long closing may wait for a server that is away; a part of a pod's 30 s to end (workers/worker.ts). */
export const CLOSE_WAIT_MS = 1_000;

/** A scan needs no bucket: one that does not tell its owner in this time keeps no scan waiting. */
const OWNER_WAIT_MS = 2_000;

/** Enough never to meet another one's, and few enough to type. */
const HOLD_ID_CHARACTERS = 8;

/** How long keys that are kept beside the metadata are used before they are asked for again. */
const KEYS_FRESH_MS = 15 * 60_000;
/**
 * The names by which an environment gives the SDK credentials; any of them wins over those. Not AWS_CONFIG_FILE, which may be there
 * for a region only: AWS_PROFILE says that its keys are meant.
 */
const KEY_SOURCES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_PROFILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
];

/** Everything that a command may need where files have blocks. */
export interface Clients extends WorkClients {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStores;
  readonly reap: ReapDeps;
  /** Whose the objects in a bucket are. */
  readonly ownership: Ownership;
  /** What gc needs for the file system with this uuid. */
  gc(fsUuid: string): GcDeps;
}

export interface OpenOptions {
  /** How long the Redis servers may take to be there; default as long as a command may take. */
  readonly connectMs?: number;
  /** Runs will be made in this process: what would end each of them, as a missing passphrase, is thrown at once. */
  readonly forRuns?: boolean;
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
  const base = await openWorkBase(settings, log, connection);
  const { limits, observer, pace, tracing } = base;
  const metadata = observedMetadata(await openMetadata(settings), observer);
  const primaries = openPrimaries(settings, { connection, metadata, log });
  const objects = openObjects(settings, log, { keys: keysFrom(metadata), observer, pace });
  probeWith(observer, settings, metadata);
  const { queues, run, ...parts } = openQueues(base, metadata.storeId);
  const { ledger, queue } = parts;
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
  const reap: ReapDeps = {
    metadata,
    objects,
    guards,
    refuseEarly: holds.refuseEarly,
    nowMs: () => ledger.nowMs(),
    graceMs: protocolOf(metadata).graceMs(limits),
    lists: new SharedLists(),
    stored: new StoredObjects(),
  };
  const compact = compactorOfBlocks({
    metadata,
    objects,
    ledger: run.ledger,
    clock: systemClock,
    attemptIds: new AttemptIds(),
    memory: new ObservedMemory(settings.memoryBytes, observer),
    requireOwner: (filesystem) => ownership.require(filesystem),
  });
  return {
    settings,
    metadata,
    objects,
    ...parts,
    ownership,
    holds,
    observer,
    pace,
    reap,
    run: { ...run, compact },
    reaper: reaperOfBlocks(reap),
    scan: scanOfBlocks(metadata, ownership),
    gc: gcOfBlocks({ metadata, objects, guards }, parts, queues),
    requireFile: async (key) => {
      await requireFilesystem(metadata, key.fsId);
      await requireInode(metadata, key);
    },
    close,
  };
}

/** What gc of a file system asks. */
function gcOfBlocks(
  ports: Pick<GcDeps, 'metadata' | 'objects' | 'guards'>,
  { ledger, quarantine }: Pick<Clients, 'ledger' | 'quarantine'>,
  queues: QueueOptions,
): Clients['gc'] {
  return (fsUuid) => ({
    ...ports,
    records: ledger,
    book: new QueueGcBook(queues, { storeId: ports.metadata.storeId, fsUuid }),
    nowMs: () => ledger.nowMs(),
    quarantined: (keys) => quarantine.among(keys),
  });
}

/** A scan ends before it queues anything where the bucket is somebody else's. */
function scanOfBlocks(metadata: MetadataStore, ownership: Ownership): Clients['scan'] {
  const refuseOther = (filesystem: Filesystem) => ownership.refuseOther(filesystem, AbortSignal.timeout(OWNER_WAIT_MS));
  return (fsId, parts, options) =>
    scanFilesystem(fsId, cancellableDeps({ ...parts, metadata, refuseOther }, options.signal), options);
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
    endpoint: settings.s3Endpoint,
    region: settings.s3Region,
    forcePathStyle: settings.forcePathStyle,
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
    storeId: metadata.storeId,
    objects,
    addresses,
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

type KeySource = Pick<S3StoresSettings, 'credentialsOf'>;

/** The keys that an MDS keeps for its file systems. */
export function keysFrom(metadata: MetadataStore): KeySource {
  return metadata instanceof CurvefsMetadata ? keptKeys(({ fsId }) => metadata.s3Keys(fsId)) : {};
}

/** Without keys of its own a volume relies on the environment, as its clients do. */
export async function volumeKeys(volume: Pick<SliceVolume, 'keys'>): Promise<KeySource> {
  const first = await volume.keys();
  return first === null ? {} : keptKeys(async () => (await volume.keys()) ?? first);
}

/** Keys that are kept beside the metadata, unless the environment says whose are to be used. */
function keptKeys(ask: (filesystem: Filesystem) => Promise<S3Credentials>): KeySource {
  if (KEY_SOURCES.some((name) => (process.env[name] ?? '') !== '')) return {};
  return {
    credentialsOf: async (filesystem) => ({
      ...(await ask(filesystem)),
      // Keys may be changed there; a worker runs for months.
      expiration: new Date(Date.now() + KEYS_FRESH_MS),
    }),
  };
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
