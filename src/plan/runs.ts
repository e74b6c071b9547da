/**
 * Which neighbouring pieces of a block are worth one object: the price of a GET (bytes moved for each GET that a full read
 * saves) decides. It stands alone because it is the planner's whole judgement; everything else carries it out. It sees
 * pieces of one block only, and must not know budgets, lists or names.
 *
 * Large pieces stay and small neighbours become one, whatever their order in the list: a run is worth it when the GETs it
 * saves, at the price, pay for reading and writing all of its bytes, gaps filled. Among all sets of runs the best is
 * taken, in linear time. What is found is final: the pieces that are left hold no run that is worth it (`find` looks again
 * until there is none), so a second plan finds nothing.
 */

import type { S3ChunkInfo } from '../model.ts';
import { outside } from '../outside.ts';
import { bestRuns, type Prices } from './best-runs.ts';
import type { BlockView } from './blocks.ts';
import { Pieces, type Run } from './pieces.ts';

/** A complete block in which nothing was overwritten is not likely to change: merging it lasts, so a GET is worth more. */
const SETTLED_FACTOR = 4;
/** The same, but the block is not full: what is written stays, and more will come. */
const GROWING_FACTOR = 2;
/** A large piece before the tail is rewritten only when the tail has this share of its bytes ... */
const TAIL_SHARE = 1 / 8;
/** ... or the run this many pieces. */
const TAIL_PIECES_MAX = 8;
/** The tail of a growing block waits until this many pieces can be merged: each costs a request to merge, too. */
const TAIL_PIECES_MIN = 4;

/** Finds the runs of block after block of one chunk list. */
export class RunFinder {
  readonly #versions: readonly S3ChunkInfo[];
  readonly #blockSize: number;
  /** By list position: the round in which the version was seen last. */
  readonly #seen: Uint32Array;
  #round = 0;

  constructor(versions: readonly S3ChunkInfo[], blockSize: number) {
    this.#versions = versions;
    this.#blockSize = blockSize;
    this.#seen = new Uint32Array(versions.length);
  }

  /** The runs of a block that are worth it, in positions of its range table, ascending and disjoint; linear in its pieces. */
  find(view: BlockView, prices: Prices): Run[] {
    if (!view.mixed) return [];
    if (prices.get === Number.POSITIVE_INFINITY) return [{ from: view.dataFrom, to: view.dataTo }];
    let pieces = Pieces.of(view);
    for (;;) {
      const runs = this.best(view, pieces, prices);
      if (runs.length === 0) return pieces.runs();
      pieces = pieces.joined(runs);
    }
  }

  /** One look: the best runs of pieces, with the rules for blocks that still grow. */
  best(view: BlockView, pieces: Pieces, prices: Prices): Run[] {
    if (!this.#isMixed(pieces)) return [];
    const priced = { ...prices, get: prices.get * this.factor(view, pieces) };
    const runs = bestRuns(pieces, { from: 0, to: pieces.count }, priced);
    const last = runs.at(-1);
    const open = pieces.end(pieces.count - 1) < view.begin + this.#blockSize;
    if (last === undefined || !open || last.to < pieces.count || !prices.tailWaits) return runs;
    return [...runs.slice(0, -1), ...tailRuns(pieces, last, priced)];
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

  /** How much more than once a GET is worth in this block. */
  factor(view: BlockView, pieces: Pieces): number {
    const round = ++this.#round;
    let end = pieces.begin(0);
    for (let n = 0; n < pieces.count; n++) {
      const begin = pieces.begin(n);
      if (begin !== end) return 1;
      end = pieces.end(n);
      const version = pieces.version(n);
      if (version < 0) continue;
      const start = Math.max((this.#versions[version] ?? outside()).offset, view.begin);
      // Overwritten at its start, or in the middle: what was overwritten once will be again.
      if (begin !== start || this.#seen[version] === round) return 1;
      this.#seen[version] = round;
    }
    const full = pieces.begin(0) === view.begin && end === view.begin + this.#blockSize;
    return full ? SETTLED_FACTOR : GROWING_FACTOR;
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
