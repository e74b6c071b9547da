/**
 * Valid ranges cut at block borders and grouped by block: the unit in which objects exist, are kept or are rewritten.
 * It stands alone because reading cost, keeping and merging all look at blocks in the same way. It decides nothing.
 */

import type { Geometry, S3ChunkInfo, ValidRange } from '../model.ts';
import { outside } from '../outside.ts';
import type { VersionsAbove } from './above.ts';
import { RangeTable, rangeTable } from './valid-ranges.ts';

/** What is visible in one block. Ranges ascend and do not overlap; at least one of `data` and `zeros` is not empty. */
export interface BlockView {
  /** Within the chunk. */
  readonly blockIndex: number;
  /** File offset of the block's first byte. */
  readonly begin: number;
  /** Visible ranges that have an object, one GET each, as a part of a table: `[dataFrom, dataTo)` of `table`. */
  readonly table: RangeTable;
  readonly dataFrom: number;
  readonly dataTo: number;
  /** The same as objects, made anew at each call. */
  readonly data: readonly ValidRange[];
  /** Visible ranges of zero versions. */
  readonly zeros: readonly ValidRange[];
  /** The data comes from more than one version, so object. */
  readonly mixed: boolean;
}

export interface ChunkInput {
  readonly geometry: Geometry;
  readonly chunkIndex: number;
  readonly versions: readonly S3ChunkInfo[];
  /** The rest of the list, where `versions` are its head only: what they hide is not visible. */
  readonly above?: VersionsAbove;
  /** The inode's length in bytes: nothing beyond it is visible. */
  readonly length: number;
}

/** The visible blocks of a chunk in ascending order; blocks that read as a hole are absent. */
export function visibleBlocks(input: ChunkInput): BlockView[] {
  const { chunkSize, blockSize } = input.geometry;
  const chunkBegin = input.chunkIndex * chunkSize;
  const hidden = input.above?.extents ?? [];
  const ranges = rangeTable(hidden.length === 0 ? input.versions : [...input.versions, ...hidden], {
    begin: chunkBegin,
    end: Math.min(chunkBegin + chunkSize, input.length),
  });
  const blocks: OpenBlock[] = [];
  const table = new RangeTable(ranges.count + Math.ceil(chunkSize / blockSize), hidden.length > 0);
  let apart = false;
  // Ranges name versions in no order: a byte each is in the cache where the versions themselves are not.
  const isZero = zeroFlags(input.versions);
  for (let n = 0; n < ranges.count; n++) {
    const begin = ranges.begins[n] ?? outside();
    const end = ranges.ends[n] ?? outside();
    const version = ranges.versions[n] ?? outside();
    // A version above is read there.
    if (version >= input.versions.length) {
      apart = true;
      continue;
    }
    const last = Math.floor((end - 1 - chunkBegin) / blockSize);
    for (let blockIndex = Math.floor((begin - chunkBegin) / blockSize); blockIndex <= last; blockIndex++) {
      const blockBegin = chunkBegin + blockIndex * blockSize;
      let block = blocks.at(-1);
      if (block === undefined || block.blockIndex !== blockIndex) {
        block = new OpenBlock(blockIndex, blockBegin, table);
        blocks.push(block);
      }
      const from = Math.max(begin, blockBegin);
      const to = Math.min(end, blockBegin + blockSize);
      if (isZero[version] === 1) {
        block.zeros.push({ begin: from, end: to, version });
        continue;
      }
      if (apart && table.apart !== undefined) table.apart[table.count] = 1;
      apart = false;
      table.push(from, to, version);
      block.dataTo = table.count;
      if (version !== table.versions[block.dataFrom]) block.mixed = true;
    }
  }
  return blocks;
}

class OpenBlock implements BlockView {
  readonly blockIndex: number;
  readonly begin: number;
  readonly table: RangeTable;
  readonly dataFrom: number;
  dataTo: number;
  readonly zeros: ValidRange[] = [];
  mixed = false;

  constructor(blockIndex: number, begin: number, table: RangeTable) {
    this.blockIndex = blockIndex;
    this.begin = begin;
    this.table = table;
    this.dataFrom = table.count;
    this.dataTo = table.count;
  }

  get data(): readonly ValidRange[] {
    return this.table.slice(this.dataFrom, this.dataTo);
  }
}

function zeroFlags(versions: readonly S3ChunkInfo[]): Uint8Array {
  const flags = new Uint8Array(versions.length);
  for (let n = 0; n < flags.length; n++) if ((versions[n] ?? outside()).zero) flags[n] = 1;
  return flags;
}

/** Visible bytes of a block that come from objects. */
export function dataBytes({ table, dataFrom, dataTo }: BlockView): number {
  return table.bytes(dataFrom, dataTo);
}

/**
 * Where the objects of a version end: `offset + size` is where it ended when it was written, and its last object is as long
 * as that even if the version was narrowed since (docs/adr/0033).
 */
export function objectsEnd(version: S3ChunkInfo, { blockSize, chunkSize }: Geometry): number {
  const { offset, len, size } = version;
  if (size <= len) return offset + len;
  const lastByte = (offset % chunkSize) + len - 1;
  const blockEnd = offset - (offset % chunkSize) + lastByte - (lastByte % blockSize) + blockSize;
  return Math.min(offset + size, blockEnd);
}

/** Block indexes (within the chunk) that a version touches: `[first, last]`, both included. */
export function blockSpan(version: S3ChunkInfo, geometry: Geometry): { readonly first: number; readonly last: number } {
  const inChunk = version.offset % geometry.chunkSize;
  return {
    first: Math.floor(inChunk / geometry.blockSize),
    last: Math.floor((inChunk + version.len - 1) / geometry.blockSize),
  };
}
