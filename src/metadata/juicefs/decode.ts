/**
 * JuiceFS's binary values as model data, checked: attributes, slice records, directory entries, delayed deletes, and the
 * keys they are found under. Big endian throughout. Pure, and the only place that knows the bytes. Whatever breaks the
 * format is refused by name, never repaired by guessing.
 */
import { CompactError, type ErrorCode } from '../../errors.ts';
import { decimalId, decimalNumber } from '../../format.ts';
import { recordFault, type SliceRecord } from '../../layout/slices/index.ts';
import type { FileState, SliceFile } from '../slice-volume.ts';

/** A volume is one file system. */
export const VOLUME_FS_ID = 1;
export const ROOT_INODE = 1n;
/** The trash's own inode; those of its directories follow. */
export const TRASH_INODE = 0x7fff_ffff_1000_0000n;

export const RECORD_BYTES = 24;
const ATTRIBUTE_BYTES = 72;
const ENTRY_BYTES = 9;
const DELAYED_BYTES = 12;

/** The kinds of inodes, by number from 1. */
const TYPES = ['file', 'directory', 'symlink', 'fifo', 'blockdev', 'chardev', 'socket'] as const;

export interface Attributes {
  readonly type: (typeof TYPES)[number];
  readonly mtimeMs: number;
  readonly nlink: number;
  readonly length: number;
  /** 0: it has several, in a hash of its own. */
  readonly parent: bigint;
}

/** Throws `inode-malformed` (halt). */
export function parseAttributes(inodeId: bigint, value: Buffer): Attributes {
  const refuse = (what: string) => malformed(inodeId, `the attributes of inode ${inodeId} ${what}`);
  if (value.length < ATTRIBUTE_BYTES) throw refuse(`have ${value.length} bytes instead of ${ATTRIBUTE_BYTES}`);
  const type = TYPES[(value.readUInt16BE(1) >> 12) - 1];
  if (type === undefined) throw refuse(`name a kind of inode that does not exist (${value.readUInt16BE(1) >> 12})`);
  const length = value.readBigUInt64BE(51);
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse(`name a length of ${length} bytes`);
  return {
    type,
    length: Number(length),
    nlink: value.readUInt32BE(47),
    parent: value.readBigUInt64BE(63),
    mtimeMs: Number(value.readBigInt64BE(23)) * 1000 + Math.floor(value.readUInt32BE(31) / 1_000_000),
  };
}

/** A file, or `null` for another kind of inode. `trashed`: what its several parents say, where it has them. */
export function fileOf(inodeId: bigint, attributes: Attributes, trashed = false): SliceFile | null {
  const { type, length, mtimeMs, nlink, parent } = attributes;
  if (type !== 'file') return null;
  let state: FileState = nlink === 0 ? 'unlinked' : 'live';
  if (state === 'live' && (parent >= TRASH_INODE || (parent === 0n && trashed))) state = 'trash';
  return { inodeId, length, mtimeMs, nlink, state };
}

/** Where a list stands. */
export interface ListPlace {
  readonly inodeId: bigint;
  readonly chunkIndex: number;
  /** Of the first of the values that are looked at, for messages. */
  readonly position?: number;
}

/** Throws `record-malformed` (halt) with the place of the first that is none. */
export function parseSlices(place: ListPlace, values: readonly Buffer[]): readonly SliceRecord[] {
  return values.map((value, n) => {
    const refuse = (what: string) => {
      const { inodeId, chunkIndex, position = 0 } = place;
      const where = `inode ${inodeId}, chunk ${chunkIndex}, record ${position + n}`;
      return malformed(inodeId, `${where}: ${what}; clients answer EIO for the whole chunk`, 'record-malformed');
    };
    if (value.length !== RECORD_BYTES) throw refuse(`it has ${value.length} bytes instead of ${RECORD_BYTES}`);
    const record = {
      offset: value.readUInt32BE(0),
      id: value.readBigUInt64BE(4),
      size: value.readUInt32BE(12),
      from: value.readUInt32BE(16),
      len: value.readUInt32BE(20),
    };
    const fault = recordFault(record);
    if (fault !== null) throw refuse(fault);
    return record;
  });
}

export function printSlice({ offset, id, size, from, len }: SliceRecord): Buffer {
  const value = Buffer.alloc(RECORD_BYTES);
  value.writeUInt32BE(offset, 0);
  value.writeBigUInt64BE(id, 4);
  value.writeUInt32BE(size, 12);
  value.writeUInt32BE(from, 16);
  value.writeUInt32BE(len, 20);
  return value;
}

/** A directory's entry: which kind of inode, and its number; `null` for what is none. */
export function parseEntry(value: Buffer): { readonly type: Attributes['type']; readonly inodeId: bigint } | null {
  const type = TYPES[(value[0] ?? 0) - 1];
  return value.length !== ENTRY_BYTES || type === undefined ? null : { type, inodeId: value.readBigUInt64BE(1) };
}

export type SliceName = Pick<SliceRecord, 'id' | 'size'>;

interface DelayedSlices {
  /** When they were put there. */
  readonly sinceMs: number;
  readonly slices: readonly SliceName[];
}

/** A field of the delayed deletes, `{id}_{seconds}`; `null` for what is none. */
export function parseDelayed(field: string, value: Buffer): DelayedSlices | null {
  const [id, seconds, ...rest] = field.split('_');
  const since = decimalNumber(seconds);
  if (decimalId(id) === null || since === null || rest.length > 0 || value.length % DELAYED_BYTES !== 0) return null;
  return { sinceMs: since * 1000, slices: parseSliceNames(value) };
}

/** Slices as a delayed delete has them, one after the other. */
export function parseSliceNames(value: Buffer): readonly SliceName[] {
  return Array.from({ length: Math.floor(value.length / DELAYED_BYTES) }, (_, n) => ({
    id: value.readBigUInt64BE(n * DELAYED_BYTES),
    size: value.readUInt32BE(n * DELAYED_BYTES + 8),
  }));
}

export function printSliceNames(slices: readonly SliceName[]): Buffer {
  const value = Buffer.alloc(slices.length * DELAYED_BYTES);
  for (const [n, { id, size }] of slices.entries()) {
    value.writeBigUInt64BE(id, n * DELAYED_BYTES);
    value.writeUInt32BE(size, n * DELAYED_BYTES + 8);
  }
  return value;
}

/** The field of a slice in the hash of references. */
export function referenceField({ id, size }: SliceName): string {
  return `k${id}_${size}`;
}

/** The slice of such a field; `null` for what is none. */
export function parseReferenceField(field: string): SliceName | null {
  const [, idText, sizeText] = /^k(\d+)_(\d+)$/.exec(field) ?? [];
  const [id, size] = [decimalId(idText), decimalNumber(sizeText)];
  return id === null || size === null ? null : { id, size };
}

/** A key as a walk meets it, without the volume's prefix; `null` for all that is neither. */
export function parseWalkKey(key: string): { readonly inodeId: bigint; readonly chunkIndex: number | null } | null {
  const [, kind, inodeText, indexText] = /^([ic])(\d+)(?:_(\d+))?$/.exec(key) ?? [];
  const inodeId = decimalId(inodeText);
  if (inodeId === null || (kind === 'i') !== (indexText === undefined)) return null;
  if (kind === 'i') return { inodeId, chunkIndex: null };
  const chunkIndex = decimalNumber(indexText);
  return chunkIndex === null ? null : { inodeId, chunkIndex };
}

/** Halt. */
export function malformed(inodeId: bigint, message: string, code: ErrorCode = 'inode-malformed'): CompactError {
  return new CompactError(message, { kind: 'halt', code, inode: { fsId: VOLUME_FS_ID, inodeId } });
}
