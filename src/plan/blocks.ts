/**
 * Valid ranges cut at block borders and grouped by block: the unit in which objects exist, are kept or are rewritten.
 * It stands alone because reading cost, keeping and merging all look at blocks in the same way. It decides nothing.
 */
import type { Geometry, S3ChunkInfo, ValidRange } from '../model.ts';
import { validRanges } from './valid-ranges.ts';

/** What is visible in one block. Ranges ascend and do not overlap; at least one of `data` and `zeros` is not empty. */
export interface BlockView {
  /** Within the chunk. */
  readonly blockIndex: number;
  /** File offset of the block's first byte. */
  readonly begin: number;
  /** Visible ranges that have an object: one GET each. */
  readonly data: readonly ValidRange[];
  /** Visible ranges of zero versions. */
  readonly zeros: readonly ValidRange[];
  /** Different versions, so objects, among `data`. */
  readonly owners: number;
}

export interface ChunkInput {
  readonly geometry: Geometry;
  readonly chunkIndex: number;
  readonly versions: readonly S3ChunkInfo[];
  /** The inode's length in bytes: nothing beyond it is visible. */
  readonly length: number;
}

/** The visible blocks of a chunk in ascending order; blocks that read as a hole are absent. */
export function visibleBlocks(input: ChunkInput): BlockView[] {
  const { chunkSize, blockSize } = input.geometry;
  const chunkBegin = input.chunkIndex * chunkSize;
  const ranges = validRanges(input.versions, {
    begin: chunkBegin,
    end: Math.min(chunkBegin + chunkSize, input.length),
  });
  const blocks: OpenBlock[] = [];
  for (const range of ranges) {
    const zero = input.versions[range.version]?.zero ?? false;
    for (const piece of cutAtBlocks(range, chunkBegin, blockSize)) {
      const blockIndex = Math.floor((piece.begin - chunkBegin) / blockSize);
      let block = blocks.at(-1);
      if (block === undefined || block.blockIndex !== blockIndex) {
        block = { blockIndex, begin: chunkBegin + blockIndex * blockSize, data: [], zeros: [] };
        blocks.push(block);
      }
      (zero ? block.zeros : block.data).push(piece);
    }
  }
  return blocks.map((block) => ({ ...block, owners: new Set(block.data.map((piece) => piece.version)).size }));
}

interface OpenBlock {
  readonly blockIndex: number;
  readonly begin: number;
  readonly data: ValidRange[];
  readonly zeros: ValidRange[];
}

function cutAtBlocks(range: ValidRange, chunkBegin: number, blockSize: number): readonly ValidRange[] {
  const first = Math.floor((range.begin - chunkBegin) / blockSize);
  const last = Math.floor((range.end - 1 - chunkBegin) / blockSize);
  if (first === last) return [range];
  const pieces: ValidRange[] = [];
  for (let block = first; block <= last; block++) {
    const blockBegin = chunkBegin + block * blockSize;
    pieces.push({
      begin: Math.max(range.begin, blockBegin),
      end: Math.min(range.end, blockBegin + blockSize),
      version: range.version,
    });
  }
  return pieces;
}

/** Block indexes (within the chunk) that a version touches: `[first, last]`, both included. */
export function blockSpan(version: S3ChunkInfo, geometry: Geometry): { readonly first: number; readonly last: number } {
  const inChunk = version.offset % geometry.chunkSize;
  return {
    first: Math.floor(inChunk / geometry.blockSize),
    last: Math.floor((inChunk + version.len - 1) / geometry.blockSize),
  };
}
