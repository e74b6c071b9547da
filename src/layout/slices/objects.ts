/**
 * The objects of slices: their names and sizes, and the GETs by which a client reads a chunk. The only place that spells
 * these names. Pure. It must know no list and no store.
 */
import type { Piece, SliceGeometry } from './words.ts';

/** A part of a block that is wanted is got as a range only up to this share of it; more, and the client takes all of it. */
const RANGE_SHARE = 4;

export interface SliceObject {
  readonly name: string;
  /** Before compression and encryption. */
  readonly bytes: number;
}

export function blockCount(size: number, blockSize: number): number {
  return Math.ceil(size / blockSize);
}

/** Bytes of a slice's n-th block. */
export function blockBytes(size: number, n: number, blockSize: number): number {
  return Math.min(blockSize, size - n * blockSize);
}

/** The object of a slice's n-th block; its name tells its size. */
export function sliceObject(id: bigint, size: number, n: number, geometry: SliceGeometry): SliceObject {
  const { volume, hashPrefix, blockSize } = geometry;
  const bytes = blockBytes(size, n, blockSize);
  const directory = hashPrefix
    ? `${(id % 256n).toString(16).toUpperCase().padStart(2, '0')}/${id / 1_000_000n}`
    : `${id / 1_000_000n}/${id / 1_000n}`;
  return { name: `${volume}/chunks/${directory}/${id}_${n}_${bytes}`, bytes };
}

/** What all object names of a volume's slices begin with. */
export function sliceNamesBegin({ volume }: SliceGeometry): string {
  return `${volume}/chunks/`;
}

export interface Reads {
  readonly gets: number;
  readonly bytes: number;
}

/**
 * The GETs of one read of a whole chunk by a client whose cache is cold: whole blocks, which it keeps, but a range where at
 * most a quarter of a block is wanted and not from its begin. A client that reads in smaller steps may need more.
 */
export function readsOf(pieces: readonly Piece[], geometry: SliceGeometry): Reads {
  const { blockSize, wholeObjects } = geometry;
  const whole = new Set<string>();
  let gets = 0;
  let bytes = 0;
  for (const { begin, end, id, size, from } of pieces) {
    const until = from + end - begin;
    for (let n = Math.floor(from / blockSize); n * blockSize < until; n++) {
      const all = blockBytes(size, n, blockSize);
      const inBlock = Math.max(0, from - n * blockSize);
      const wanted = Math.min(until - n * blockSize, all) - inBlock;
      const ranged = !wholeObjects && inBlock > 0 && wanted <= Math.floor(all / RANGE_SHARE);
      if (pieces.length > 1) {
        const block = `${id}_${n}`;
        if (whole.has(block)) continue;
        if (!ranged) whole.add(block);
      }
      gets++;
      bytes += ranged ? wanted : all;
    }
  }
  return { gets, bytes };
}
