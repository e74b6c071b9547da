/**
 * The reads that make one object of a run of pieces, and the joining of such objects into merged versions.
 * Ranges of one object that are near each other become one GET: a request costs more than a few kilobytes.
 */

import type {
  Copy,
  Geometry,
  MergedBlock,
  MergedVersion,
  ObjectId,
  PlanCost,
  S3ChunkInfo,
  SourceRead,
  ValidRange,
} from '../model.ts';
import { outside } from '../outside.ts';
import type { BlockView } from './blocks.ts';
import { extentOf, type Run } from './pieces.ts';

interface OpenRead {
  readonly source: ObjectId;
  /** File offset of the read's first byte. */
  readonly fileBegin: number;
  readonly offset: number;
  len: number;
  readonly copies: Copy[];
}

/** Plans the objects to write, run by run of one chunk list, and tells what each would cost. */
export class BlockMerger {
  readonly #versions: readonly S3ChunkInfo[];
  readonly #readGapBytes: number;
  /** By list position: where the last read of that version ends, and the run that it was for, counted from one. */
  readonly #lastEnd: Float64Array;
  readonly #lastRun: Uint32Array;
  #runs = 0;

  constructor(versions: readonly S3ChunkInfo[], readGapBytes: number) {
    this.#versions = versions;
    this.#readGapBytes = readGapBytes;
    this.#lastEnd = new Float64Array(versions.length);
    this.#lastRun = new Uint32Array(versions.length);
  }

  /**
   * One object from the first to the last byte of the run; holes and zeros between are filled. The cost is counted without
   * making the reads, which are made when first asked for: most plans are only scored, and a long list has a million reads.
   */
  merge(view: BlockView, run: Run): { readonly block: MergedBlock; readonly cost: PlanCost } {
    let readRequests = 0;
    let readBytes = 0;
    const stamp = ++this.#runs;
    const { table } = view;
    for (let n = run.from; n < run.to; n++) {
      const begin = table.begins[n] ?? outside();
      const end = table.ends[n] ?? outside();
      const version = table.versions[n] ?? outside();
      const lastEnd = this.#lastEnd[version] ?? outside();
      const joins = this.#lastRun[version] === stamp && begin - lastEnd <= this.#readGapBytes;
      if (!joins) readRequests++;
      readBytes += end - (joins ? lastEnd : begin);
      this.#lastEnd[version] = end;
      this.#lastRun[version] = stamp;
    }
    const { begin, end } = extentOf(table, run);
    let reads: readonly SourceRead[] | undefined;
    const block = {
      blockIndex: view.blockIndex,
      begin,
      end,
      get reads(): readonly SourceRead[] {
        reads ??= makeReads();
        return reads;
      },
    };
    const makeReads = (): readonly SourceRead[] => this.#reads(view, run);
    return { block, cost: { readRequests, readBytes, writeRequests: 1, writeBytes: end - begin } };
  }

  #reads(view: BlockView, { from, to }: Run): SourceRead[] {
    const pieces = view.table.slice(from, to);
    const fileBegin = pieces[0]?.begin ?? outside();
    const reads: OpenRead[] = [];
    const lastOf = new Map<number, OpenRead>();
    for (const piece of pieces) {
      let read = lastOf.get(piece.version);
      if (read === undefined || piece.begin - (read.fileBegin + read.len) > this.#readGapBytes) {
        read = this.#openRead(view, piece);
        reads.push(read);
        lastOf.set(piece.version, read);
      }
      const len = piece.end - piece.begin;
      read.copies.push({ from: piece.begin - read.fileBegin, to: piece.begin - fileBegin, len });
      read.len = piece.end - read.fileBegin;
    }
    return reads;
  }

  /** An object starts at the version's own start or at the block border, whichever is later. */
  #openRead({ blockIndex, begin }: BlockView, piece: ValidRange): OpenRead {
    const { chunkId, compaction, offset } = this.#versions[piece.version] ?? outside();
    return {
      source: { chunkId, compaction, blockIndex },
      fileBegin: piece.begin,
      offset: piece.begin - Math.max(offset, begin),
      len: 0,
      copies: [],
    };
  }
}

/** An object to write and whether it lies above the kept versions in the list. */
export interface PlacedBlock {
  readonly block: MergedBlock;
  readonly above: boolean;
}

/** Objects to write, ascending, as versions: those that touch at the border of two blocks are one version. */
export function joinBlocks(blocks: readonly PlacedBlock[], geometry: Geometry): MergedVersion[] {
  const versions: { blocks: MergedBlock[]; above: boolean; end: number }[] = [];
  for (const { block, above } of blocks) {
    const last = versions.at(-1);
    const touches = last?.end === block.begin && block.begin % geometry.blockSize === 0;
    if (last === undefined || !touches) {
      versions.push({ blocks: [block], above, end: block.end });
      continue;
    }
    last.blocks.push(block);
    last.above ||= above;
    last.end = block.end;
  }
  return versions.map(({ blocks: own, above, end }) => {
    const offset = (own[0] ?? outside()).begin;
    return { offset, len: end - offset, blocks: own, above };
  });
}
