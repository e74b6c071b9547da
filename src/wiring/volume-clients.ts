/**
 * From settings to what works on a volume of slices: its metadata for reading and for changing, its bucket, the queues. The
 * other layout's are in clients.ts. It opens and closes; it decides nothing and starts no work.
 */
import { endsWithin, systemClock } from '../clock.ts';
import { AttemptIds } from '../compact/attempt.ts';
import { requireSliceFile } from '../compact/compact-slices.ts';
import { requireCompactable } from '../compact/slice-refusals.ts';
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import type { SliceVolume, VolumeSetting } from '../metadata/slice-volume.ts';
import type { Logger } from '../observe/log.ts';
import { QueueInstallation } from '../queue/installation.ts';
import type { RedisClient } from '../redis/link.ts';
import { scanWalk } from '../scan/scan.ts';
import { walkOfSlices } from '../scan/slices.ts';
import { layoutOf } from '../urls/juicefs.ts';
import { cancellableDeps, portView } from './cancellable.ts';
import { CLOSE_WAIT_MS, type OpenOptions, openClients, openHolds, openObjects, volumeKeys } from './clients.ts';
import { ObservedMemory, observedMetadata } from './observed-ports.ts';
import { type OpenedVolume, openVolumeToChange, requireVolume, VOLUME_FS_ID, volumeFilesystem } from './open-volume.ts';
import { reaperOfSlices } from './reaper.ts';
import { compactorOfSlices } from './run-inode.ts';
import { codecsOf } from './volume-codec.ts';
import { openQueueRedis, openQueues, openWorkBase, type WorkBase, type WorkClients } from './work-clients.ts';

/** What works on the files at METADATA_URL, whatever their layout. */
export function openWork(settings: Settings, log: Logger, options: OpenOptions = {}): Promise<WorkClients> {
  return layoutOf(settings.metadataUrl) === 'slices'
    ? openVolumeClients(settings, log, options)
    : openClients(settings, log, options);
}

/** Throws as openClients, and `filesystem-missing` (halt) where there is no volume. */
export async function openVolumeClients(
  settings: Settings,
  log: Logger,
  { connectMs = settings.redisTimeoutMs, forRuns = false }: OpenOptions = {},
): Promise<WorkClients> {
  const connection = await openQueueRedis(settings, log, connectMs);
  let opened: OpenedVolume | undefined;
  let base: WorkBase | undefined;
  try {
    await refuseVolumeAsQueue(connection);
    opened = await openVolumeToChange(settings, { connectMs });
    const own = await ownVolume(opened.volume, { connection, settings });
    // Last of all that waits for a server: a worker tries this again every second while one is away.
    base = await openWorkBase(settings, log, connection);
    const { observer, pace, tracing, limits } = base;
    const volume = observedMetadata(oneVolume(opened.volume, own), observer);
    const commits = observedMetadata(opened.commits, observer);
    observer.metadata.probe = () => volume.setting();
    const objects = openObjects(settings, log, { keys: await volumeKeys(volume), observer, pace });
    const filesystemOf = (setting: VolumeSetting) => volumeFilesystem(setting, settings);
    const objectsOf = (setting: VolumeSetting) => objects.forFilesystem(filesystemOf(setting));
    const { queues: _, run, ...parts } = openQueues(base, commits.storeId);
    const { ledger, queue } = parts;
    const nowMs = () => ledger.nowMs();
    const codecOf = codecsOf(volume, settings);
    if (forRuns) await codecOf(await volume.setting());
    const compact = compactorOfSlices({
      volume,
      commits,
      objectsOf,
      ledger: run.ledger,
      clock: systemClock,
      attemptIds: new AttemptIds(),
      codecOf,
      memory: new ObservedMemory(settings.memoryBytes, observer),
    });
    return {
      settings,
      ...parts,
      observer,
      pace,
      run: { ...run, compact },
      holds: openHolds(objects, ledger),
      metadata: {
        storeId: commits.storeId,
        // Any number is asked for: status and /readyz learn by it whether somebody answers.
        getFilesystem: async (fsId) => {
          const setting = await volume.setting();
          return fsId === VOLUME_FS_ID ? filesystemOf(setting) : null;
        },
      },
      reaper: reaperOfSlices({ volume, commits, objectsOf, filesystemOf, nowMs, graceMs: limits.graceMs }),
      scan: async (fsId, parts, options) => {
        const setting = await requireVolume(fsId, volume);
        requireCompactable(setting);
        const walk = walkOfSlices(volume, setting);
        return scanWalk(filesystemOf(setting), cancellableDeps({ ...parts, walk }, options.signal), options);
      },
      requireFile: async ({ fsId, inodeId }) => {
        await requireVolume(fsId, volume);
        await requireSliceFile(inodeId, volume);
      },
      close: async () => {
        objects.close();
        const all = [queue.close(), ledger.close(), volume.close(), tracing?.close()];
        await endsWithin(Promise.allSettled(all), CLOSE_WAIT_MS);
        connection.disconnect();
      },
    };
  } catch (error) {
    await endsWithin(Promise.allSettled([opened?.volume.close(), base?.tracing?.close()]), CLOSE_WAIT_MS);
    connection.disconnect();
    throw error;
  }
}

/** The volume, if this queue is its: no other's jobs and records are in there. */
async function ownVolume(
  volume: SliceVolume,
  { connection, settings }: Pick<WorkBase, 'connection' | 'settings'>,
): Promise<VolumeSetting> {
  const own = await volume.setting();
  const { queuePrefix: prefix } = settings;
  const served = await new QueueInstallation({ connection, prefix }).volume(own.uuid);
  if (served === own.uuid) return own;
  throw new CompactError(
    `the queue at REDIS_URL (QUEUE_PREFIX ${prefix}) is that of another JuiceFS volume, ${served}; METADATA_URL is volume ${own.volume}, ${own.uuid}. Give it a queue of its own: another database, or another QUEUE_PREFIX. Where ${served} is destroyed, its queue is of no use any more (docs/juicefs.md)`,
    { kind: 'halt', code: 'settings-invalid' },
  );
}

/** A view that refuses a volume which was formatted anew meanwhile: all work asks for the setting before it changes anything. */
function oneVolume(volume: SliceVolume, { uuid }: VolumeSetting): SliceVolume {
  return portView(volume, (name, call) => {
    if (name !== 'setting') return call;
    return async () => {
      const now = (await call()) as VolumeSetting;
      if (now.uuid === uuid) return now;
      throw new CompactError(
        `METADATA_URL is another JuiceFS volume now, ${now.volume}, ${now.uuid}; it was ${uuid} when this process began. Nothing was changed; start it again, with a queue of its own`,
        { kind: 'halt', code: 'filesystem-missing' },
      );
    };
  });
}

/** JuiceFS's own tools go over all keys of a volume's database, and some empty it. */
async function refuseVolumeAsQueue(connection: RedisClient): Promise<void> {
  if ((await connection.exists('setting')) === 0) return;
  throw new CompactError(
    'REDIS_URL is the database of a JuiceFS volume (it has the key "setting"): the queue needs a database of its own, as redis://host:6379/2',
    { kind: 'halt', code: 'settings-invalid' },
  );
}
