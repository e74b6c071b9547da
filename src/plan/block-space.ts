/**
 * What becomes of one block when GETs, bytes moved and bytes stored each have a price (docs/adr/0032). An object is freed only
 * when all of its visible pieces in the block are rewritten, which no walk over neighbours can see: so a few choices are
 * made, weighed as wholes, and the best is taken, again and again until nothing is worth it. It sees one block at a time.
 */
import { outside } from '../outside.ts';
import { bestRuns, type Prices } from './best-runs.ts';
import { type BlockView, dataBytes, objectsEnd } from './blocks.ts';
import { Pieces, type Run } from './pieces.ts';
import { type ChunkList, RunFinder } from './runs.ts';

/** Objects of which nobody reads more than this share are rewritten, where that pays: half, and whatever there is. */
const DEAD_SHARES = [0.5, 0];
/** Rewriting some objects leaves less of others; after so many rounds of that the rest goes, too. */
const ROUNDS_MAX = 4;

export interface Choice {
  /** In positions of the block's range table, ascending and disjoint; none: the block stays as it is. */
  readonly runs: readonly Run[];
  /** Bytes of all objects of the block afterwards. */
  readonly storedBytes: number;
}

export class BlockSpace {
  readonly #list: ChunkList;
  readonly #finder: RunFinder;
  /** By list position, of the last tally that met the version: its number, bytes and pieces that are read and stay. */
  readonly #tallied: Uint32Array;
  readonly #live: Float64Array;
  readonly #left: Uint32Array;
  #tallies = 0;

  constructor(list: ChunkList) {
    const { versions } = list;
    this.#list = list;
    this.#finder = new RunFinder(list);
    this.#tallied = new Uint32Array(versions.length);
    this.#live = new Float64Array(versions.length);
    this.#left = new Uint32Array(versions.length);
  }

  /** Bytes of all objects of the block when these runs are made. */
  storedBytes(view: BlockView, runs: readonly Run[]): number {
    const inBlock = runs.map(({ from, to }) => ({ from: from - view.dataFrom, to: to - view.dataFrom }));
    return this.#storedBytes(Pieces.of(view).joined(inBlock));
  }

  #storedBytes(pieces: Pieces): number {
    const tally = ++this.#tallies;
    let bytes = 0;
    for (let n = 0; n < pieces.count; n++) {
      const version = pieces.version(n);
      if (version < 0) bytes += pieces.bytes(n);
      else if (this.#tallied[version] !== tally) {
        this.#tallied[version] = tally;
        bytes += this.#objectBytes(pieces, version);
      }
    }
    return bytes;
  }

  /** The best choice at these prices, tried in their order; without `mayGrow` one that stores no more than before. */
  choose(view: BlockView, prices: readonly Prices[], mayGrow: boolean): Choice {
    const pieces = Pieces.of(view);
    if (!view.mixed && !this.#hasDead(pieces)) return { runs: [], storedBytes: dataBytes(view) };
    return this.#goOn(pieces, prices, mayGrow);
  }

  /** A choice after which no object of the block keeps more than this share of bytes that nobody reads. */
  tidy(view: BlockView, prices: readonly [Prices, ...Prices[]], deadShare: number): Choice {
    const pieces = Pieces.of(view);
    const [factor = 1] = this.#finder.factors(pieces);
    const runs = this.#freeing(pieces, { ...prices[0], get: prices[0].get * factor }, deadShare);
    return this.#goOn(pieces.joined(runs), prices, false);
  }

  /** Each look sees what the last one left, as a second plan would. */
  #goOn(start: Pieces, prices: readonly Prices[], mayGrow: boolean): Choice {
    let pieces = start;
    for (;;) {
      const runs = this.#bestOf(pieces, prices, mayGrow);
      if (runs.length === 0) return { runs: pieces.runs(), storedBytes: this.#storedBytes(pieces) };
      pieces = pieces.joined(runs);
    }
  }

  /** Whether some object holds bytes that nobody reads. */
  #hasDead(pieces: Pieces): boolean {
    let live = 0;
    for (let n = 0; n < pieces.count; n++) live += pieces.bytes(n);
    return this.#storedBytes(pieces) > live;
  }

  #bestOf(pieces: Pieces, prices: readonly Prices[], mayGrow: boolean): readonly Run[] {
    const shares = this.#hasDead(pieces) ? DEAD_SHARES : [];
    const factors = this.#finder.factors(pieces);
    for (const price of prices) {
      for (const factor of factors) {
        const priced = { ...price, get: price.get * factor };
        const freeing = shares.map((deadShare) => this.#freeing(pieces, priced, deadShare));
        const choices = [this.#finder.best(pieces, priced), ...freeing];
        const runs = this.#mostWorth(pieces, priced, { choices, mayGrow });
        if (runs.length > 0) return runs;
      }
    }
    return [];
  }

  #mostWorth(
    pieces: Pieces,
    prices: Prices,
    { choices, mayGrow }: { readonly choices: readonly (readonly Run[])[]; readonly mayGrow: boolean },
  ): readonly Run[] {
    let best: readonly Run[] = [];
    let most = 0;
    for (const runs of choices) {
      if (runs.length === 0) continue;
      const { value, growth } = this.#worth(pieces, prices, runs);
      if (value <= most || (growth > 0 && !mayGrow)) continue;
      best = runs;
      most = value;
    }
    return best;
  }

  /** What runs of pieces bring, at the prices, and by how much more is stored then. */
  #worth(pieces: Pieces, prices: Prices, runs: readonly Run[]): { readonly value: number; readonly growth: number } {
    this.#tally(pieces);
    let growth = 0;
    let moved = 0;
    let saved = 0;
    for (const { from, to } of runs) {
      const written = pieces.end(to - 1) - pieces.begin(from);
      growth += written;
      moved += written;
      saved += to - from - 1;
      for (let n = from; n < to; n++) {
        moved += pieces.bytes(n);
        growth -= this.#freed(pieces, n);
      }
    }
    return { value: saved * prices.get - moved - growth * prices.stored, growth };
  }

  /** Bytes that need not be stored any more when the n-th piece is rewritten after those before it. */
  #freed(pieces: Pieces, n: number): number {
    const version = pieces.version(n);
    if (version < 0) return pieces.bytes(n);
    const left = (this.#left[version] ?? outside()) - 1;
    this.#left[version] = left;
    return left === 0 ? this.#objectBytes(pieces, version) : 0;
  }

  /** The runs that free all objects of which nobody reads more than a share, those included that this does it to. */
  #freeing(pieces: Pieces, prices: Prices, deadShare: number): readonly Run[] {
    const forced = new Uint8Array(pieces.count);
    let runs: readonly Run[] = [];
    for (let round = 0; this.#mark(pieces, { runs, forced, deadShare, all: round >= ROUNDS_MAX }); round++) {
      runs = bestRuns(pieces, { from: 0, to: pieces.count }, prices, forced);
    }
    return runs;
  }

  /** Marks the pieces of objects that would keep too much that nobody reads; whether there are more than before. */
  #mark(
    pieces: Pieces,
    how: {
      readonly runs: readonly Run[];
      readonly forced: Uint8Array;
      readonly deadShare: number;
      readonly all: boolean;
    },
  ): boolean {
    const { runs, forced, deadShare, all } = how;
    this.#tally(pieces);
    for (const { from, to } of runs) {
      for (let n = from; n < to; n++) {
        const version = pieces.version(n);
        if (version >= 0) this.#live[version] = (this.#live[version] ?? outside()) - pieces.bytes(n);
      }
    }
    let more = false;
    for (let n = 0; n < pieces.count; n++) {
      const version = pieces.version(n);
      if (version < 0 || forced[n] === 1) continue;
      const bytes = this.#objectBytes(pieces, version);
      const live = this.#live[version] ?? outside();
      if (!all && (live === 0 || bytes - live <= deadShare * bytes)) continue;
      forced[n] = 1;
      more = true;
    }
    return more;
  }

  #tally(pieces: Pieces): void {
    const tally = ++this.#tallies;
    for (let n = 0; n < pieces.count; n++) {
      const version = pieces.version(n);
      if (version < 0) continue;
      const again = this.#tallied[version] === tally;
      this.#tallied[version] = tally;
      this.#live[version] = (again ? (this.#live[version] ?? outside()) : 0) + pieces.bytes(n);
      this.#left[version] = (again ? (this.#left[version] ?? outside()) : 0) + 1;
    }
  }

  /** The object of a version in the block. */
  #objectBytes({ view }: Pieces, position: number): number {
    const { versions, geometry } = this.#list;
    const version = versions[position] ?? outside();
    const blockEnd = view.begin + geometry.blockSize;
    return Math.min(objectsEnd(version, geometry), blockEnd) - Math.max(version.offset, view.begin);
  }
}
