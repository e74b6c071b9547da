/**
 * The reads that rebuild one block as one object, and the joining of rebuilt blocks into merged versions.
 * Ranges of one object that are near each other become one GET: a request costs more than a few kilobytes.
 */
import type { Copy, Geometry, MergedBlock, MergedVersion, ObjectId, S3ChunkInfo, ValidRange } from '../model.ts';
import type { BlockView } from './blocks.ts';

interface OpenRead {
  readonly source: ObjectId;
  /** File offset of the read's first byte. */
  readonly fileBegin: number;
  readonly offset: number;
  len: number;
  readonly copies: Copy[];
}

/** One object from the first to the last visible byte of the block; holes and zeros between are filled. */
export function mergeBlock(versions: readonly S3ChunkInfo[], block: BlockView, readGapBytes: number): MergedBlock {
  const begin = block.data[0]?.begin ?? block.begin;
  const end = block.data.at(-1)?.end ?? begin;
  const reads: OpenRead[] = [];
  const lastOf = new Map<number, OpenRead>();
  for (const piece of block.data) {
    const len = piece.end - piece.begin;
    let read = lastOf.get(piece.version);
    if (read === undefined || piece.begin - (read.fileBegin + read.len) > readGapBytes) {
      read = openRead(versions, block, piece);
      reads.push(read);
      lastOf.set(piece.version, read);
    }
    read.copies.push({ from: piece.begin - read.fileBegin, to: piece.begin - begin, len });
    read.len = piece.end - read.fileBegin;
  }
  return { blockIndex: block.blockIndex, begin, end, reads };
}

/** An object starts at the version's own start or at the block border, whichever is later. */
function openRead(versions: readonly S3ChunkInfo[], block: BlockView, piece: ValidRange): OpenRead {
  const version = versions[piece.version];
  if (version === undefined) throw new RangeError(`no version at position ${piece.version}`);
  return {
    source: { chunkId: version.chunkId, compaction: version.compaction, blockIndex: block.blockIndex },
    fileBegin: piece.begin,
    offset: piece.begin - Math.max(version.offset, block.begin),
    len: 0,
    copies: [],
  };
}

/** Rebuilt blocks, ascending, as versions: those that touch at their common border are one version. */
export function joinBlocks(blocks: readonly MergedBlock[], geometry: Geometry): MergedVersion[] {
  const runs: MergedBlock[][] = [];
  for (const block of blocks) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const touches = last !== undefined && last.end === block.begin && block.begin % geometry.blockSize === 0;
    if (run !== undefined && touches) run.push(block);
    else runs.push([block]);
  }
  return runs.map((run) => {
    const offset = run[0]?.begin ?? 0;
    return { offset, len: (run.at(-1)?.end ?? offset) - offset, blocks: run };
  });
}
