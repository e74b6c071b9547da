/**
 * The questions of `s3compact doctor` about a volume of slices: can it be read, what of it would compaction refuse, do its
 * clients do their hourly jobs. Each check ends by itself, whatever is down. No check changes anything; no secret gets into a text.
 */
import { META_VERSION, sliceRefusals } from '../../compact/slice-refusals.ts';
import type { Settings } from '../../config/index.ts';
import { toError } from '../../errors.ts';
import { sliceNamesBegin } from '../../layout/slices/index.ts';
import type { SliceCommits } from '../../metadata/slice-commits.ts';
import type { SliceVolume, VolumeHealth, VolumeSetting, Waiting } from '../../metadata/slice-volume.ts';
import type { Logger } from '../../observe/log.ts';
import { parseJuicefsUrl } from '../../urls/juicefs.ts';
import { bytes, duration, plural, printable } from '../../view/words.ts';
import { type OpenedVolume, openVolumeObjects, openVolumeToChange, requireVolume } from '../../wiring/open-volume.ts';
import { type CodecOf, codecsOf } from '../../wiring/volume-codec.ts';
import { type Ask, type Check, type Found, failed, notAsked, ok, redisFound, warning } from '../doctor-check.ts';

/** Clients begin each job once an hour, some minutes more or less. */
const JOB_LATE_MS = 3 * 3_600_000;
const CLIENTS_SHOWN = 5;

const BEHIND = ['clients', 'hourly jobs', 'trash', 'compaction', 'bucket'] as const;

interface Asking {
  readonly settings: Settings;
  readonly log: Logger;
  readonly ask: Ask;
}

export async function runVolumeChecks(
  fsId: number,
  { connectMs, ...asking }: Asking & { readonly connectMs: number },
): Promise<readonly Check[]> {
  const { settings, ask } = asking;
  const fit = { name: 'metadata', timeoutMs: settings.redisTimeoutMs } as const;
  // A node of a cluster has no other database than 0.
  const nodesFound = () => redisFound({ ...parseJuicefsUrl(settings.metadataUrl), db: 0 }, fit);
  const checks: Check[] = [await ask('metadata', nodesFound)];
  let volume: SliceVolume | undefined;
  let commits: SliceCommits | undefined;
  let setting: VolumeSetting | undefined;
  try {
    const found = await ask('volume', async () => {
      ({ volume, commits } = await openVolumeToChange(settings, { connectMs }));
      setting = await requireVolume(fsId, volume);
      return volumeFound(setting);
    });
    checks.push(found);
    if (volume === undefined || commits === undefined || setting === undefined)
      return [...checks, ...BEHIND.map((check) => notAsked(check, found, 'metadata Redis'))];
    return [...checks, ...(await checksOf({ volume, commits }, setting, asking))];
  } finally {
    await volume?.close();
  }
}

async function checksOf(
  { volume, commits }: OpenedVolume,
  setting: VolumeSetting,
  { settings, log, ask }: Asking,
): Promise<readonly Check[]> {
  const nowMs = Date.now();
  const health = () => volume.health();
  return [
    await ask('clients', async () => clientsFound(await health(), nowMs)),
    await ask('hourly jobs', async () => jobsFound(await health(), nowMs)),
    await ask('trash', async () => trashFound(setting, await health(), await volume.waiting())),
    await ask('compaction', () => compactionFound(setting, { commits, codecOf: codecsOf(volume, settings) })),
    await ask('bucket', () => bucketFound(volume, setting, { settings, log })),
  ];
}

function volumeFound({ volume, blockSize, storage, compression, encryption, metaVersion }: VolumeSetting): Found {
  const secret = encryption === 'none' ? '' : `, encrypted with ${encryption}`;
  const packed = compression === 'none' ? '' : `, compressed with ${compression}`;
  const found = `${volume}: blocks of ${bytes(blockSize)} in a store of the kind "${storage}"${packed}${secret}`;
  if (metaVersion === META_VERSION) return ok(found);
  return failed(
    `${found}; its metadata has version ${metaVersion}`,
    `only version ${META_VERSION} is known: what is shown of it may be wrong`,
  );
}

function clientsFound({ sessions }: VolumeHealth, nowMs: number): Found {
  const live = sessions.filter(({ expiresMs }) => expiresMs > nowMs);
  const stale = sessions.length - live.length;
  if (live.length === 0) return ok(`none is connected${stale > 0 ? `; ${stale} ended without a word` : ''}`);
  const shown = live
    .slice(0, CLIENTS_SHOWN)
    .map(({ version, host, mountPoint }) => printable(`${version} on ${host} (${mountPoint})`));
  const more = live.length > shown.length ? `, and ${live.length - shown.length} more` : '';
  const found = `${plural(live.length, 'client')}: ${shown.join(', ')}${more}`;
  const fragile = live.filter(({ version }) => panics(version));
  if (fragile.length === 0) return ok(found);
  return warning(
    found,
    `${plural(fragile.length, 'client')} before 1.1.6 or 1.2.2 may crash while compacting lists with repeated records: upgrade`,
  );
}

/** Versions without the check against repeated records. */
function panics(version: string): boolean {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  if (major !== '1') return major === '0';
  return minor === '0' || (minor === '1' && Number(patch) < 6) || (minor === '2' && Number(patch) < 2);
}

function jobsFound({ jobs, sessions, hasTrash }: VolumeHealth, nowMs: number): Found {
  const rows = [
    ['deleted files', jobs.deletedFiles],
    ['unreferenced slices', jobs.slices],
    ...(hasTrash ? [['trash and replaced slices', jobs.trash] as const] : []),
  ] as const;
  const begun = rows.map(([name, ms]) => `${name} ${ms === 0 ? 'never' : `${duration(nowMs - ms)} ago`}`);
  const found = `begun: ${begun.join(', ')}`;
  const late = rows.filter(([, ms]) => ms + JOB_LATE_MS < nowMs);
  if (late.length === 0) return ok(found);
  const why =
    sessions.length === 0
      ? 'no client is connected'
      : 'a new volume has none in its first hour, and clients with --no-bgjob, --read-only or --max-deletes 0 do none';
  return warning(
    found,
    `what is deleted or replaced stays in the bucket: ${why}; keep one client that does them, or run "juicefs gc --delete" now and then`,
  );
}

function trashFound({ trashDays }: VolumeSetting, { hasTrash }: VolumeHealth, { delayed, pending }: Waiting): Found {
  const wait = `${plural(delayed.slices, 'replaced slice')} (${bytes(delayed.bytes)}) wait, ${plural(pending.slices, 'unreferenced one')}`;
  const found = `${plural(trashDays, 'day')}; ${wait}`;
  if (delayed.overdueSlices > 0 && !hasTrash)
    return warning(found, 'there is no trash, so nobody works off what waits: "juicefs gc --delete" does');
  if (delayed.overdueSlices > 0)
    return warning(
      found,
      `${plural(delayed.overdueSlices, 'slice')} should have been deleted by now: see the hourly jobs`,
    );
  if (trashDays === 0)
    return warning(
      found,
      'without trash clients delete what they replace at once: readers with an old list fail and try again',
    );
  return ok(found);
}

/** What compaction refuses, by the very rule of a run; and what the server does, asked for all that a run asks. */
async function compactionFound(
  setting: VolumeSetting,
  { commits, codecOf }: { readonly commits: SliceCommits; readonly codecOf: CodecOf },
): Promise<Found> {
  const refused = await commits.tryRights().then(
    () => [],
    (error: unknown) => [toError(error).message],
  );
  const reasons = [...sliceRefusals(setting), ...refused];
  // Throws where the key of its objects cannot be used.
  if (reasons.length === 0) await codecOf(setting);
  if (reasons.length === 0) return ok('nothing in the setting stands against it, and the server runs our scripts');
  return warning(`this volume is refused: ${reasons.join('; ')}`, 'only the commands that look work here');
}

async function bucketFound(
  volume: SliceVolume,
  setting: VolumeSetting,
  { settings, log }: { readonly settings: Settings; readonly log: Logger },
): Promise<Found> {
  if (setting.store === null) {
    const found = 'its objects cannot be looked at: they are not in one bucket of S3';
    return warning(found, 'fsck does not work; all that looks at lists does');
  }
  const objects = await openVolumeObjects(settings, log, { volume, setting });
  try {
    const begin = sliceNamesBegin(setting);
    const page = await objects.store.list(undefined, undefined, begin);
    const content = page.objects.length === 0 ? 'has no objects there' : 'has objects';
    return ok(`${setting.store.bucket} can be listed under ${begin} and ${content}`);
  } finally {
    objects.close();
  }
}
