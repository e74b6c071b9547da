/**
 * What one chunk list keeps in the store against what it shows: the figures behind the waste report. A slice goes only as a
 * whole, so what a record hides of its slice stays stored. Pure. It must know nothing of files.
 *
 * A slice that several records name belongs to each by an equal share, so that sums over all lists count it once.
 */
import { outside } from '../../outside.ts';
import { addCounts } from '../../plan/index.ts';
import { blockCount, readsOf } from './objects.ts';
import { piecesOf } from './pieces.ts';
import type { Piece, ReferencesOf, SliceGeometry, SliceRecord } from './words.ts';

export interface Footprint {
  readonly records: number;
  readonly pieces: number;
  /** Shares, as all that follows but `visibleBytes`, `gets` and `getBytes`. */
  readonly objects: number;
  readonly storedBytes: number;
  /** Stored by slices that no other list names, and shown by none of their records. */
  readonly hiddenBytes: number;
  /** Of `storedBytes`: slices that other lists, or delayed deletes, name too: what of them is shown is not known here. */
  readonly sharedBytes: number;
  readonly visibleBytes: number;
  /** Of one full read. */
  readonly gets: number;
  readonly getBytes: number;
  /** The GETs of one full read if what is visible of each chunk were one slice. */
  readonly getsLeast: number;
}

export const NO_FOOTPRINT: Footprint = {
  records: 0,
  pieces: 0,
  objects: 0,
  storedBytes: 0,
  hiddenBytes: 0,
  sharedBytes: 0,
  visibleBytes: 0,
  gets: 0,
  getBytes: 0,
  getsLeast: 0,
};

export const addFootprint = addCounts<Footprint>;

/** Of one list. `shown: false`: nobody reads it, as lists of deleted files and those beyond the end of their file. */
export function footprintOf(
  records: readonly SliceRecord[],
  geometry: SliceGeometry,
  { referencesOf, shown = true }: { readonly referencesOf: ReferencesOf; readonly shown?: boolean },
): Footprint {
  const pieces = shown ? piecesOf(records) : [];
  const { gets, bytes } = readsOf(pieces, geometry);
  const visible = visibleByRecord(records, pieces);
  const shared = new Map<bigint, Shared>();
  let objects = 0;
  let storedBytes = 0;
  let hiddenBytes = 0;
  for (const [position, record] of records.entries()) {
    if (record.id === 0n) continue;
    const references = Math.max(1, referencesOf(record));
    objects += blockCount(record.size, geometry.blockSize) / references;
    storedBytes += record.size / references;
    const shownBytes = visible[position] ?? outside();
    if (references === 1) {
      hiddenBytes += record.size - shownBytes;
      continue;
    }
    const slice = shared.get(record.id) ?? { size: record.size, references, records: 0, visible: 0 };
    slice.records++;
    slice.visible += shownBytes;
    shared.set(record.id, slice);
  }
  let sharedBytes = 0;
  for (const slice of shared.values()) {
    // All its records are in this list: nobody else shows it.
    if (slice.records >= slice.references) hiddenBytes += Math.max(0, slice.size - slice.visible);
    else sharedBytes += (slice.size * slice.records) / slice.references;
  }
  const visibleBytes = pieces.reduce((sum, { begin, end }) => sum + end - begin, 0);
  return {
    records: records.length,
    pieces: pieces.length,
    objects,
    storedBytes,
    hiddenBytes,
    sharedBytes,
    visibleBytes,
    gets,
    getBytes: bytes,
    getsLeast: blockCount(visibleBytes, geometry.blockSize),
  };
}

interface Shared {
  readonly size: number;
  readonly references: number;
  records: number;
  visible: number;
}

function visibleByRecord(records: readonly SliceRecord[], pieces: readonly Piece[]): Float64Array {
  const visible = new Float64Array(records.length);
  for (const { position, begin, end } of pieces) visible[position] = (visible[position] ?? 0) + end - begin;
  return visible;
}
