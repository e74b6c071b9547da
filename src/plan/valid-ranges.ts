/**
 * Which version is read at which offset: a chunk list laid over a window of the file, last version on top.
 * A sweep over the begins with a max-heap of list positions: O(n log n) time, O(n) memory, typed arrays, because
 * lists of a million versions occur. It must know nothing of blocks, budgets or what is worth doing.
 */

import type { Extent, ValidRange } from '../model.ts';
import { outside } from '../outside.ts';

/** A half-open range of file offsets. */
export interface Window {
  readonly begin: number;
  readonly end: number;
}

/**
 * Ranges as three columns: a million small objects would cost the collector more than everything else in a plan.
 * The n-th range is `[begins[n], ends[n])` of `versions[n]`, a list position.
 */
export class RangeTable {
  readonly begins: Float64Array;
  readonly ends: Float64Array;
  readonly versions: Uint32Array;
  /** 1: between the range and the one before it something is read that is in no range; absent: nowhere. */
  readonly apart: Uint8Array | undefined;
  count = 0;

  constructor(capacity: number, mayBeApart = false) {
    this.apart = mayBeApart ? new Uint8Array(capacity) : undefined;
    this.begins = new Float64Array(capacity);
    this.ends = new Float64Array(capacity);
    this.versions = new Uint32Array(capacity);
  }

  push(begin: number, end: number, version: number): void {
    const n = this.count++;
    this.begins[n] = begin;
    this.ends[n] = end;
    this.versions[n] = version;
  }

  /** Bytes of the ranges `[from, to)`. */
  bytes(from: number, to: number): number {
    let bytes = 0;
    for (let n = from; n < to; n++) bytes += (this.ends[n] ?? outside()) - (this.begins[n] ?? outside());
    return bytes;
  }

  /** The ranges `[from, to)` of the table as objects. */
  slice(from = 0, to = this.count): ValidRange[] {
    const out: ValidRange[] = [];
    for (let n = from; n < to; n++) {
      out.push({
        begin: this.begins[n] ?? outside(),
        end: this.ends[n] ?? outside(),
        version: this.versions[n] ?? outside(),
      });
    }
    return out;
  }
}

/**
 * The valid ranges inside `window`, ascending, disjoint; neighbours of one version are joined; holes are absent;
 * a zero version is a range like any other. `version` is the position in `versions`.
 */
export function validRanges(versions: readonly Extent[], window: Window): ValidRange[] {
  return rangeTable(versions, window).slice();
}

/** The same as a table. The sweep works on versions in the order of their begins, so that it walks through memory. */
export function rangeTable(versions: readonly Extent[], window: Window): RangeTable {
  const { positions, begins, ends } = clip(versions, window);
  const count = positions.length;
  const top = new TopHeap(positions);
  // Each version opens at most one range and uncovers at most one when it ends.
  const out = new RangeTable(2 * count);
  let next = 0;
  let at = 0;
  // The range that is growing; it is written when its owner changes.
  let begin = 0;
  let owner = -1;
  for (;;) {
    while (top.size > 0 && (ends[top.max] ?? outside()) <= at) top.pop();
    if (top.size === 0 && next === count) break;
    if (top.size === 0) {
      if (owner >= 0) out.push(begin, at, positions[owner] ?? outside());
      owner = -1;
      at = begins[next] ?? outside();
    }
    for (; next < count && (begins[next] ?? outside()) <= at; next++) {
      // What starts below the top and ends no later than it can never be seen.
      if (top.size === 0 || top.isBelow(next) || (ends[next] ?? outside()) > (ends[top.max] ?? outside()))
        top.push(next);
    }
    if (top.max !== owner) {
      if (owner >= 0) out.push(begin, at, positions[owner] ?? outside());
      begin = at;
      owner = top.max;
    }
    const end = ends[owner] ?? outside();
    at = next < count ? Math.min(end, begins[next] ?? outside()) : end;
  }
  if (owner >= 0) out.push(begin, at, positions[owner] ?? outside());
  return out;
}

/** The versions that reach into the window, cut to it, by their begin. */
interface Clipped {
  /** Their positions in the list. */
  readonly positions: Uint32Array;
  readonly begins: Float64Array;
  readonly ends: Float64Array;
}

function clip(versions: readonly Extent[], window: Window): Clipped {
  const positions = new Uint32Array(versions.length);
  const begins = new Float64Array(versions.length);
  const ends = new Float64Array(versions.length);
  let count = 0;
  let sorted = true;
  let previous = -1;
  for (let position = 0; position < versions.length; position++) {
    const version = versions[position] ?? outside();
    const begin = Math.max(version.offset, window.begin);
    const end = Math.min(version.offset + version.len, window.end);
    if (begin >= end) continue;
    if (begin < previous) sorted = false;
    previous = begin;
    begins[count] = begin;
    ends[count] = end;
    positions[count++] = position;
  }
  const clipped = {
    positions: positions.subarray(0, count),
    begins: begins.subarray(0, count),
    ends: ends.subarray(0, count),
  };
  return sorted ? clipped : sortedByBegin(clipped, window);
}

/** Sorts by begin. Begin and place fit one float for every sane chunk, and floats sort several times faster. */
function sortedByBegin({ positions, begins, ends }: Clipped, window: Window): Clipped {
  const count = positions.length;
  const order = new Uint32Array(count);
  if ((window.end - window.begin) * count >= Number.MAX_SAFE_INTEGER) {
    for (let n = 0; n < count; n++) order[n] = n;
    order.sort((a, b) => (begins[a] ?? outside()) - (begins[b] ?? outside()));
  } else {
    const keys = new Float64Array(count);
    for (let n = 0; n < count; n++) keys[n] = ((begins[n] ?? outside()) - window.begin) * count + n;
    keys.sort();
    for (let n = 0; n < count; n++) order[n] = (keys[n] ?? outside()) % count;
  }
  const sorted = { positions: new Uint32Array(count), begins: new Float64Array(count), ends: new Float64Array(count) };
  for (let n = 0; n < count; n++) {
    const from = order[n] ?? outside();
    sorted.positions[n] = positions[from] ?? outside();
    sorted.begins[n] = begins[from] ?? outside();
    sorted.ends[n] = ends[from] ?? outside();
  }
  return sorted;
}

/** A binary max-heap of versions, named by their place in the sorted order, by their position in the list. */
class TopHeap {
  size = 0;
  readonly #positions: Uint32Array;
  readonly #items: Uint32Array;

  constructor(positions: Uint32Array) {
    this.#positions = positions;
    this.#items = new Uint32Array(positions.length);
  }

  get max(): number {
    return this.#items[0] ?? outside();
  }

  /** Whether the top of the heap lies below this version in the list. */
  isBelow(item: number): boolean {
    return (this.#positions[item] ?? outside()) > (this.#positions[this.max] ?? outside());
  }

  push(item: number): void {
    const items = this.#items;
    const position = this.#positions[item] ?? outside();
    let slot = this.size++;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      const above = items[parent] ?? outside();
      if ((this.#positions[above] ?? outside()) >= position) break;
      items[slot] = above;
      slot = parent;
    }
    items[slot] = item;
  }

  pop(): void {
    const items = this.#items;
    const positions = this.#positions;
    const moved = items[--this.size] ?? outside();
    const position = positions[moved] ?? outside();
    let slot = 0;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= this.size) break;
      let below = items[child] ?? outside();
      const right = child + 1 < this.size ? (items[child + 1] ?? outside()) : below;
      if ((positions[right] ?? outside()) > (positions[below] ?? outside())) {
        below = right;
        child++;
      }
      if ((positions[below] ?? outside()) <= position) break;
      items[slot] = below;
      slot = child;
    }
    items[slot] = moved;
  }
}
