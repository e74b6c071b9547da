/**
 * The set of runs that gains most among the pieces of a block, at given prices, in one linear walk.
 * Which pieces must go and what the prices are is decided elsewhere.
 */
import type { Pieces, Run } from './pieces.ts';

/** What things are worth, in bytes that may be moved for them. */
export interface Prices {
  /** A GET that a full read saves. */
  readonly get: number;
  /** A byte that need not be stored any more. */
  readonly stored: number;
  /** The longest hole that is ever filled with zeros, bytes. */
  readonly holeMax: number;
  /** The end of a block that is not full waits until there is more of it. */
  readonly tailWaits: boolean;
}

/** What the piece before it does in the best choice, for a piece that stays or begins a run; or it goes on with a run. */
const STAYS = 0;
const REWRITTEN = 1;
const GOES_ON = 2;

/**
 * Each piece stays or is rewritten, and rewritten neighbours are one object. Two sums walk along: the best with the last
 * piece staying, and the best with it rewritten. A piece that is marked in `forced` does not stay.
 */
export function bestRuns(pieces: Pieces, { from, to }: Run, prices: Prices, forced?: Uint8Array): Run[] {
  const stays = new Uint8Array(to - from);
  const rewritten = new Uint8Array(to - from);
  const { get, holeMax } = prices;
  const holePrice = 1 + prices.stored;
  let ifStays = 0;
  let ifRewritten = Number.NEGATIVE_INFINITY;
  let previousEnd = 0;
  for (let n = from; n < to; n++) {
    const begin = pieces.begin(n);
    const end = pieces.end(n);
    // Its bytes are read and written; a hole before it is written, and stored.
    const cost = 2 * (end - begin);
    const hole = begin - previousEnd;
    const before = ifRewritten > ifStays ? REWRITTEN : STAYS;
    const begins = Math.max(ifStays, ifRewritten) - cost;
    const apart = n === from || hole > holeMax || pieces.isApart(n);
    const goesOn = apart ? Number.NEGATIVE_INFINITY : ifRewritten + get - cost - hole * holePrice;
    stays[n - from] = before;
    rewritten[n - from] = goesOn >= begins ? GOES_ON : before;
    ifStays = forced?.[n] === 1 ? Number.NEGATIVE_INFINITY : Math.max(ifStays, ifRewritten);
    ifRewritten = Math.max(begins, goesOn);
    previousEnd = end;
  }
  const runs: Run[] = [];
  let inRun = ifRewritten > ifStays;
  let runTo = to;
  for (let n = to - 1; n >= from; n--) {
    const before = inRun ? rewritten[n - from] : stays[n - from];
    if (before === GOES_ON) continue;
    if (inRun && (runTo - n > 1 || forced?.[n] === 1)) runs.push({ from: n, to: runTo });
    inRun = before === REWRITTEN;
    runTo = n;
  }
  return runs.reverse();
}
