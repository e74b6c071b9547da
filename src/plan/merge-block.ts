/**
 * The reads that rebuild one block as one object, and the joining of rebuilt blocks into merged versions.
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
import type { BlockView } from './blocks.ts';

interface OpenRead {
  readonly source: ObjectId;
  /** File offset of the read's first byte. */
  readonly fileBegin: number;
  readonly offset: number;
  len: number;
  readonly copies: Copy[];
}

/** Plans the rebuilding of blocks of one chunk list, block by block, and tells what each would cost. */
export class BlockMerger {
  readonly #versions: readonly S3ChunkInfo[];
  readonly #readGapBytes: number;
  /** By list position: where the last read of that version ends, and the block that it was for, plus one. */
  readonly #lastEnd: Float64Array;
  readonly #lastBlock: Uint32Array;

  constructor(versions: readonly S3ChunkInfo[], readGapBytes: number) {
    this.#versions = versions;
    this.#readGapBytes = readGapBytes;
    this.#lastEnd = new Float64Array(versions.length);
    this.#lastBlock = new Uint32Array(versions.length);
  }

  /**
   * One object from the first to the last visible byte of the block; holes and zeros between are filled. The cost is
   * counted without making the reads: most plans are only scored, and a long list has a million reads.
   */
  merge(view: BlockView): { readonly block: MergedBlock; readonly cost: PlanCost } {
    let readRequests = 0;
    let readBytes = 0;
    const stamp = view.blockIndex + 1;
    const { table } = view;
    for (let n = view.dataFrom; n < view.dataTo; n++) {
      const begin = table.begins[n] ?? 0;
      const end = table.ends[n] ?? 0;
      const version = table.versions[n] ?? 0;
      const lastEnd = this.#lastEnd[version] ?? 0;
      const joins = this.#lastBlock[version] === stamp && begin - lastEnd <= this.#readGapBytes;
      if (!joins) readRequests++;
      readBytes += end - (joins ? lastEnd : begin);
      this.#lastEnd[version] = end;
      this.#lastBlock[version] = stamp;
    }
    const block = new RebuiltBlock(view, this.#versions, this.#readGapBytes);
    return { block, cost: { readRequests, readBytes, writeRequests: 1, writeBytes: block.end - block.begin } };
  }
}

/** A block to write, whose reads are made when they are first asked for. */
class RebuiltBlock implements MergedBlock {
  readonly blockIndex: number;
  readonly begin: number;
  readonly end: number;
  readonly #view: BlockView;
  readonly #versions: readonly S3ChunkInfo[];
  readonly #readGapBytes: number;
  #reads: readonly SourceRead[] | undefined;

  constructor(view: BlockView, versions: readonly S3ChunkInfo[], readGapBytes: number) {
    this.blockIndex = view.blockIndex;
    this.begin = view.table.begins[view.dataFrom] ?? view.begin;
    this.end = view.table.ends[view.dataTo - 1] ?? this.begin;
    this.#view = view;
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
    for (const piece of this.#view.data) {
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
    const version = this.#versions[piece.version];
    if (version === undefined) throw new RangeError(`no version at position ${piece.version}`);
    return {
      source: { chunkId: version.chunkId, compaction: version.compaction, blockIndex: this.blockIndex },
      fileBegin: piece.begin,
      offset: piece.begin - Math.max(version.offset, this.#view.begin),
      len: 0,
      copies: [],
    };
  }
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
