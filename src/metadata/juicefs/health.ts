/**
 * Who uses a JuiceFS volume and whether its clients do their hourly jobs: for `doctor`. It stands alone because nothing else
 * needs it. It judges nothing.
 */
import type { ClientSession, VolumeHealth } from '../slice-volume.ts';
import { TRASH_INODE } from './decode.ts';
import type { VolumeReads } from './reads.ts';

/** Sessions that are shown; a volume with more is well used. */
const SESSIONS_MAX = 1_000;
const COUNTERS = ['lastCleanupFiles', 'lastCleanupTrash', 'nextCleanupSlices', 'usedSpace', 'totalInodes'] as const;

export async function readHealth(reads: VolumeReads): Promise<VolumeHealth> {
  const keys = COUNTERS.map((name) => reads.key(name));
  const values = await reads.calls.ask(keys[0] ?? '', () => reads.calls.redis.mget(...keys));
  const counter = (name: (typeof COUNTERS)[number]) => Number(values[COUNTERS.indexOf(name)] ?? 0);
  return {
    sessions: await sessions(reads),
    jobs: {
      deletedFiles: counter('lastCleanupFiles') * 1000,
      trash: counter('lastCleanupTrash') * 1000,
      slices: counter('nextCleanupSlices') * 1000,
    },
    hasTrash: (await reads.get(`i${TRASH_INODE}`)) !== null,
    usedBytes: counter('usedSpace'),
    inodes: counter('totalInodes'),
  };
}

async function sessions(reads: VolumeReads): Promise<readonly ClientSession[]> {
  const key = reads.key('allSessions');
  const flat = await reads.calls.ask(key, () =>
    reads.calls.redis.zrange(key, '0', String(SESSIONS_MAX - 1), 'WITHSCORES'),
  );
  const sids = flat.filter((_, n) => n % 2 === 0);
  if (sids.length === 0) return [];
  const infoKey = reads.key('sessionInfos');
  const infos = await reads.calls.ask(infoKey, () => reads.calls.redis.hmget(infoKey, ...sids));
  return sids.map((sid, n) => {
    const info = infoOf(infos[n]);
    return {
      sid,
      version: info('Version'),
      host: info('HostName'),
      mountPoint: info('MountPoint'),
      expiresMs: Number(flat[2 * n + 1]) * 1000,
    };
  });
}

/** Old clients tell nothing of themselves. */
function infoOf(text: string | null | undefined): (field: string) => string {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '{}');
  } catch {
    value = {};
  }
  const info: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  return (field) => (typeof info[field] === 'string' ? info[field] : 'unknown');
}
