/**
 * Who uses a JuiceFS volume, whether its clients do their hourly jobs, and what these have still to delete: delayed deletes,
 * slices without references, deleted files. Each of these is a key that may be large: all are read in pages, and only sums
 * are kept. It judges nothing.
 */
import type { ClientSession, VolumeHealth, Waiting, WaitingSlices } from '../slice-volume.ts';
import { parseDelayed, parseReferenceField, TRASH_INODE } from './decode.ts';
import { AT_ONCE, type VolumeReads } from './reads.ts';

/** Sessions that are shown; a volume with more is well used. */
const SESSIONS_MAX = 1_000;
const COUNTERS = ['lastCleanupFiles', 'lastCleanupTrash', 'nextCleanupSlices'] as const;
const DAY_MS = 24 * 3_600_000;
/** Clients look once an hour; what is so late is late. */
const LATE_MS = 2 * 3_600_000;

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
  };
}

async function sessions(reads: VolumeReads): Promise<readonly ClientSession[]> {
  const flat = await reads.ask('allSessions', (redis, key) =>
    redis.zrange(key, '0', String(SESSIONS_MAX - 1), 'WITHSCORES'),
  );
  const sids = flat.filter((_, n) => n % 2 === 0);
  if (sids.length === 0) return [];
  const infos = await reads.ask('sessionInfos', (redis, key) => redis.hmget(key, ...sids));
  return sids.map((_, n) => {
    const info = infoOf(infos[n]);
    return {
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

interface At {
  readonly trashDays: number;
  readonly nowMs: number;
}

export async function readWaiting(reads: VolumeReads, at: At): Promise<Waiting> {
  return { delayed: await delayed(reads, at), pending: await pending(reads), files: await deletedFiles(reads) };
}

async function delayed(reads: VolumeReads, { trashDays, nowMs }: At): Promise<Waiting['delayed']> {
  const sum = { slices: 0, bytes: 0, storedBytes: 0, overdueSlices: 0, malformed: 0 };
  for await (const pairs of reads.hashPages('delSlices')) {
    const entries = pairs.map(([field, value]) => parseDelayed(field.toString(), value));
    const found = entries.filter((entry) => entry !== null);
    sum.malformed += entries.length - found.length;
    const slices = found.flatMap((entry) => entry.slices.map((slice) => ({ ...slice, sinceMs: entry.sinceMs })));
    const referencesOf = await reads.references(slices);
    for (const { id, size, sinceMs } of slices) {
      sum.slices++;
      sum.bytes += size;
      sum.storedBytes += size / Math.max(1, referencesOf({ id, size, offset: 0, len: 0, from: 0 }));
      if (sinceMs + trashDays * DAY_MS + LATE_MS < nowMs) sum.overdueSlices++;
    }
  }
  return sum;
}

/** Those with fewer references than none, since the hash counts what comes on top of the first. */
async function pending(reads: VolumeReads): Promise<WaitingSlices> {
  const sum = { slices: 0, bytes: 0, storedBytes: 0 };
  for await (const pairs of reads.hashPages('sliceRef')) {
    for (const [field, value] of pairs) {
      const slice = value.toString().startsWith('-') ? parseReferenceField(field.toString()) : null;
      if (slice === null) continue;
      sum.slices++;
      sum.bytes += slice.size;
      sum.storedBytes += slice.size;
    }
  }
  return sum;
}

async function deletedFiles(reads: VolumeReads): Promise<Waiting['files']> {
  const sum = { count: 0, bytes: 0 };
  for (let from = 0; ; from += AT_ONCE) {
    const members = await reads.ask('delfiles', (redis, key) =>
      redis.zrange(key, String(from), String(from + AT_ONCE - 1)),
    );
    for (const member of members) {
      const [, length] = /^\d+:(\d+)$/.exec(member) ?? [];
      if (length === undefined) continue;
      sum.count++;
      sum.bytes += Number(length);
    }
    if (members.length < AT_ONCE) return sum;
  }
}
