/**
 * What becomes of the blocks of a chunk when stored bytes have a price (docs/adr/0032): each block's best choice, then two
 * rules for the chunk as a whole. A plan never stores more than before; and what it leaves is at most WASTE_MAX times what a
 * reader sees. It chooses among what blocks offer and must not know how they find it.
 */
import type { PlanPolicy, S3ChunkInfo } from '../model.ts';
import type { Prices } from './best-runs.ts';
import { BlockSpace, type Choice } from './block-space.ts';
import { type BlockView, dataBytes } from './blocks.ts';
import { type BlockRuns, runsReached } from './keep.ts';
import { bytesToMerge, joinedAway } from './pieces.ts';
import type { ChunkList } from './runs.ts';

/** Stored bytes for each visible one that a plan leaves at most. */
export const WASTE_MAX = 1.1;
/** Whose rewriting is tried first when there is more: objects of which nobody reads more than this share. */
const DEAD_SHARES = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 0];

/** A block and what becomes of it. */
export interface BlockChoice extends BlockRuns {
  /** Bytes that are stored more than before. */
  readonly growthBytes: number;
}

interface Chosen {
  readonly view: BlockView;
  readonly visibleBytes: number;
  readonly keptBytes: number;
  choice: Choice;
}

export interface SpaceInput extends ChunkList {
  readonly policy: PlanPolicy;
  /** Bytes of all objects that the list references: the plan may leave so many. */
  readonly storedBytes: number;
}

/** A choice for each block at a price of a GET; near-linear in the pieces. */
export function chooseInSpace(
  input: SpaceInput,
  blocks: readonly BlockView[],
  bytesPerGet: number,
): readonly BlockChoice[] {
  const offers = new Offers(input, bytesPerGet);
  const chosen = blocks.map((view): Chosen => {
    const keptBytes = offers.space.storedBytes(view, []);
    return { view, visibleBytes: dataBytes(view), keptBytes, choice: offers.best(view, true) };
  });
  let stored = 0;
  let visible = 0;
  for (const { choice, visibleBytes } of chosen) {
    stored += choice.storedBytes;
    visible += visibleBytes;
  }
  stored -= giveUpGrowth(chosen, offers, stored - input.storedBytes);
  reclaim(chosen, offers, stored - WASTE_MAX * visible);
  return chosen.map(({ view, choice, keptBytes }) => {
    return { view, runs: choice.runs, growthBytes: choice.storedBytes - keptBytes };
  });
}

/** Takes back what stores more than before, the largest first, until it is this much less; returns how much less it is. */
function giveUpGrowth(chosen: readonly Chosen[], offers: Offers, excess: number): number {
  if (excess <= 0) return 0;
  const growth = ({ choice, keptBytes }: Chosen): number => choice.storedBytes - keptBytes;
  const growing = chosen.filter((one) => growth(one) > 0).sort((a, b) => growth(b) - growth(a));
  let less = 0;
  for (const one of growing) {
    if (less >= excess) break;
    const choice = offers.best(one.view, false);
    less += one.choice.storedBytes - choice.storedBytes;
    one.choice = choice;
  }
  return less;
}

/** Rewrites what holds bytes that nobody reads, the most for what is moved first, until it is this much less. */
function reclaim(chosen: readonly Chosen[], offers: Offers, excess: number): void {
  let left = excess;
  for (const deadShare of DEAD_SHARES) {
    if (left <= 0) return;
    const wasteful = chosen.filter(({ choice, visibleBytes }) => choice.storedBytes > visibleBytes);
    const better = wasteful.flatMap((one) => {
      const choice = offers.tidy(one.view, deadShare);
      const saves = one.choice.storedBytes - choice.storedBytes;
      const moves = movedBy(one.view, choice) - movedBy(one.view, one.choice);
      return saves > 0 ? [{ one, choice, saves, ratio: saves / Math.max(1, moves) }] : [];
    });
    for (const { one, choice, saves } of better.sort((a, b) => b.ratio - a.ratio)) {
      if (left <= 0) return;
      one.choice = choice;
      left -= saves;
    }
  }
}

function movedBy(view: BlockView, { runs }: Choice): number {
  return runs.reduce((sum, run) => sum + bytesToMerge(view, run), 0);
}

/** What a block offers at the prices of the policy, and only what its metadata service allows. */
class Offers {
  readonly space: BlockSpace;
  readonly #versions: readonly S3ChunkInfo[];
  readonly #mergedFirst: boolean;
  readonly #prices: Prices;
  /** Where nothing may grow no hole is filled, unless nothing else is left to do. */
  readonly #strict: readonly [Prices, Prices];

  constructor(input: SpaceInput, bytesPerGet: number) {
    const { versions, geometry, policy } = input;
    const { storagePrice = 0 } = policy;
    this.space = new BlockSpace(input);
    this.#versions = versions;
    this.#mergedFirst = policy.mergedFirst === true;
    const limitless = bytesPerGet === Number.POSITIVE_INFINITY;
    // More than everything that can be moved and stored for one block, even where a GET is worth less.
    const get = limitless ? 128 * (1 + storagePrice) * geometry.blockSize : bytesPerGet;
    this.#prices = { get, stored: storagePrice, holeMax: policy.readGapBytes, tailWaits: !limitless };
    this.#strict = [{ ...this.#prices, holeMax: 0 }, this.#prices];
  }

  best(view: BlockView, mayGrow: boolean): Choice {
    const choice = this.space.choose(view, mayGrow ? [this.#prices] : this.#strict, mayGrow);
    if (this.#allowed(view, choice)) return choice;
    const left: Choice = { runs: [], storedBytes: this.space.storedBytes(view, []) };
    const whole = this.space.tidy(view, this.#strict, 0);
    const value = (one: Choice): number =>
      joinedAway(one.runs) * this.#prices.get -
      movedBy(view, one) -
      (one.storedBytes - left.storedBytes) * this.#prices.stored;
    if (value(whole) > 0) return whole;
    const inTheWay = runsReached({ view, runs: choice.runs }, this.#versions);
    const runs = choice.runs.filter((run) => !inTheWay.has(run));
    const rest: Choice = { runs, storedBytes: this.space.storedBytes(view, runs) };
    const fits = mayGrow || rest.storedBytes <= left.storedBytes;
    return fits && value(rest) > 0 && this.#allowed(view, rest) ? rest : left;
  }

  /** It never stores more than before. When nothing is left that nobody reads, no kept part reaches into a run. */
  tidy(view: BlockView, deadShare: number): Choice {
    const choice = this.space.tidy(view, this.#strict, deadShare);
    return this.#allowed(view, choice) ? choice : this.space.tidy(view, this.#strict, 0);
  }

  #allowed(view: BlockView, { runs }: Choice): boolean {
    return !this.#mergedFirst || runsReached({ view, runs }, this.#versions).size === 0;
  }
}
