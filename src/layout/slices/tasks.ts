/**
 * The objects of a plan's new slices: which they are, and which bytes of which objects they are made of. A new slice has
 * blocks of its own, counted from its own begin. Apart from the plan because looking at one needs none of this. Pure.
 */
import type { Copy, MergeTask, SourceRead } from '../../model.ts';
import type { Window } from '../../plan/index.ts';
import { blockBytes, blockCount, sliceObject } from './objects.ts';
import type { MergedSlice } from './plan.ts';
import type { Piece, SliceGeometry } from './words.ts';

interface TaskOptions {
  readonly geometry: SliceGeometry;
  /** Of the first new slice; the others follow. */
  readonly firstId: bigint;
  /** Two ranges of one object at most this far apart are one GET, bytes. */
  readonly readGapBytes: number;
}

export function sliceTasks(merged: readonly MergedSlice[], options: TaskOptions): MergeTask<string>[] {
  const { geometry, firstId } = options;
  const readsFor = geometry.wholeObjects ? wholeReads : rangeReads;
  return merged.flatMap((slice, n) => {
    const { begin, end } = slice;
    return Array.from({ length: blockCount(end - begin, geometry.blockSize) }, (_, blockIndex) => {
      const from = begin + blockIndex * geometry.blockSize;
      const block = { begin: from, end: from + blockBytes(end - begin, blockIndex, geometry.blockSize) };
      return {
        name: sliceObject(firstId + BigInt(n), end - begin, blockIndex, geometry).name,
        block: { blockIndex, ...block, reads: readsFor(block, slice.pieces, options) },
      };
    });
  });
}

/** Bytes of one source object that go to one place. */
interface Part {
  readonly source: string;
  /** Of the whole block that the source object is. */
  readonly bytes: number;
  /** In the source object. */
  readonly offset: number;
  /** In the new object. */
  readonly to: number;
  readonly len: number;
}

interface OpenRead extends SourceRead<string> {
  len: number;
  readonly copies: Copy[];
}

/** Each object that the block needs anything of, once and whole. */
function wholeReads(block: Window, pieces: readonly Piece[], { geometry }: TaskOptions): SourceRead<string>[] {
  const reads = new Map<string, OpenRead>();
  for (const piece of pieces) {
    for (const { source, bytes, offset, to, len } of partsOf(piece, block, geometry)) {
      const read = reads.get(source) ?? { source, offset: 0, len: bytes, copies: [] };
      read.copies.push({ from: offset, to, len });
      reads.set(source, read);
    }
  }
  return [...reads.values()];
}

function rangeReads(
  block: Window,
  pieces: readonly Piece[],
  { geometry, readGapBytes }: TaskOptions,
): SourceRead<string>[] {
  const reads: OpenRead[] = [];
  const lastOf = new Map<string, OpenRead>();
  for (const piece of pieces) {
    for (const { source, offset, to, len } of partsOf(piece, block, geometry)) {
      let read = lastOf.get(source);
      const gap = read === undefined ? Number.POSITIVE_INFINITY : offset - (read.offset + read.len);
      // A clone may show the same bytes twice, or earlier ones later.
      if (read === undefined || gap < 0 || gap > readGapBytes) {
        read = { source, offset, len: 0, copies: [] };
        reads.push(read);
        lastOf.set(source, read);
      }
      read.copies.push({ from: offset - read.offset, to, len });
      read.len = offset + len - read.offset;
    }
  }
  return reads;
}

/** What of a piece is in the new block, cut where the piece's own slice has blocks. */
function partsOf(piece: Piece, { begin, end }: Window, geometry: SliceGeometry): Part[] {
  const { blockSize } = geometry;
  const parts: Part[] = [];
  const until = Math.min(piece.end, end);
  for (let at = Math.max(piece.begin, begin); at < until; ) {
    const inSlice = piece.from + at - piece.begin;
    const n = Math.floor(inSlice / blockSize);
    const len = Math.min(until - at, (n + 1) * blockSize - inSlice);
    const { name: source, bytes } = sliceObject(piece.id, piece.size, n, geometry);
    parts.push({ source, bytes, offset: inSlice - n * blockSize, to: at - begin, len });
    at += len;
  }
  return parts;
}
