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
import type { BlockView } from './blocks.ts';
import type { RangeTable } from './valid-ranges.ts';

/** Pieces `[from, to)` of the block's range table, at least two, that become one object. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

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

/**
 * The pieces of a block: those of the range table, where the runs that were found already count as one piece of a new
 * object each. `[borders[n], borders[n + 1])` of the table is the n-th.
 */
class Pieces {
  readonly count: number;
  readonly #table: RangeTable;
  readonly #borders: Uint32Array;

  private constructor(table: RangeTable, borders: Uint32Array) {
    this.#table = table;
    this.#borders = borders;
    this.count = borders.length - 1;
  }

  static of(view: BlockView): Pieces {
    const borders = new Uint32Array(view.dataTo - view.dataFrom + 1);
    for (let n = 0; n < borders.length; n++) borders[n] = view.dataFrom + n;
    return new Pieces(view.table, borders);
  }

  begin(n: number): number {
    return this.#table.begins[this.#borders[n] ?? outside()] ?? outside();
  }

  end(n: number): number {
    return this.#table.ends[(this.#borders[n + 1] ?? outside()) - 1] ?? outside();
  }

  bytes(n: number): number {
    return this.end(n) - this.begin(n);
  }

  /** A list position, or -1 for a run. */
  version(n: number): number {
    const from = this.#borders[n] ?? outside();
    return (this.#borders[n + 1] ?? outside()) - from > 1 ? -1 : (this.#table.versions[from] ?? outside());
  }

  /** The runs that were found so far, in positions of the table. */
  runs(): Run[] {
    const out: Run[] = [];
    for (let n = 0; n < this.count; n++) {
      const run = { from: this.#borders[n] ?? outside(), to: this.#borders[n + 1] ?? outside() };
      if (run.to - run.from > 1) out.push(run);
    }
    return out;
  }

  /** The pieces that are left when each of these runs of pieces, ascending, is one. */
  joined(runs: readonly Run[]): Pieces {
    const inside = runs.reduce((sum, { from, to }) => sum + to - from - 1, 0);
    const borders = new Uint32Array(this.#borders.length - inside);
    let next = 0;
    let count = 0;
    for (const { from, to } of runs) {
      while (next <= from) borders[count++] = this.#borders[next++] ?? outside();
      next = to;
    }
    while (next <= this.count) borders[count++] = this.#borders[next++] ?? outside();
    return new Pieces(this.#table, borders);
  }
}

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
  find(view: BlockView, bytesPerGet: number): Run[] {
    if (!view.mixed) return [];
    if (bytesPerGet === Number.POSITIVE_INFINITY) return [{ from: view.dataFrom, to: view.dataTo }];
    let pieces = Pieces.of(view);
    for (;;) {
      const runs = this.#best(view, pieces, bytesPerGet);
      if (runs.length === 0) return pieces.runs();
      pieces = pieces.joined(runs);
    }
  }

  /** One look: the best runs of pieces, with the rules for blocks that still grow. */
  #best(view: BlockView, pieces: Pieces, bytesPerGet: number): Run[] {
    if (!this.#isMixed(pieces)) return [];
    const price = bytesPerGet * this.#factor(view, pieces);
    const runs = bestRuns(pieces, { from: 0, to: pieces.count }, price);
    const last = runs.at(-1);
    const open = pieces.end(pieces.count - 1) < view.begin + this.#blockSize;
    if (last === undefined || !open || last.to < pieces.count) return runs;
    return [...runs.slice(0, -1), ...tailRuns(pieces, last, price)];
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
  #factor(view: BlockView, pieces: Pieces): number {
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

/** What the piece before it does in the best choice, for a piece that stays or begins a run; or it goes on with a run. */
const STAYS = 0;
const REWRITTEN = 1;
const GOES_ON = 2;

/**
 * The set of runs that gains most among some pieces: each piece stays or is rewritten, and rewritten neighbours are one
 * object. Two sums walk along: the best with the last piece staying, and the best with it rewritten.
 */
function bestRuns(pieces: Pieces, { from, to }: Run, price: number): Run[] {
  const stays = new Uint8Array(to - from);
  const rewritten = new Uint8Array(to - from);
  let ifStays = 0;
  let ifRewritten = Number.NEGATIVE_INFINITY;
  let previousEnd = 0;
  for (let n = from; n < to; n++) {
    const begin = pieces.begin(n);
    const end = pieces.end(n);
    // Its bytes are read and written; a gap before it is written only.
    const cost = 2 * (end - begin);
    const before = ifRewritten > ifStays ? REWRITTEN : STAYS;
    const begins = Math.max(ifStays, ifRewritten) - cost;
    const goesOn = n === from ? Number.NEGATIVE_INFINITY : ifRewritten + price - cost - (begin - previousEnd);
    stays[n - from] = before;
    rewritten[n - from] = goesOn >= begins ? GOES_ON : before;
    ifStays = Math.max(ifStays, ifRewritten);
    ifRewritten = Math.max(begins, goesOn);
    previousEnd = end;
  }
  return walkBack({ stays, rewritten, from, lastRewritten: ifRewritten > ifStays });
}

function walkBack(walk: {
  readonly stays: Uint8Array;
  readonly rewritten: Uint8Array;
  readonly from: number;
  readonly lastRewritten: boolean;
}): Run[] {
  const { stays, rewritten, from } = walk;
  const runs: Run[] = [];
  let inRun = walk.lastRewritten;
  let to = stays.length;
  for (let n = stays.length - 1; n >= 0; n--) {
    if (!inRun) {
      inRun = stays[n] === REWRITTEN;
      to = n;
      continue;
    }
    const before = rewritten[n];
    if (before === GOES_ON) continue;
    if (to - n > 1) runs.push({ from: from + n, to: from + to });
    inRun = before === REWRITTEN;
    to = n;
  }
  return runs.reverse();
}

/**
 * What is done with a run at the end of a block that is not full. A log grows there: its large piece would be rewritten for
 * each few bytes that are appended, so it is left out until what follows is a good part of it, as in tiered compaction.
 */
function tailRuns(pieces: Pieces, run: Run, price: number): Run[] {
  const count = run.to - run.from;
  if (count > TAIL_PIECES_MAX || !isLoneLarge(pieces, run)) return count >= TAIL_PIECES_MIN ? [run] : [];
  // At most TAIL_PIECES_MAX pieces, and fewer each time.
  const runs = bestRuns(pieces, { from: run.from + 1, to: run.to }, price);
  const last = runs.at(-1);
  if (last === undefined || last.to < run.to) return runs;
  return [...runs.slice(0, -1), ...tailRuns(pieces, last, price)];
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
