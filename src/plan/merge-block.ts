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
import type { Run } from './pieces.ts';

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
   * making the reads: most plans are only scored, and a long list has a million reads.
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
    const block = new RunObject(view, run, { versions: this.#versions, readGapBytes: this.#readGapBytes });
    return { block, cost: { readRequests, readBytes, writeRequests: 1, writeBytes: block.end - block.begin } };
  }
}

/** An object to write, whose reads are made when they are first asked for. */
class RunObject implements MergedBlock {
  readonly blockIndex: number;
  readonly begin: number;
  readonly end: number;
  readonly #view: BlockView;
  readonly #run: Run;
  readonly #versions: readonly S3ChunkInfo[];
  readonly #readGapBytes: number;
  #reads: readonly SourceRead[] | undefined;

  constructor(
    view: BlockView,
    run: Run,
    { versions, readGapBytes }: { readonly versions: readonly S3ChunkInfo[]; readonly readGapBytes: number },
  ) {
    this.blockIndex = view.blockIndex;
    this.begin = view.table.begins[run.from] ?? outside();
    this.end = view.table.ends[run.to - 1] ?? outside();
    this.#view = view;
    this.#run = run;
    this.#versions = versions;
    this.#readGapBytes = readGapBytes;
  }

  get reads(): readonly SourceRead[] {
    this.#reads ??= this.#makeReads();
    return this.#reads;
  }

  #makeReads(): SourceRead[] {
    const reads: OpenRead[] = [];
    const lastOf = new Map<number, OpenRead>();
    for (const piece of this.#view.table.slice(this.#run.from, this.#run.to)) {
      let read = lastOf.get(piece.version);
      if (read === undefined || piece.begin - (read.fileBegin + read.len) > this.#readGapBytes) {
        read = this.#openRead(piece);
        reads.push(read);
        lastOf.set(piece.version, read);
      }
      const from = piece.begin - read.fileBegin;
      read.copies.push({ from, to: piece.begin - this.begin, len: piece.end - piece.begin });
      read.len = piece.end - read.fileBegin;
    }
    return reads;
  }

  /** An object starts at the version's own start or at the block border, whichever is later. */
  #openRead(piece: ValidRange): OpenRead {
    const version = this.#versions[piece.version] ?? outside();
    return {
      source: { chunkId: version.chunkId, compaction: version.compaction, blockIndex: this.blockIndex },
      fileBegin: piece.begin,
      offset: piece.begin - Math.max(version.offset, this.#view.begin),
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
