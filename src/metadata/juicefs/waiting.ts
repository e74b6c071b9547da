/**
 * What clients' hourly jobs have still to delete: delayed deletes, slices without references, deleted files. It stands alone
 * because each is a key of its own that may be large: all are read in pages, and only sums are kept.
 */
import type { Waiting, WaitingSlices } from '../slice-volume.ts';
import { parseDelayed, parseReferenceField } from './decode.ts';
import type { VolumeReads } from './reads.ts';

const SCAN_COUNT = 1_000;
const DAY_MS = 24 * 3_600_000;
/** Clients look once an hour; what is so late is late. */
const LATE_MS = 2 * 3_600_000;

interface At {
  readonly trashDays: number;
  readonly nowMs: number;
}

export async function readWaiting(reads: VolumeReads, at: At): Promise<Waiting> {
  return { delayed: await delayed(reads, at), pending: await pending(reads), files: await deletedFiles(reads) };
}

async function delayed(reads: VolumeReads, { trashDays, nowMs }: At): Promise<Waiting['delayed']> {
  const sum = { slices: 0, bytes: 0, storedBytes: 0, overdueSlices: 0, malformed: 0 };
  for await (const pairs of hashPages(reads, 'delSlices')) {
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
  for await (const pairs of hashPages(reads, 'sliceRef')) {
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
  const key = reads.key('delfiles');
  const sum = { count: 0, bytes: 0 };
  for (let from = 0; ; from += SCAN_COUNT) {
    const members = await reads.calls.ask(key, () =>
      reads.calls.redis.zrange(key, String(from), String(from + SCAN_COUNT - 1)),
    );
    for (const member of members) {
      const [, length] = /^\d+:(\d+)$/.exec(member) ?? [];
      if (length === undefined) continue;
      sum.count++;
      sum.bytes += Number(length);
    }
    if (members.length < SCAN_COUNT) return sum;
  }
}

async function* hashPages(reads: VolumeReads, name: string): AsyncGenerator<readonly (readonly [Buffer, Buffer])[]> {
  const key = reads.key(name);
  let cursor = '0';
  do {
    const [next, flat] = await reads.calls.ask(key, () =>
      reads.calls.redis.hscanBuffer(key, cursor, 'COUNT', SCAN_COUNT),
    );
    const pairs: (readonly [Buffer, Buffer])[] = [];
    for (let n = 0; n + 1 < flat.length; n += 2) {
      const [field, value] = [flat[n], flat[n + 1]];
      if (field !== undefined && value !== undefined) pairs.push([field, value]);
    }
    yield pairs;
    cursor = next.toString();
  } while (cursor !== '0');
}
