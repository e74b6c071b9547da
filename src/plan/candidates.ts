/**
 * The blocks of a chunk in which something is worth merging, each with its runs, their cost and their gain. A block is the
 * unit that a budget takes or leaves, because what stays in it depends on all of its runs. It also keeps lists short: when
 * the dial would leave a list that is long to read, it is turned up for that chunk. It must not choose between blocks.
 */

import type { PlanCost, PlanPolicy, S3ChunkInfo } from '../model.ts';
import type { BlockView, ChunkInput } from './blocks.ts';
import { addCost, getsOf, NO_COST, scoreOf } from './cost.ts';
import { type BlockRuns, runsReached } from './keep.ts';
import { BlockMerger, type PlacedBlock } from './merge-block.ts';
import { bytesToMerge, joinedAway, type Run } from './pieces.ts';
import { ageFactors, RunFinder } from './runs.ts';
import { type BlockChoice, chooseInSpace, type SpaceInput } from './space.ts';

/** A block with at least one run of pieces that would become one object. */
export interface Candidate extends BlockChoice {
  readonly merged: readonly PlacedBlock[];
  readonly cost: PlanCost;
  readonly getsSaved: number;
  /** GETs saved per full read, and bytes reclaimed, for what it costs. */
  readonly score: number;
}

/** Every reader of a chunk reads its whole list, and the metadata service keeps it: so many pieces are no trouble. */
const PIECES_MAX = 1000;
/** A chunk of many blocks may have this many pieces in each. */
const PIECES_PER_BLOCK_MAX = 4;
const TURN_UP = 4;
/** So many times that and no choice is weighed any more: the list is brought down first. */
const LONG_FACTOR = 16;
/** A dial that is turned up starts at least here: a block's size by this. */
const BYTES_PER_GET_STEPS = 64;

type Input = ChunkInput & { readonly policy: PlanPolicy };

/** The candidates among the visible blocks of a chunk, in their order; linear in the pieces. `storedBytes`: of all objects. */
export function findCandidates(input: Input, blocks: readonly BlockView[], storedBytes: number): Candidate[] {
  const { versions, policy } = input;
  const merger = new BlockMerger(versions, policy.readGapBytes);
  const aged = { ...input, storedBytes, ageFactors: ageFactors(versions, blocks, policy.rest) };
  return findRuns(aged, blocks).map((found) => candidateOf(found, versions, merger));
}

/** The runs at the price of the dial, or at the lowest of the higher ones that leave few enough pieces. */
function findRuns(input: SpaceInput, blocks: readonly BlockView[]): BlockChoice[] {
  const { geometry, policy } = input;
  const { blockSize, chunkSize } = geometry;
  const free = (policy.storagePrice ?? 0) === 0;
  const piecesMax = Math.max(PIECES_MAX, blocks.length * PIECES_PER_BLOCK_MAX);
  const piecesBefore = getsOf(blocks);
  if (!free && piecesBefore > LONG_FACTOR * piecesMax) return shortened(input, blocks);
  const runsAt = (price: number): { readonly found: BlockChoice[]; readonly few: boolean } => {
    const bytesPerGet = price >= chunkSize ? Number.POSITIVE_INFINITY : price;
    const all = free ? chooseByGets(input, blocks, bytesPerGet) : chooseInSpace(input, blocks, bytesPerGet);
    const found = all.filter(({ runs }) => runs.length > 0);
    return { found, few: found.reduce((sum, { runs }) => sum - joinedAway(runs), piecesBefore) <= piecesMax };
  };
  let price = policy.bytesPerGet ?? chunkSize;
  const asSet = runsAt(price);
  if (asSet.few) return asSet.found;
  // What the highest price does not shorten is not shortened by those between.
  const highest = price >= chunkSize ? asSet : runsAt(chunkSize);
  if (!highest.few) return free ? highest.found : shortened(input, blocks);
  for (;;) {
    price = Math.max(price * TURN_UP, blockSize / BYTES_PER_GET_STEPS);
    if (price >= chunkSize) return highest.found;
    const dearer = runsAt(price);
    if (dearer.few) return dearer.found;
  }
}

/**
 * A list that small holes keep long: whole blocks, holes filled, whatever is stored then. Blocks of one object are weighed by
 * themselves, so that a second plan, which sees a short list, finds them as it wants them.
 */
function shortened(input: SpaceInput, blocks: readonly BlockView[]): BlockChoice[] {
  const infinite = Number.POSITIVE_INFINITY;
  const mixed = chooseByGets(input, blocks, infinite).filter(({ runs }) => runs.length > 0);
  const single = blocks.filter((view) => !view.mixed);
  const tidied = chooseInSpace({ ...input, storedBytes: infinite }, single, input.policy.bytesPerGet ?? infinite);
  const found = [...mixed, ...tidied.filter(({ runs }) => runs.length > 0)];
  return found.sort((a, b) => a.view.blockIndex - b.view.blockIndex);
}

/** Where stored bytes cost nothing: holes of any length are filled, and objects are kept for whatever is read of them. */
function chooseByGets(input: SpaceInput, blocks: readonly BlockView[], get: number): BlockChoice[] {
  const { versions, policy } = input;
  const finder = new RunFinder(input);
  const prices = { get, stored: 0, holeMax: Number.POSITIVE_INFINITY, tailWaits: true };
  return blocks.map((view) => {
    const runs = finder.find(view, prices);
    const allowed = policy.mergedFirst === true ? withNothingUnder({ view, runs }, versions, get) : runs;
    return { view, runs: allowed, growthBytes: 0 };
  });
}

/** The runs that no kept part reaches into; or, where there are others and that pays too, the whole block. */
function withNothingUnder(found: BlockRuns, versions: readonly S3ChunkInfo[], bytesPerGet: number): readonly Run[] {
  const { view, runs } = found;
  const inTheWay = runsReached(found, versions);
  if (inTheWay.size === 0) return runs;
  const whole = { from: view.dataFrom, to: view.dataTo };
  // Around bytes that versions above the head hide, one object is read in parts as before.
  const cut = view.table.apart?.subarray(whole.from + 1, whole.to).includes(1) === true;
  if (!cut && joinedAway([whole]) * bytesPerGet > bytesToMerge(view, whole)) return [whole];
  const rest = runs.filter((run) => !inTheWay.has(run));
  return runsReached({ view, runs: rest }, versions).size === 0 ? rest : [];
}

function candidateOf(found: BlockChoice, versions: readonly S3ChunkInfo[], merger: BlockMerger): Candidate {
  const { view, runs, growthBytes } = found;
  const above = runsReached(found, versions);
  let cost = NO_COST;
  const merged = runs.map((run) => {
    const made = merger.merge(view, run);
    cost = addCost(cost, made.cost);
    return { block: made.block, above: above.has(run) };
  });
  const getsSaved = joinedAway(runs);
  return { view, runs, merged, cost, getsSaved, growthBytes, score: scoreOf(cost, getsSaved, -growthBytes) };
}
