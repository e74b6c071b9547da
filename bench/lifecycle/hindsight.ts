/**
 * What whole-block rewriting could reach at best: for each block the moments at which to rewrite it, chosen by a dynamic
 * program that knows the whole life beforehand. A yardstick for the picture's second panel (each life counts the same),
 * not a policy: nobody knows the future. Lives of many flushes are left out, since it takes the square of their number.
 */
import type { Life } from './life.ts';

/** A life of more flushes is left out. */
const FLUSHES_MAX = 1_000;
const MIB = 1024 * 1024;

export interface HindsightPoint {
  /** The price: MiB for one GET less in a life's average. */
  readonly mibPerGet: number;
  readonly lives: number;
  readonly getsOfLives: number;
  readonly movedBytes: number;
}

interface Write {
  readonly flush: number;
  readonly begin: number;
  readonly end: number;
  /** `cut`: the file ended at `begin`. */
  readonly kind: 'data' | 'zero' | 'cut';
}

interface Piece {
  readonly begin: number;
  readonly end: number;
  readonly zero: boolean;
}

/** The best whole-block rewriting at each price, over the lives together. */
export function hindsight(lives: readonly Life[], prices: readonly number[]): HindsightPoint[] {
  const short = lives.map(blocksOf).filter(({ flushes }) => flushes <= FLUSHES_MAX);
  const sums = prices.map((mibPerGet) => ({ mibPerGet, lives: short.length, getsOfLives: 0, movedBytes: 0 }));
  for (const { blocks, flushes } of short) {
    for (const writes of blocks) {
      const spans = spansOf(writes, flushes);
      for (const sum of sums) {
        const best = bestOf(spans, (sum.mibPerGet * MIB) / flushes);
        sum.getsOfLives += best.gets / flushes;
        sum.movedBytes += best.bytes;
      }
    }
  }
  return sums;
}

/** What was written to each block, in order, with the number of flushes before it. */
function blocksOf({ events, geometry }: Life): { readonly blocks: readonly Write[][]; readonly flushes: number } {
  const { blockSize } = geometry;
  const blocks = new Map<number, Write[]>();
  let flush = 0;
  let length = 0;
  for (const event of events) {
    if (event.kind === 'flush') flush++;
    else if (event.kind === 'length') {
      for (const [block, writes] of blocks) {
        const end = (block + 1) * blockSize;
        if (event.length < length && end > event.length) writes.push({ flush, begin: event.length, end, kind: 'cut' });
      }
      length = event.length;
    } else {
      const { offset, len, zero } = event.version;
      for (let block = Math.floor(offset / blockSize); block * blockSize < offset + len; block++) {
        const begin = Math.max(offset, block * blockSize);
        const end = Math.min(offset + len, (block + 1) * blockSize);
        const writes = blocks.get(block) ?? [];
        blocks.set(block, writes);
        writes.push({ flush, begin, end, kind: zero ? 'zero' : 'data' });
      }
    }
  }
  return { blocks: [...blocks.values()], flushes: flush };
}

/** What each stretch between two rewrites of a block comes to, whatever the price. */
interface Spans {
  /** By moment: what a rewrite then moves. */
  readonly bytes: readonly number[];
  /** `gets[from][n]`: GETs, summed over flushes, until moment n when the block was rewritten at the moment before `from`. */
  readonly gets: readonly (readonly number[])[];
}

function spansOf(writes: readonly Write[], flushes: number): Spans {
  const moments = [...new Set(writes.map(({ flush }) => flush))];
  const groups = moments.map((moment) => writes.filter(({ flush }) => flush === moment));
  const until = (n: number): number => (moments[n + 1] ?? flushes) - (moments[n] ?? 0);
  const states: Piece[][] = [];
  for (const group of groups) states.push(applied(states.at(-1) ?? [], group));
  const gets = [[], ...states].map((state, from) => {
    let { pieces } = rewritten(state);
    let sum = from === 0 ? 0 : getsOf(pieces) * until(from - 1);
    const row: number[] = [];
    for (let n = from; n <= groups.length; n++) {
      row[n] = sum;
      pieces = applied(pieces, groups[n] ?? []);
      sum += getsOf(pieces) * until(n);
    }
    return row;
  });
  return { bytes: states.map((state) => rewritten(state).bytes), gets };
}

interface Best {
  readonly price: number;
  /** GETs summed over flushes. */
  readonly gets: number;
  readonly bytes: number;
}

/** The cheapest sequence of rewrites of one block: bytes, and a price for each GET at each flush. */
function bestOf({ bytes, gets }: Spans, pricePerGet: number): Best {
  // best[n]: the cheapest way to come to moment n with the block rewritten at the moment before it (or, for 0, empty).
  const best: (Best | undefined)[] = [{ price: 0, gets: 0, bytes: 0 }];
  let end: Best | undefined;
  const better = (a: Best | undefined, b: Best): Best => (a === undefined || b.price < a.price ? b : a);
  const sum = (allGets: number, allBytes: number): Best => {
    return { gets: allGets, bytes: allBytes, price: allBytes + allGets * pricePerGet };
  };
  for (let from = 0; from <= bytes.length; from++) {
    const start = best[from];
    if (start === undefined) continue;
    for (let n = from; n < bytes.length; n++) {
      best[n + 1] = better(best[n + 1], sum(start.gets + (gets[from]?.[n] ?? 0), start.bytes + (bytes[n] ?? 0)));
    }
    end = better(end, sum(start.gets + (gets[from]?.[bytes.length] ?? 0), start.bytes));
  }
  return end ?? { price: 0, gets: 0, bytes: 0 };
}

function applied(pieces: readonly Piece[], writes: readonly Write[]): Piece[] {
  let now = [...pieces];
  for (const { begin, end, kind } of writes) {
    const left = now
      .filter((piece) => piece.begin < begin)
      .map((piece) => ({ ...piece, end: Math.min(piece.end, begin) }));
    const right = now
      .filter((piece) => piece.end > end)
      .map((piece) => ({ ...piece, begin: Math.max(piece.begin, end) }));
    now = kind === 'cut' ? left : [...left, { begin, end, zero: kind === 'zero' }, ...right];
  }
  return now;
}

/** One object in place of all data, gaps filled, and what that moves. */
function rewritten(pieces: readonly Piece[]): { readonly pieces: Piece[]; readonly bytes: number } {
  const data = pieces.filter(({ zero }) => !zero);
  const [first] = data;
  const last = data.at(-1);
  if (first === undefined || last === undefined) return { pieces: [], bytes: 0 };
  const read = data.reduce((sum, { begin, end }) => sum + end - begin, 0);
  return { pieces: [{ begin: first.begin, end: last.end, zero: false }], bytes: read + last.end - first.begin };
}

function getsOf(pieces: readonly Piece[]): number {
  let gets = 0;
  for (const { zero } of pieces) if (!zero) gets++;
  return gets;
}
