/**
 * A file in the slice layout as it is: its lists, the pieces that a reader sees, what a full read costs; as data, and the
 * words for it that the terminal and the console share. It reads metadata only, and shows a damaged list as what it is.
 */
import { CompactError } from '../../errors.ts';
import {
  type Footprint,
  footprintOf,
  NO_FOOTPRINT,
  type Piece,
  piecesOf,
  type ReferencesOf,
  type SliceRecord,
  sliceObject,
} from '../../layout/slices/index.ts';
import type { SliceFile, SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import { bytes, changedText, count, plural } from '../words.ts';

/** A list with what it comes to; `fault`: it cannot be read. */
export interface InspectedList {
  readonly chunkIndex: number;
  readonly records: readonly SliceRecord[];
  readonly referencesOf: ReferencesOf;
  readonly pieces: readonly Piece[];
  readonly footprint: Footprint;
  readonly fault?: CompactError;
}

/** Throws CompactError (halt) where there is no such file. */
export async function fileAt(volume: SliceVolume, inode: bigint | string): Promise<SliceFile> {
  const inodeId = typeof inode === 'string' ? await volume.find(inode) : inode;
  const found = inodeId === null ? null : await volume.inode(inodeId);
  const name = typeof inode === 'string' ? inode : `inode ${inode}`;
  if (found === null) throw refusal('inode-missing', `there is no ${name}; links are not followed`);
  if (found.file === null) throw refusal('inode-not-s3', `${name} is a ${found.type}; only files have data in objects`);
  return found.file;
}

function refusal(code: 'inode-missing' | 'inode-not-s3', message: string): CompactError {
  return new CompactError(message, { kind: 'halt', code });
}

export async function inspectList(
  volume: SliceVolume,
  { inodeId }: SliceFile,
  at: { readonly chunkIndex: number; readonly setting: VolumeSetting },
): Promise<InspectedList> {
  const { chunkIndex, setting } = at;
  try {
    const records = await volume.list(inodeId, chunkIndex);
    const referencesOf = await volume.references(records);
    const footprint = footprintOf(records, setting, { referencesOf });
    return { chunkIndex, records, referencesOf, pieces: piecesOf(records), footprint };
  } catch (error) {
    if (!(error instanceof CompactError) || error.inode === undefined) throw error;
    const nothing = { records: [], referencesOf: () => 0, pieces: [], footprint: NO_FOOTPRINT };
    return { chunkIndex, ...nothing, fault: error };
  }
}

export function fileText({ length, mtimeMs, nlink, state }: SliceFile): string {
  const kept = { live: '', trash: ', in the trash', unlinked: ', deleted and still open' }[state];
  return `${bytes(length)}, ${changedText(mtimeMs)}, ${plural(nlink, 'link')}${kept}`;
}

export function volumeText({ volume, blockSize, compression, encryption }: VolumeSetting): string {
  const secret = encryption === 'none' ? '' : `, encryption ${encryption}`;
  return `volume ${volume}, blocks of ${bytes(blockSize)}, compression ${compression}${secret}`;
}

export function listText({ footprint }: InspectedList): string {
  return `${plural(footprint.records, 'record')}, ${plural(footprint.pieces, 'piece')}`;
}

export const RECORD_HEADS = ['record', 'offset', 'length', 'slice', 'from', 'slice size', 'references'] as const;

/** Under RECORD_HEADS; the newest last, as in the list: the later wins. */
export function recordRows({ records, referencesOf }: InspectedList, limit: number): readonly (readonly string[])[] {
  return records
    .slice(0, limit)
    .map((record, position) => [
      count(position),
      count(record.offset),
      bytes(record.len),
      ...(record.id === 0n
        ? ['zeros', '', '', '']
        : [record.id.toString(), count(record.from), bytes(record.size), count(referencesOf(record))]),
    ]);
}

export const PIECE_HEADS = ['piece from', 'to', 'bytes', 'record', 'first object'] as const;

/** Under PIECE_HEADS. */
export function pieceRows(
  { pieces }: InspectedList,
  setting: VolumeSetting,
  limit: number,
): readonly (readonly string[])[] {
  return pieces
    .slice(0, limit)
    .map((piece) => [
      count(piece.begin),
      count(piece.end),
      bytes(piece.end - piece.begin),
      count(piece.position),
      objectOf(piece, setting),
    ]);
}

/** The name of the object in which the bytes at an offset of the piece are. */
export function objectOf({ id, size, from }: Piece, setting: VolumeSetting, offset = 0): string {
  return sliceObject(id, size, Math.floor((from + offset) / setting.blockSize), setting).name;
}

export function readText({ gets, getBytes, visibleBytes, storedBytes, objects, sharedBytes }: Footprint): string {
  const shared = sharedBytes > 0 ? `; ${bytes(Math.round(sharedBytes))} of it in slices that others name, too` : '';
  return `a full read takes ${plural(gets, 'GET')} for ${bytes(getBytes)}, ${bytes(visibleBytes)} of them visible; stored are ${bytes(Math.round(storedBytes))} in ${plural(Math.round(objects), 'object')}${shared}`;
}
