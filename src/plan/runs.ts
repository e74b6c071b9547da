/**
 * Which neighbouring pieces of a block are worth one object: a run is when the GETs that it saves, at the price of a GET, pay
 * for reading and writing all of its bytes, gaps filled. What is found is final: `find` looks again until there is none, so a
 * second plan finds nothing. It sees pieces of one block only, and must not know budgets, lists or names.
 */
import type { RestMark, S3ChunkInfo } from '../model.ts';
import { outside } from '../outside.ts';
import { bestRuns, type Prices } from './best-runs.ts';
import type { BlockView, ChunkInput } from './blocks.ts';
import { Pieces, type Run } from './pieces.ts';

/** A complete block in which nothing was overwritten is not likely to change: merging it lasts, so a GET is worth more. */
const SETTLED_FACTOR = 4;
/** The same, but the block is not full: what is written stays, and more will come. */
const GROWING_FACTOR = 2;
/**
 * A block that is not full, and holds what was written last, is being filled: merging in small steps what soon would be complete is
 * for nothing, so a GET is worth less. Later writes elsewhere say that the block waits no longer.
 */
const FILLING_FACTOR = 1 / 4;
/** What was written a moment ago is likely to be written again: merging it is for little (docs/adr/0040). */
const NEW_FACTOR = 1 / 12;
/** What nobody has written for a while stays as it is made now. */
export const REST_FACTOR = 4;
/** A large piece before the tail is rewritten only when the tail has this share of its bytes ... */
const TAIL_SHARE = 1 / 8;
/** ... or the run this many pieces. */
const TAIL_PIECES_MAX = 8;
/** The tail of a growing block waits until this many pieces can be merged: each costs a request to merge, too. */
const TAIL_PIECES_MIN = 4;

/** A list, or its head. */
export type ChunkList = Pick<ChunkInput, 'versions' | 'geometry' | 'above'> & {
  /** How much a GET is worth by the age of the chunk, first to last; absent: once. */
  readonly ageFactors?: readonly number[];
};

/**
 * A chunk is new while a piece that is read of it is. Right after a plan what it merged is new, whatever was before: so in a chunk
 * at rest the lower price must find nothing either.
 */
export function ageFactors(versions: readonly S3ChunkInfo[], blocks: readonly BlockView[], rest?: RestMark): number[] {
  if (rest === undefined) return [1];
  for (const { table, dataFrom, dataTo } of blocks) {
    for (let n = dataFrom; n < dataTo; n++) {
      if (isNew(versions[table.versions[n] ?? outside()] ?? outside(), rest)) return [NEW_FACTOR];
    }
  }
  return [REST_FACTOR, NEW_FACTOR];
}

export function isNew({ compaction, chunkId }: S3ChunkInfo, rest: RestMark): boolean {
  return compaction === 0n ? chunkId > rest.chunkId : compaction > rest.compaction;
}

/** Finds the runs of block after block of one chunk list. */
export class RunFinder {
  readonly #versions: readonly S3ChunkInfo[];
  readonly #blockSize: number;
  /** By list position: the round in which the version was seen last. */
  readonly #seen: Uint32Array;
  /** Of the last version that a client wrote, if it is in this part of the list; what is merged keeps no place in time. */
  readonly #newest: number;
  readonly #ageFactors: readonly number[];
  #round = 0;

  constructor({ versions, geometry, above, ageFactors = [1] }: ChunkList) {
    this.#versions = versions;
    this.#ageFactors = ageFactors;
    this.#blockSize = geometry.blockSize;
    this.#seen = new Uint32Array(versions.length);
    this.#newest = above === undefined ? versions.findLastIndex(({ compaction }) => compaction === 0n) : -1;
  }

  /** The runs of a block that are worth it, in positions of its range table, ascending and disjoint; linear in its pieces. */
  find(view: BlockView, prices: Prices): Run[] {
    if (!view.mixed) return [];
    if (prices.get === Number.POSITIVE_INFINITY) return [{ from: view.dataFrom, to: view.dataTo }];
    let pieces = Pieces.of(view);
    for (;;) {
      const { usual } = this.#judge(pieces);
      const runs = this.best(pieces, { ...prices, get: prices.get * usual });
      if (runs.length === 0) return pieces.runs();
      pieces = pieces.joined(runs);
    }
  }

  /** One look: the best runs of pieces at prices that the factor is in, with the rules for blocks that still grow. */
  best(pieces: Pieces, prices: Prices): Run[] {
    if (!this.#isMixed(pieces)) return [];
    const runs = bestRuns(pieces, { from: 0, to: pieces.count }, prices);
    const last = runs.at(-1);
    const open = pieces.end(pieces.count - 1) < pieces.view.begin + this.#blockSize;
    if (last === undefined || !open || last.to < pieces.count || !prices.tailWaits) return runs;
    return [...runs.slice(0, -1), ...tailRuns(pieces, last, prices)];
  }

  /** A block that one object serves is left alone, even if it is read in several pieces. */
  #isMixed(pieces: Pieces): boolean {
    const first = pieces.version(0);
    for (let n = 1; n < pieces.count; n++) {
      const version = pieces.version(n);
      if (version !== first || version < 0) return true;
    }
    return false;
  }

  /**
   * How much more than once a GET is worth in this block, or how much less. Then what it may come to without a write, when the
   * newest version is merged elsewhere and the block holds the newest of those that stay.
   */
  factors(pieces: Pieces): readonly number[] {
    const { usual, complete, newest } = this.#judge(pieces);
    const own = complete ? [usual] : newest ? [usual * FILLING_FACTOR] : [usual, usual * FILLING_FACTOR];
    return this.#ageFactors.flatMap((byAge) => own.map((factor) => factor * byAge));
  }

  #judge(pieces: Pieces): { readonly usual: number; readonly complete: boolean; readonly newest: boolean } {
    const { begin: blockBegin } = pieces.view;
    const full = pieces.begin(0) === blockBegin && pieces.end(pieces.count - 1) === blockBegin + this.#blockSize;
    let whole = true;
    let overwritten = false;
    let newest = false;
    let end = pieces.begin(0);
    const round = ++this.#round;
    for (let n = 0; n < pieces.count; n++) {
      const begin = pieces.begin(n);
      if (begin !== end) whole = false;
      end = pieces.end(n);
      const version = pieces.version(n);
      if (version < 0) continue;
      if (version === this.#newest) newest = true;
      const start = Math.max((this.#versions[version] ?? outside()).offset, blockBegin);
      // At its start, or in the middle: what was overwritten once will be again.
      if (begin !== start || this.#seen[version] === round) overwritten = true;
      this.#seen[version] = round;
    }
    const usual = !whole || overwritten ? 1 : full ? SETTLED_FACTOR : GROWING_FACTOR;
    return { usual, complete: full && whole, newest };
  }
}

/**
 * What is done with a run at the end of a block that is not full. A log grows there: its large piece would be rewritten for
 * each few bytes that are appended, so it is left out until what follows is a good part of it, as in tiered compaction.
 */
function tailRuns(pieces: Pieces, run: Run, prices: Prices): Run[] {
  const count = run.to - run.from;
  if (count > TAIL_PIECES_MAX || !isLoneLarge(pieces, run)) return count >= TAIL_PIECES_MIN ? [run] : [];
  // At most TAIL_PIECES_MAX pieces, and fewer each time.
  const runs = bestRuns(pieces, { from: run.from + 1, to: run.to }, prices);
  const last = runs.at(-1);
  if (last === undefined || last.to < run.to) return runs;
  return [...runs.slice(0, -1), ...tailRuns(pieces, last, prices)];
}

/** The first piece is an object that is not seen again in the run, and the rest is small beside it. */
function isLoneLarge(pieces: Pieces, run: Run): boolean {
  const version = pieces.version(run.from);
  let rest = 0;
  for (let n = run.from + 1; n < run.to; n++) {
    if (version >= 0 && pieces.version(n) === version) return false;
    rest += pieces.bytes(n);
  }
  return rest < TAIL_SHARE * pieces.bytes(run.from);
}
