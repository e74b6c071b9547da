/**
 * The walk over all inodes and chunk lists of a JuiceFS volume: one SCAN over its keys, with the lists of each page read in
 * few round trips. A volume keeps no index of a file's lists: those within the length are read with the file, others (behind
 * its end after a truncate, or of a file that is gone) when SCAN comes by. Memory is bounded by the page, not by the volume.
 */
import { CompactError } from '../../errors.ts';
import { CHUNK_BYTES, type SliceRecord } from '../../layout/slices/index.ts';
import { damageOf } from '../port.ts';
import { walkKeys } from '../redis/walk.ts';
import type { SliceFile, SliceList, WalkPage, WalkPart } from '../slice-volume.ts';
import { type Attributes, fileOf, malformed, parseWalkKey } from './decode.ts';
import { LISTS_AT_ONCE, type VolumeReads } from './reads.ts';

/** Lists that are asked for because the length says so: 256 GiB of a file; those of larger ones come with SCAN. */
const CHUNKS_ASKED_MAX = 4_096;

/** A list to be read, and what it belongs to; `file: null` for one that is gone. */
interface Wanted {
  readonly inodeId: bigint;
  readonly file: SliceFile | null;
  readonly first: boolean;
  /** `null`: the file has none within its length. */
  readonly chunkIndex: number | null;
}

type Looked = ReadonlyMap<bigint, Attributes | CompactError | null>;

export async function* walkVolume(reads: VolumeReads, from?: string): AsyncGenerator<WalkPage> {
  for await (const { found, ...page } of walkKeys(reads.calls, reads.key('[ic]*'), from)) {
    const keys = found.map((key) => parseWalkKey(key.slice(reads.prefix.length))).filter((key) => key !== null);
    let { restarted } = page;
    for await (const part of partsOf(reads, keys)) {
      yield { ...part, restarted };
      restarted = false;
    }
    yield { parts: [], referencesOf: () => 1, cursor: page.cursor, restarted };
  }
}

type Part = Pick<WalkPage, 'parts' | 'referencesOf'>;

type WalkKey = NonNullable<ReturnType<typeof parseWalkKey>>;

async function* partsOf(reads: VolumeReads, keys: readonly WalkKey[]): AsyncGenerator<Part> {
  const inodeIds = [...new Set(keys.map(({ inodeId }) => inodeId))];
  const answers = await reads.attributes(inodeIds);
  const looked: Looked = new Map(inodeIds.map((inodeId, n) => [inodeId, answers[n] ?? null]));
  const manyParents = inodeIds.filter((inodeId) => {
    const at = looked.get(inodeId);
    return at !== null && at !== undefined && 'parent' in at && at.parent === 0n && at.type === 'file';
  });
  const trashed = await reads.trashed(manyParents);
  let wanted: Wanted[] = [];
  const done: WalkPart[] = [];
  for (const key of keys) {
    for (const one of wantedOf(key, { looked, trashed, done })) {
      wanted.push(one);
      if (wanted.length < LISTS_AT_ONCE) continue;
      yield* readPage(reads, wanted);
      wanted = [];
    }
  }
  yield* readPage(reads, wanted);
  if (done.length > 0) yield { parts: done, referencesOf: () => 1 };
}

/** What is to be read because of a key; what needs no more reading goes to `done`. */
function* wantedOf(
  { inodeId, chunkIndex }: WalkKey,
  at: { readonly looked: Looked; readonly trashed: ReadonlySet<bigint>; readonly done: WalkPart[] },
): Generator<Wanted> {
  const { looked, trashed, done } = at;
  const attributes = looked.get(inodeId) ?? null;
  if (attributes === null) {
    // Gone since the key was met, or long before: then its lists wait to be cleaned up.
    if (chunkIndex !== null) yield { inodeId, file: null, first: false, chunkIndex };
    return;
  }
  if (attributes instanceof CompactError) {
    if (chunkIndex === null) done.push({ kind: 'damaged', inodeId, error: attributes });
    return;
  }
  const file = fileOf(inodeId, attributes, trashed.has(inodeId));
  if (file === null) {
    if (chunkIndex === null) done.push({ kind: 'other', inodeId, type: attributes.type });
    else done.push({ kind: 'damaged', inodeId, error: listOfOther(inodeId, chunkIndex, attributes.type) });
    return;
  }
  const chunks = Math.ceil(file.length / CHUNK_BYTES);
  const asked = chunks <= CHUNKS_ASKED_MAX ? chunks : 0;
  if (chunkIndex !== null) {
    if (chunkIndex >= asked) yield { inodeId, file, first: false, chunkIndex };
    return;
  }
  if (asked === 0) yield { inodeId, file, first: true, chunkIndex: null };
  for (let n = 0; n < asked; n++) yield { inodeId, file, first: n === 0, chunkIndex: n };
}

async function* readPage(reads: VolumeReads, wanted: readonly Wanted[]): AsyncGenerator<Part> {
  if (wanted.length === 0) return;
  const keys = wanted.flatMap(({ inodeId, chunkIndex }) => (chunkIndex === null ? [] : [{ inodeId, chunkIndex }]));
  const lists = await reads.lists(keys);
  const parts: WalkPart[] = [];
  const records: SliceRecord[] = [];
  const long: Wanted[] = [];
  let at = 0;
  for (const one of wanted) {
    const list = one.chunkIndex === null ? [] : (lists[at++] ?? []);
    if (list === 'long' || list instanceof CompactError) {
      // A long one comes alone, in a page of its own, so that a page stays small; the file itself is reported now.
      if (list === 'long') long.push({ ...one, first: false });
      else parts.push({ kind: 'damaged', inodeId: one.inodeId, error: list });
      if (one.first) addPart(parts, { ...one, chunkIndex: null }, []);
    } else {
      addPart(parts, one, list);
      for (const record of list) records.push(record);
    }
  }
  yield { parts, referencesOf: await reads.references(records) };
  for (const one of long) yield await longPage(reads, one);
}

async function longPage(reads: VolumeReads, one: Wanted): Promise<Part> {
  const { inodeId, chunkIndex } = one;
  const parts: WalkPart[] = [];
  try {
    const list = await reads.list({ inodeId, chunkIndex: chunkIndex ?? 0 });
    addPart(parts, one, list);
    return { parts, referencesOf: await reads.references(list) };
  } catch (error) {
    return { parts: [{ kind: 'damaged', inodeId, error: damageOf(error) }], referencesOf: () => 1 };
  }
}

function addPart(
  parts: WalkPart[],
  { file, first, inodeId, chunkIndex }: Wanted,
  records: readonly SliceRecord[],
): void {
  // Without records there is no list: Redis keeps no empty ones.
  const lists: SliceList[] = chunkIndex === null || records.length === 0 ? [] : [{ chunkIndex, records }];
  if (file !== null) {
    if (first || lists.length > 0) parts.push({ kind: 'file', file, first, lists });
    return;
  }
  for (const list of lists) parts.push({ kind: 'gone', inodeId, list });
}

function listOfOther(inodeId: bigint, chunkIndex: number, type: string): CompactError {
  return malformed(inodeId, `inode ${inodeId} is a ${type} and has a list for chunk ${chunkIndex}, as only files have`);
}
