/**
 * From settings to a volume in the slice layout and its objects, for the commands that read one. Apart from the other
 * clients because such a volume needs no queue and no worker. It opens; but for which form a server has, it asks nothing.
 */
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import { CHUNK_BYTES } from '../layout/slices/index.ts';
import { JuicefsCommits } from '../metadata/juicefs/commits.ts';
import { type JuicefsOptions, JuicefsVolume } from '../metadata/juicefs/volume.ts';
import type { SliceCommits } from '../metadata/slice-commits.ts';
import type { SliceVolume, VolumeSetting } from '../metadata/slice-volume.ts';
import type { Filesystem } from '../model.ts';
import type { ObjectStore } from '../objects/port.ts';
import type { Logger } from '../observe/log.ts';
import { connectRedis } from '../redis/client.ts';
import { type RedisClient, whenReady } from '../redis/link.ts';
import { parseJuicefsUrl } from '../urls/juicefs.ts';
import type { RedisTarget } from '../urls/redis.ts';
import { replicasWanted } from './primaries.ts';

/** A volume is the one file system of its database. */
export const VOLUME_FS_ID = 1;
const DEFAULT_REGION = 'us-east-1';

/** Opens the volume at METADATA_URL, for reading. Throws `metadata-unavailable` (retry) or `metadata-refused` (halt). */
export async function openVolume(
  settings: Settings,
  { connectMs }: { readonly connectMs: number },
): Promise<SliceVolume> {
  return new JuicefsVolume(await volumePlace(settings, connectMs));
}

export interface OpenedVolume {
  readonly volume: SliceVolume;
  readonly commits: SliceCommits;
}

/** The same, and what changes it; closing the volume ends both. */
export async function openVolumeToChange(
  settings: Settings,
  { connectMs }: { readonly connectMs: number },
): Promise<OpenedVolume> {
  const place = await volumePlace(settings, connectMs);
  const commits = new JuicefsCommits({ ...place, replicas: replicasWanted(settings.metadataReplicas) });
  return { volume: new JuicefsVolume({ ...place, onClose: () => commits.close() }), commits };
}

async function volumePlace(settings: Settings, connectMs: number): Promise<JuicefsOptions> {
  const target = parseJuicefsUrl(settings.metadataUrl);
  const timeoutMs = settings.redisTimeoutMs;
  // JuiceFS writes a cluster of one known address like a single server, and asks it.
  const isCluster =
    target.form === 'single' ? await saysCluster(target, { timeoutMs, connectMs }) : target.form === 'cluster';
  const redis = await connected(isCluster ? { ...target, form: 'cluster' } : target, { timeoutMs, connectMs });
  return { redis, prefix: isCluster ? `{${target.db}}` : '', timeoutMs };
}

interface Times {
  readonly timeoutMs: number;
  readonly connectMs: number;
}

async function connected(target: RedisTarget, { timeoutMs, connectMs }: Times): Promise<RedisClient> {
  const redis = connectRedis(target, { profile: 'metadata', timeoutMs });
  const fault = await whenReady(redis, connectMs);
  if (fault === null) return redis;
  redis.disconnect();
  throw new CompactError(`the metadata Redis ${fault.message}; check METADATA_URL and the server`, {
    kind: fault.refused ? 'halt' : 'retry',
    code: fault.refused ? 'metadata-refused' : 'metadata-unavailable',
    cause: fault.cause,
  });
}

/** Where INFO is not allowed it counts as none; several addresses say it, too. */
async function saysCluster(target: RedisTarget, times: Times): Promise<boolean> {
  // A node of a cluster has no other database than 0.
  const redis = await connected({ ...target, db: 0 }, times);
  const info = await redis.info('cluster').catch(() => '');
  redis.disconnect();
  return /^cluster_enabled:1/m.test(info);
}

/** The setting of the volume; `fsId` must be its number. Throws `filesystem-missing` (halt). */
export async function requireVolume(fsId: number, volume: SliceVolume): Promise<VolumeSetting> {
  if (fsId === VOLUME_FS_ID) return volume.setting();
  throw new CompactError(
    `there is no file system ${fsId}: a JuiceFS volume is the one file system of its database, number ${VOLUME_FS_ID}; METADATA_URL names the database`,
    { kind: 'halt', code: 'filesystem-missing' },
  );
}

/** What the object adapter takes for a file system. Throws `store-refused` (halt) for a store that is none of S3's kind. */
export function volumeFilesystem(setting: VolumeSetting, settings: Settings): Filesystem {
  const { store, storage, shards, volume, uuid, blockSize } = setting;
  if (store === null) {
    const why =
      shards > 1
        ? `its objects are spread over ${shards} buckets`
        : `its objects are in a store of the kind "${storage}"`;
    throw new CompactError(
      `the objects of volume ${volume} cannot be looked at: ${why}; only S3 with one bucket is supported`,
      { kind: 'halt', code: 'store-refused' },
    );
  }
  return {
    fsId: VOLUME_FS_ID,
    uuid,
    name: volume,
    blockSize,
    chunkSize: CHUNK_BYTES,
    objectPrefix: 0,
    // As JuiceFS takes it where nobody says otherwise.
    ...(store.endpoint === undefined ? {} : { region: settings.s3Region ?? DEFAULT_REGION }),
    ...store,
    ...(settings.s3Endpoint === undefined ? {} : { endpoint: settings.s3Endpoint }),
  };
}

/** The bucket of the volume, with retries and limits; `close` ends it. */
export async function openVolumeObjects(
  settings: Settings,
  log: Logger,
  { volume, setting }: { readonly volume: SliceVolume; readonly setting: VolumeSetting },
): Promise<{ readonly store: ObjectStore; readonly close: () => void }> {
  const filesystem = volumeFilesystem(setting, settings);
  const { openObjects, volumeKeys } = await import('./clients.ts');
  const objects = openObjects(settings, log, { keys: await volumeKeys(volume) });
  return { store: objects.forFilesystem(filesystem), close: () => objects.close() };
}
