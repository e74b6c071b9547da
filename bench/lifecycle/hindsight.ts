/**
 * What whole-block rewriting could reach at best: for each block the moments at which to rewrite it, chosen by a dynamic
 * program that knows all writes and reads beforehand. A yardstick, not a policy: nobody knows the future. It takes the square of
 * the moments of a block, so of long lives a sample of blocks counts. It sees one course of events and must not know of clocks.
 */
import type { Life } from './life.ts';

const MIB = 1024 * 1024;
/** A block of more moments is left out. */
const MOMENTS_MAX = 2_000;
/** Blocks with more squares of moments than this together: every n-th counts, n times. */
const SQUARES_MAX = 6_000_000;
/** Halvings of the price until two neighbouring corners of the curve are found. */
const HALVINGS = 40;

/** GETs of a full read, on average over all reads of a life (summed, of several lives), and bytes moved. */
export interface Point {
  readonly gets: number;
  readonly bytes: number;
}

/** A life in moments, numbered from 0: writes come in a moment, and a rewrite, then reads at its end. */
export interface Course {
  /** By the number of flushes before a write: its moment. Ascending. */
  readonly ofFlush: readonly number[];
  /** The first moment from this one on at whose end blocks may be rewritten, if there is one. */
  readonly rewriteAt: (moment: number) => number | undefined;
  /** Reads at the ends of moments before this one. */
  readonly readsBefore: (moment: number) => number;
  readonly moments: number;
}

/** Every flush is a moment, after which the file may be rewritten and is read once. */
export function flushCourse({ events }: Life): Course {
  const moments = events.filter(({ kind }) => kind === 'flush').length;
  const ofFlush = Array.from({ length: moments + 1 }, (_, flush) => Math.min(flush, moments - 1));
  return { ofFlush, rewriteAt: (moment) => moment, readsBefore: (moment) => moment, moments };
}

interface Write {
  readonly moment: number;
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

interface Block {
  readonly spans: Spans;
  readonly reads: number;
  /** It stands for so many. */
  readonly times: number;
}

export class Hindsight {
  readonly #blocks: readonly Block[];
  /** Blocks that were looked at, and all. */
  readonly looked: number;
  readonly all: number;

  private constructor(blocks: readonly Block[], all: number) {
    this.#blocks = blocks;
    this.looked = blocks.length;
    this.all = all;
  }

  static of(life: Life, course: Course): Hindsight {
    const reads = course.readsBefore(course.moments);
    const all = blocksOf(life, course).map((writes) => ({ writes, at: momentsOf(writes, course) }));
    // By size, so that a sample has of each.
    const short = all.filter(({ at }) => at.length <= MOMENTS_MAX).sort((a, b) => a.at.length - b.at.length);
    const squares = short.reduce((sum, { at }) => sum + at.length ** 2, 0);
    const times = Math.max(1, Math.ceil(squares / SQUARES_MAX));
    const sample = short.filter((_, n) => n % times === Math.floor(times / 2) % Math.max(1, short.length));
    const scale = all.length / Math.max(1, sample.length);
    const blocks = sample.map(({ writes, at }) => ({ spans: spansOf(writes, at, course), reads, times: scale }));
    return new Hindsight(blocks, all.length);
  }

  /** Several lives at one price, each of which counts the same. */
  static together(lives: readonly Hindsight[]): Hindsight {
    return new Hindsight(
      lives.flatMap((life) => life.#blocks),
      lives.reduce((sum, { all }) => sum + all, 0),
    );
  }

  /** The best at a price: MiB for one GET less in the average of a life. */
  at(mibPerGet: number): Point {
    const sum = { gets: 0, bytes: 0 };
    for (const { spans, reads, times } of this.#blocks) {
      const best = bestOf(spans, (mibPerGet * MIB) / Math.max(1, reads));
      sum.gets += (times * best.gets) / Math.max(1, reads);
      sum.bytes += times * best.bytes;
    }
    return sum;
  }

  /** The fewest bytes at which a read takes so many GETs, between the corners of the curve; `undefined`: it never takes so few. */
  bytesAt(gets: number): number | undefined {
    if (this.#blocks.length === 0) return undefined;
    let [low, high] = [2 ** -20, 2 ** 30];
    let [above, below] = [this.at(low), this.at(high)];
    if (below.gets > gets) return undefined;
    if (above.gets <= gets) return above.bytes;
    for (let n = 0; n < HALVINGS && high / low > 1.001; n++) {
      const price = Math.sqrt(low * high);
      const point = this.at(price);
      if (point.gets > gets) [low, above] = [price, point];
      else [high, below] = [price, point];
    }
    const share = above.gets === below.gets ? 0 : (gets - below.gets) / (above.gets - below.gets);
    return below.bytes - share * (below.bytes - above.bytes);
  }
}

/** What was written to each block, in order. */
function blocksOf({ events, geometry }: Life, { ofFlush }: Course): Write[][] {
  const { blockSize } = geometry;
  const blocks = new Map<number, Write[]>();
  let flush = 0;
  let length = 0;
  for (const event of events) {
    const moment = ofFlush[flush] ?? 0;
    if (event.kind === 'flush') flush++;
    else if (event.kind === 'length') {
      for (const [block, writes] of blocks) {
        const end = (block + 1) * blockSize;
        if (event.length < length && end > event.length) writes.push({ moment, begin: event.length, end, kind: 'cut' });
      }
      length = event.length;
    } else {
      const { offset, len, zero } = event.version;
      for (let block = Math.floor(offset / blockSize); block * blockSize < offset + len; block++) {
        const begin = Math.max(offset, block * blockSize);
        const end = Math.min(offset + len, (block + 1) * blockSize);
        const writes = blocks.get(block) ?? [];
        blocks.set(block, writes);
        writes.push({ moment, begin, end, kind: zero ? 'zero' : 'data' });
      }
    }
  }
  return [...blocks.values()];
}

/** The moments at which something happens to a block: writes, and the first chance to rewrite it after each. */
function momentsOf(writes: readonly Write[], { rewriteAt }: Course): number[] {
  const moments = new Set<number>();
  for (const { moment } of writes) {
    moments.add(moment);
    const chance = rewriteAt(moment);
    if (chance !== undefined) moments.add(chance);
  }
  return [...moments].sort((a, b) => a - b);
}

/** What each stretch between two rewrites of a block comes to, whatever the price. */
interface Spans {
  /** By moment: what a rewrite then moves, zeros of earlier rewrites left out; `undefined`: it cannot be rewritten then. */
  readonly bytes: readonly (number | undefined)[];
  /** `gets[from][n]`: GETs, summed over reads, until moment n when the block was rewritten at the moment before `from`. */
  readonly gets: readonly (readonly number[])[];
}

function spansOf(writes: readonly Write[], moments: readonly number[], course: Course): Spans {
  const { readsBefore, rewriteAt } = course;
  const groups = moments.map((moment) => writes.filter((write) => write.moment === moment));
  const until = (n: number): number =>
    readsBefore(moments[n + 1] ?? course.moments) - readsBefore(moments[n] ?? course.moments);
  const may = moments.map((moment) => rewriteAt(moment) === moment);
  const state: Piece[] = [];
  const made: (Rewritten | undefined)[] = groups.map((group, n) => {
    for (const write of group) apply(state, write);
    return may[n] === true ? rewritten(state) : undefined;
  });
  const gets = [undefined, ...made].map((start, from) => {
    if (from > 0 && start === undefined) return [];
    const pieces = start === undefined ? [] : [...start.pieces];
    let sum = from === 0 ? 0 : getsOf(pieces) * until(from - 1);
    const row: number[] = [];
    for (let n = from; n <= groups.length; n++) {
      row[n] = sum;
      for (const write of groups[n] ?? []) apply(pieces, write);
      sum += getsOf(pieces) * until(n);
    }
    return row;
  });
  return { bytes: made.map((one) => one?.bytes), gets };
}

interface Best {
  readonly price: number;
  /** GETs summed over reads. */
  readonly gets: number;
  readonly bytes: number;
}

/** The cheapest sequence of rewrites of one block: bytes, and a price for each GET of each read. */
function bestOf({ bytes, gets }: Spans, pricePerGet: number): Best {
  // best[n]: the cheapest way to come to moment n with the block rewritten at the moment before it (or, for 0, empty).
  const best: (Best | undefined)[] = [{ price: 0, gets: 0, bytes: 0 }];
  let end: Best | undefined;
  for (let from = 0; from <= bytes.length; from++) {
    const start = best[from];
    const row = gets[from];
    if (start === undefined || row === undefined) continue;
    for (let n = from; n <= bytes.length; n++) {
      const last = n === bytes.length;
      const moved = last ? 0 : bytes[n];
      if (moved === undefined) continue;
      const added = row[n] ?? 0;
      const price = start.price + moved + added * pricePerGet;
      const known = last ? end : best[n + 1];
      if (known !== undefined && known.price <= price) continue;
      const better = { price, gets: start.gets + added, bytes: start.bytes + moved };
      if (last) end = better;
      else best[n + 1] = better;
    }
  }
  return end ?? { price: 0, gets: 0, bytes: 0 };
}

/** Writes into pieces, which ascend and do not overlap, in place. */
function apply(pieces: Piece[], { begin, end, kind }: Write): void {
  let [from, to] = [0, pieces.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((pieces[middle]?.end ?? 0) > begin) to = middle;
    else from = middle + 1;
  }
  while (to < pieces.length && (pieces[to]?.begin ?? end) < end) to++;
  const first = pieces[from];
  const last = pieces[to - 1];
  const now: Piece[] = [];
  if (from < to && first !== undefined && first.begin < begin) now.push({ ...first, end: begin });
  if (kind !== 'cut') now.push({ begin, end, zero: kind === 'zero' });
  if (from < to && last !== undefined && last.end > end) now.push({ ...last, begin: end });
  pieces.splice(from, to - from, ...now);
}

interface Rewritten {
  readonly pieces: readonly Piece[];
  readonly bytes: number;
}

/** One object in place of all data, gaps filled, and what that moves. */
function rewritten(pieces: readonly Piece[]): Rewritten {
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
