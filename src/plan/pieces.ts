/**
 * The pieces of one block: those of its range table, where runs that were chosen already count as one piece of a new object
 * each, because each look sees what the last one left. It judges nothing.
 */
import { outside } from '../outside.ts';
import type { BlockView } from './blocks.ts';
import type { RangeTable, Window } from './valid-ranges.ts';

/** Pieces `[from, to)` of a block that become one object: positions in its range table, or in `Pieces`. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/** Pieces, so GETs, that are gone when each run is one. */
export function joinedAway(runs: readonly Run[]): number {
  return runs.reduce((sum, { from, to }) => sum + to - from - 1, 0);
}

/** What one object for a run of a block moves: its bytes are read, and written with the gaps. */
export function bytesToMerge({ table }: BlockView, run: Run): number {
  const { begin, end } = extentOf(table, run);
  return end - begin + table.bytes(run.from, run.to);
}

export function extentOf(table: RangeTable, { from, to }: Run): Window {
  return { begin: table.begins[from] ?? outside(), end: table.ends[to - 1] ?? outside() };
}

/** `[borders[n], borders[n + 1])` of the table is the n-th piece. */
export class Pieces {
  readonly count: number;
  /** The block. */
  readonly view: BlockView;
  readonly #table: RangeTable;
  readonly #borders: Uint32Array;
  /** 1 for a new object. */
  readonly #made: Uint8Array;

  private constructor(view: BlockView, borders: Uint32Array, made: Uint8Array) {
    this.view = view;
    this.#table = view.table;
    this.#borders = borders;
    this.#made = made;
    this.count = made.length;
  }

  static of(view: BlockView): Pieces {
    const count = view.dataTo - view.dataFrom;
    const borders = new Uint32Array(count + 1);
    for (let n = 0; n <= count; n++) borders[n] = view.dataFrom + n;
    return new Pieces(view, borders, new Uint8Array(count));
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

  /** Between it and the piece before it a version above is read: one object for both would be read in two parts again. */
  isApart(n: number): boolean {
    return this.#table.apart?.[this.#borders[n] ?? outside()] === 1;
  }

  /** A list position, or -1 for a new object. */
  version(n: number): number {
    if (this.#made[n] === 1) return -1;
    return this.#table.versions[this.#borders[n] ?? outside()] ?? outside();
  }

  /** The runs that were chosen so far, in positions of the table. */
  runs(): Run[] {
    const out: Run[] = [];
    for (let n = 0; n < this.count; n++) {
      if (this.#made[n] === 1) out.push({ from: this.#borders[n] ?? outside(), to: this.#borders[n + 1] ?? outside() });
    }
    return out;
  }

  /** The pieces that are left when each of these runs of pieces, ascending, is one new object. */
  joined(runs: readonly Run[]): Pieces {
    const borders = new Uint32Array(this.#borders.length - joinedAway(runs));
    const made = new Uint8Array(borders.length - 1);
    let next = 0;
    let count = 0;
    for (const { from, to } of [...runs, { from: this.count, to: this.count }]) {
      for (; next < from; next++) {
        made[count] = this.#made[next] ?? outside();
        borders[count++] = this.#borders[next] ?? outside();
      }
      borders[count] = this.#borders[from] ?? outside();
      if (from < to) made[count++] = 1;
      next = to;
    }
    return new Pieces(this.view, borders, made);
  }
}
