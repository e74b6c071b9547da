/**
 * Object names and record text: the only place that parses or prints them (facts: CurveFS `s3util.h`, docs/format.md).
 * Readers, writers, the reaper and the garbage collector must agree on these to the letter, so nobody else spells them.
 * Text that is not exactly what `print` gives is refused: the commit compares lists by their text.
 */
import { CompactError } from './errors.ts';
import {
  type Filesystem,
  type InodeKey,
  type ObjectId,
  type ObjectPrefix,
  type S3ChunkInfo,
  UINT64_MAX,
} from './model.ts';

const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/;
/** Optional directories of the prefixed forms, then fsId_inodeId_chunkId_blockIndex_compaction. */
const OBJECT_NAME = /^(?:\d+\/\d+\/\d+\/)?(\d+)_(\d+)_(\d+)_(\d+)_(\d+)$/;

/** The name of one object in its bucket; prefix 0 is flat, 1 and 2 have directories. */
export function objectName(key: InodeKey, object: ObjectId, prefix: ObjectPrefix): string {
  const base = `${key.fsId}_${key.inodeId}_${object.chunkId}_${object.blockIndex}_${object.compaction}`;
  if (prefix === 0) return base;
  const thousands = key.inodeId / 1000n;
  if (prefix === 1) return `${key.fsId}/${thousands / 1000n}/${thousands}/${base}`;
  return `${key.fsId}/${key.inodeId % 256n}/${thousands}/${base}`;
}

/** What decides the names of a file system's objects. */
const LAYOUT = ['blockSize', 'chunkSize', 'objectPrefix'] as const;
export type Layout = Pick<Filesystem, (typeof LAYOUT)[number]>;

/** The first part of the layout that differs: to one of the two, objects of the other look unreferenced. */
export function changedLayout(was: Layout, now: Layout): keyof Layout | undefined {
  return LAYOUT.find((field) => was[field] !== now[field]);
}

/** What the names of s3compact's own objects begin with; no name of the layout does, in any of its forms. */
export const OWN_NAMES = 's3compact-';

/** The object that says whose the objects of a file system number are in a bucket (docs/adr/0019). */
export function ownerObjectName(fsId: number): string {
  return `${OWN_NAMES}owner-${fsId}`;
}

/**
 * What the names of the holds of a file system number begin with, and an id follows (docs/adr/0022). They begin as
 * the owner's, so that one listing shows both, and one that does not show the owner is none.
 */
export function holdNamesBegin(fsId: number): string {
  return `${ownerObjectName(fsId)}_hold-`;
}

/** What the names of all objects of an inode begin with, and no other name does. */
export function namesBegin(key: InodeKey, prefix: ObjectPrefix): string {
  return objectName(key, { chunkId: 0n, compaction: 0n, blockIndex: 0 }, prefix).slice(0, -'0_0_0'.length);
}

/** The parts of an object name, or `null` for a name that this layout does not make. */
export function parseObjectName(name: string): { readonly key: InodeKey; readonly object: ObjectId } | null {
  const match = OBJECT_NAME.exec(name);
  if (match === null) return null;
  const [, fs, inode, chunk, block, compaction] = match;
  const fsId = decimalNumber(fs);
  const inodeId = decimalId(inode);
  const chunkId = decimalId(chunk);
  const blockIndex = decimalNumber(block);
  const compactionId = decimalId(compaction);
  if (fsId === null || inodeId === null || chunkId === null || blockIndex === null || compactionId === null)
    return null;
  const parsed = { key: { fsId, inodeId }, object: { chunkId, blockIndex, compaction: compactionId } };
  const own = ([0, 1, 2] as const).some((prefix) => objectName(parsed.key, parsed.object, prefix) === name);
  return own ? parsed : null;
}

/** `chunkId,compaction,offset,len,size,zero`, decimal; zero is 0 or 1. */
export function printRecord(version: S3ChunkInfo): string {
  return `${version.chunkId},${version.compaction},${version.offset},${version.len},${version.size},${version.zero ? 1 : 0}`;
}

/** The version that a record names. Throws `record-malformed` (halt) with the text for anything else. */
export function parseRecord(text: string): S3ChunkInfo {
  const fields = text.split(',');
  const [chunk, comp, off, length, bytes, flag] = fields;
  const chunkId = decimalId(chunk);
  const compaction = decimalId(comp);
  const offset = decimalNumber(off);
  const len = decimalNumber(length);
  const size = decimalNumber(bytes);
  const whole = fields.length === 6 && (flag === '0' || flag === '1');
  if (!whole || chunkId === null || compaction === null || offset === null || len === null || size === null) {
    throw new CompactError(
      `the version record ${JSON.stringify(text.slice(0, 200))} is not "chunkId,compaction,offset,len,size,zero" in decimal with offsets up to 2^53; nothing was changed`,
      { kind: 'halt', code: 'record-malformed' },
    );
  }
  return { chunkId, compaction, offset, len, size, zero: flag === '1' };
}

/** Whether both are one version, with everything that a record tells of it. */
export function sameVersion(a: S3ChunkInfo, b: S3ChunkInfo | undefined): boolean {
  return (
    b !== undefined &&
    a.chunkId === b.chunkId &&
    a.compaction === b.compaction &&
    a.offset === b.offset &&
    a.len === b.len &&
    a.size === b.size &&
    a.zero === b.zero
  );
}

/** A canonical decimal of at most 2^64-1, or `null`. */
export function decimalId(text: string | undefined): bigint | null {
  if (text === undefined || !DECIMAL.test(text)) return null;
  const value = BigInt(text);
  return value <= UINT64_MAX ? value : null;
}

/** A canonical decimal of at most 2^53-1, or `null`. */
export function decimalNumber(text: string | undefined): number | null {
  if (text === undefined || !DECIMAL.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** The inode that `fsId/inodeId` names, or `null`. */
export function parseInodeKey(text: string): InodeKey | null {
  const [fs, inode, ...rest] = text.split('/');
  const fsId = decimalNumber(fs);
  const inodeId = decimalId(inode);
  return fsId === null || inodeId === null || rest.length > 0 ? null : { fsId, inodeId };
}

/** `fsId/inodeId`, for people and logs. */
export function printInodeKey(key: { readonly fsId: number; readonly inodeId: bigint | string }): string {
  return `${key.fsId}/${key.inodeId}`;
}

/** What a text says as JSON; `null` where it is none: who reads it checks its shape anyway. */
export function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
