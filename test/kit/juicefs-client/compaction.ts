/**
 * What clients do to lists behind everybody's back: their own compaction, which leaves large leading records, writes holes
 * out as zeros, and swaps the head of the list only if it still is what was read.
 */
import { encodeSlice, type RawSlice } from '../juicefs/encode.ts';
import { delayedValue } from './client.ts';
import { type ModelVolume, overlay, sliceField } from './volume.ts';

const RECORDS_MAX = 1_000;
const READ_LIMIT = 5;
const LARGE = 1024 * 1024;
const LARGE_SHARE = 5;

/** What would become one slice: from the first visible byte to the last. */
function spanOf(records: readonly RawSlice[]) {
  const pieces = overlay(records);
  const visible = pieces.filter(({ id }) => id > 0);
  const [first, last] = [visible[0], visible.at(-1)];
  // Of zeros alone one byte is written, where the last of them begins.
  if (first === undefined || last === undefined)
    return { pos: pieces.at(-1)?.pos ?? 0, size: pieces.length > 0 ? 1 : 0, visible };
  return { pos: first.pos, size: last.pos + last.len - first.pos, visible };
}

/** Whether a read of this list makes a client compact it. */
export function isDue(records: readonly RawSlice[]): boolean {
  let [parts, end] = [0, 0];
  for (const { pos, len } of overlay(records)) {
    parts += pos > end ? 2 : 1;
    end = pos + len;
  }
  return records.length >= READ_LIMIT || parts >= READ_LIMIT;
}

function leftAlone(records: readonly RawSlice[]): number {
  for (const [n, head] of records.entries()) {
    const rest = records.slice(n);
    const { size, visible } = spanOf(rest);
    const seen = visible[0];
    const isWhole = seen?.pos === head.pos && seen.id === head.id && seen.off === head.off && seen.len === head.len;
    const isAgain = rest.slice(1).some((other) => encodeSlice(other).equals(encodeSlice(head)));
    if (head.len < LARGE || head.len * LARGE_SHARE < size || !isWhole || isAgain) return n;
  }
  return records.length;
}

export type CompactionEnd = 'nothing' | 'unread' | 'lost' | 'done';

/** One compaction of one chunk, as a client makes it in the background. */
export async function compactChunk(volume: ModelVolume, inode: number | bigint, chunk: number): Promise<CompactionEnd> {
  const read = (await volume.list(inode, chunk)).slice(0, RECORDS_MAX);
  const skipped = read.slice(0, leftAlone(read));
  const merged = read.slice(skipped.length);
  const { pos, size, visible } = spanOf(merged);
  if (merged.length < 2 || size === 0) return 'nothing';
  for (const { pos: at, len } of skipped)
    if (at < pos + size && pos < at + len) throw new Error('the client panics: a record that it leaves alone overlaps');
  const content = new Uint8Array(size);
  for (const piece of visible) {
    const bytes = await volume.sliceBytes(piece);
    if (bytes === null) return 'unread';
    content.set(bytes, piece.pos - pos);
  }
  const slice = { id: await volume.newId(), size };
  await volume.putSlice(slice.id, content);
  const record = { pos, id: slice.id, size, off: 0, len: size };
  return commit(volume, { key: volume.key(`c${inode}_${chunk}`), read, skipped, merged, record });
}

interface Compaction {
  readonly key: string;
  readonly read: readonly RawSlice[];
  readonly skipped: readonly RawSlice[];
  readonly merged: readonly RawSlice[];
  readonly record: RawSlice;
}

async function commit(volume: ModelVolume, { key, read, skipped, merged, record }: Compaction): Promise<CompactionEnd> {
  const references = volume.key('sliceRef');
  const gone = merged.filter(({ id }) => id > 0);
  const keepsForDays = volume.options.trashDays > 0;
  const answers = await volume.transaction([key], async (queued) => {
    const now = await volume.redis.lrangeBuffer(key, 0, read.length - 1);
    if (!Buffer.concat(now).equals(Buffer.concat(read.map(encodeSlice)))) return null;
    for (const slice of keepsForDays ? [] : gone) queued.hincrby(references, sliceField(slice), -1);
    queued.ltrim(key, read.length, -1);
    queued.lpush(key, ...[...skipped, record].toReversed().map(encodeSlice));
    queued.hset(references, sliceField(record), '0');
    if (keepsForDays && gone.length > 0)
      queued.hset(volume.key('delSlices'), `${record.id}_${volume.now()}`, delayedValue(gone));
    return queued;
  });
  if (answers === null) {
    await volume.redis.hincrby(references, sliceField(record), -1);
    await volume.deleteSlice(record);
    return 'lost';
  }
  await forgetZero(volume, sliceField(record));
  if (keepsForDays) return 'done';
  for (const [n, slice] of gone.entries()) if (Number(answers[n]) < 0) await volume.deleteSlice(slice);
  return 'done';
}

/** A field that says 0 says no more than none. */
export async function forgetZero(volume: ModelVolume, field: string): Promise<void> {
  const references = volume.key('sliceRef');
  await volume.transaction([references], async (queued) => {
    if ((await volume.redis.hget(references, field)) !== '0') return null;
    return queued.hdel(references, field);
  });
}
