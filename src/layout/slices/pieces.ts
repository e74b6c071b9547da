/**
 * What is read where: the list of one chunk as the pieces of slices that a reader sees. Pure; near-linear. It stands apart
 * because reads, costs and pictures all begin here. It must know nothing of objects.
 */
import { outside } from '../../outside.ts';
import { validRanges, type Window } from '../../plan/index.ts';
import { CHUNK_BYTES, type Piece, type SliceRecord } from './words.ts';

const CHUNK = { begin: 0, end: CHUNK_BYTES };

/** The pieces of a list, ascending and disjoint; zeros, written or not, are absent. */
export function piecesOf(records: readonly SliceRecord[]): readonly Piece[] {
  const [only] = records;
  // Most lists of most volumes.
  if (only === undefined) return [];
  if (records.length === 1) {
    return only.id === 0n || only.len === 0
      ? []
      : [pieceOf(only, 0, { begin: only.offset, end: only.offset + only.len })];
  }
  const pieces: Piece[] = [];
  for (const { begin, end, version } of validRanges(records, CHUNK)) {
    const record = records[version] ?? outside();
    if (record.id !== 0n) pieces.push(pieceOf(record, version, { begin, end }));
  }
  return pieces;
}

function pieceOf(record: SliceRecord, position: number, { begin, end }: Window): Piece {
  const { id, size } = record;
  return { begin, end, position, id, size, from: record.from + (begin - record.offset) };
}

/** Why a record cannot be one that a client wrote; `null` for a good one. */
export function recordFault({ offset, len, id, size, from }: SliceRecord): string | null {
  if (offset + len > CHUNK_BYTES) return `it reaches ${offset + len - CHUNK_BYTES} bytes beyond its chunk`;
  if (id === 0n) return null;
  if (size > CHUNK_BYTES) return `its slice of ${size} bytes is larger than a chunk`;
  return from + len > size ? `it shows ${from + len - size} bytes beyond the end of its slice` : null;
}
