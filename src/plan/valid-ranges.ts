/**
 * Which version is read at which offset: a chunk list laid over a window of the file, last version on top.
 * A sweep over the begins with a max-heap of list positions: O(n log n) time, O(n) memory, typed arrays, because
 * lists of a million versions occur. It must know nothing of blocks, budgets or what is worth doing.
 */
import type { S3ChunkInfo, ValidRange } from '../model.ts';

/** A half-open range of file offsets. */
export interface Window {
  readonly begin: number;
  readonly end: number;
}

/**
 * The valid ranges inside `window`, ascending, disjoint; neighbours of one version are joined; holes are absent;
 * a zero version is a range like any other. `version` is the position in `versions`.
 */
export function validRanges(versions: readonly S3ChunkInfo[], window: Window): ValidRange[] {
  const clipped = clip(versions, window);
  const top = new PositionHeap(clipped.count);
  const out: ValidRange[] = [];
  let next = 0;
  let at = 0;
  for (;;) {
    while (top.size > 0 && clipped.end(top.max) <= at) top.pop();
    if (top.size === 0) {
      if (next === clipped.count) return out;
      at = clipped.begin(clipped.order(next));
    }
    while (next < clipped.count && clipped.begin(clipped.order(next)) <= at) {
      const position = clipped.order(next++);
      // What starts below the top and ends no later than it can never be seen.
      if (top.size === 0 || position > top.max || clipped.end(position) > clipped.end(top.max)) top.push(position);
    }
    const owner = top.max;
    const ownerEnd = clipped.end(owner);
    const nextBegin = next < clipped.count ? clipped.begin(clipped.order(next)) : ownerEnd;
    const until = Math.min(ownerEnd, nextBegin);
    append(out, at, until, owner);
    at = until;
  }
}

function append(out: ValidRange[], begin: number, end: number, version: number): void {
  const last = out.at(-1);
  if (last !== undefined && last.version === version && last.end === begin) {
    out[out.length - 1] = { begin: last.begin, end, version };
  } else {
    out.push({ begin, end, version });
  }
}

interface Clipped {
  readonly count: number;
  begin(position: number): number;
  end(position: number): number;
  /** The position of the n-th version by its begin. */
  order(n: number): number;
}

/** Versions cut to the window, and their order by begin; those outside the window are left out. */
function clip(versions: readonly S3ChunkInfo[], window: Window): Clipped {
  const begins = new Float64Array(versions.length);
  const ends = new Float64Array(versions.length);
  const order = new Uint32Array(versions.length);
  let count = 0;
  let sorted = true;
  let previous = -1;
  for (const [position, version] of versions.entries()) {
    const begin = Math.max(version.offset, window.begin);
    const end = Math.min(version.offset + version.len, window.end);
    begins[position] = begin;
    ends[position] = end;
    if (begin >= end) continue;
    if (begin < previous) sorted = false;
    previous = begin;
    order[count++] = position;
  }
  const used = order.subarray(0, count);
  if (!sorted) sortByBegin(used, begins, window);
  return {
    count,
    begin: (position) => begins[position] ?? 0,
    end: (position) => ends[position] ?? 0,
    order: (n) => used[n] ?? 0,
  };
}

/** Sorts positions by begin. Begin and position fit one float for every sane chunk, and floats sort several times faster. */
function sortByBegin(order: Uint32Array, begins: Float64Array, window: Window): void {
  const positions = begins.length;
  if ((window.end - window.begin) * positions >= Number.MAX_SAFE_INTEGER) {
    order.sort((a, b) => (begins[a] ?? 0) - (begins[b] ?? 0));
    return;
  }
  const keys = new Float64Array(order.length);
  for (const [n, position] of order.entries()) {
    keys[n] = ((begins[position] ?? 0) - window.begin) * positions + position;
  }
  keys.sort();
  for (const [n, key] of keys.entries()) order[n] = key % positions;
}

/** A binary max-heap of list positions in one typed array. */
class PositionHeap {
  size = 0;
  readonly #items: Uint32Array;

  constructor(capacity: number) {
    this.#items = new Uint32Array(capacity);
  }

  get max(): number {
    return this.#items[0] ?? 0;
  }

  push(position: number): void {
    const items = this.#items;
    let slot = this.size++;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      const above = items[parent] ?? 0;
      if (above >= position) break;
      items[slot] = above;
      slot = parent;
    }
    items[slot] = position;
  }

  pop(): void {
    const items = this.#items;
    const moved = items[--this.size] ?? 0;
    let slot = 0;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && (items[child + 1] ?? 0) > (items[child] ?? 0)) child++;
      const below = items[child] ?? 0;
      if (below <= moved) break;
      items[slot] = below;
      slot = child;
    }
    items[slot] = moved;
  }
}
