/**
 * The blocks of a chunk in which something is worth merging, each with its runs, their cost and their gain. A block is the
 * unit that a budget takes or leaves, because what stays in it depends on all of its runs. It also keeps lists short: when
 * the dial would leave a list that is long to read, it is turned up for that chunk. It must not choose between blocks.
 */

import type { PlanCost, PlanPolicy, S3ChunkInfo } from '../model.ts';
import { outside } from '../outside.ts';
import { type BlockView, type ChunkInput, dataCount } from './blocks.ts';
import { addCost, NO_COST, scoreOf } from './cost.ts';
import { reached, remainsOf } from './keep.ts';
import { BlockMerger, type PlacedBlock } from './merge-block.ts';
import { type Run, RunFinder } from './runs.ts';
import type { Window } from './valid-ranges.ts';

/** A block with runs of pieces that would become one object each. */
export interface Candidate {
  readonly view: BlockView;
  /** At least one, ascending. */
  readonly runs: readonly Run[];
  readonly merged: readonly PlacedBlock[];
  readonly cost: PlanCost;
  readonly getsSaved: number;
  /** GETs saved per full read for what it costs. */
  readonly score: number;
}

/** Every reader of a chunk reads its whole list, and the metadata service keeps it: so many pieces are no trouble. */
const PIECES_MAX = 1000;
/** A chunk of many blocks may have this many pieces in each. */
const PIECES_PER_BLOCK_MAX = 4;
const TURN_UP = 4;
/** A dial that is turned up starts at least here: a block's size by this. */
const BYTES_PER_GET_STEPS = 64;

interface Found {
  readonly view: BlockView;
  /** At least one, ascending. */
  readonly runs: readonly Run[];
}

type Input = ChunkInput & { readonly policy: PlanPolicy };

/** The candidates among the visible blocks of a chunk, in their order; linear in the number of pieces. */
export function findCandidates(input: Input, blocks: readonly BlockView[]): Candidate[] {
  const merger = new BlockMerger(input.versions, input.policy.readGapBytes);
  return findRuns(input, blocks).map((found) => candidateOf(found, input.versions, merger));
}

/** The runs at the price of the dial, or at the lowest of the higher ones that leave few enough pieces. */
function findRuns({ versions, geometry, policy }: Input, blocks: readonly BlockView[]): Found[] {
  const { blockSize, chunkSize } = geometry;
  const finder = new RunFinder(versions, blockSize);
  const piecesMax = Math.max(PIECES_MAX, blocks.length * PIECES_PER_BLOCK_MAX);
  let bytesPerGet = policy.bytesPerGet ?? Number.POSITIVE_INFINITY;
  for (;;) {
    if (bytesPerGet >= chunkSize) bytesPerGet = Number.POSITIVE_INFINITY;
    const found: Found[] = [];
    let pieces = 0;
    for (const view of blocks) {
      pieces += dataCount(view);
      const runs = finder.find(view, bytesPerGet);
      const allowed = policy.mergedFirst === true ? withNothingUnder({ view, runs }, versions, bytesPerGet) : runs;
      if (allowed.length === 0) continue;
      found.push({ view, runs: allowed });
      pieces -= joinedAway(allowed);
    }
    if (pieces <= piecesMax || bytesPerGet === Number.POSITIVE_INFINITY) return found;
    bytesPerGet = Math.max(bytesPerGet * TURN_UP, blockSize / BYTES_PER_GET_STEPS);
  }
}

/** The runs that no kept part reaches into; or, where there are others and that pays too, the whole block. */
function withNothingUnder(found: Found, versions: readonly S3ChunkInfo[], bytesPerGet: number): readonly Run[] {
  const { view, runs } = found;
  const inTheWay = runsReached(found, versions);
  if (inTheWay.size === 0) return runs;
  const whole = { from: view.dataFrom, to: view.dataTo };
  if (joinedAway([whole]) * bytesPerGet > bytesToMerge(view, whole)) return [whole];
  const rest = runs.filter((run) => !inTheWay.has(run));
  return runsReached({ view, runs: rest }, versions).size === 0 ? rest : [];
}

/** The runs that some part that stays in the block reaches into: their objects must lie above it. */
function runsReached({ view, runs }: Found, versions: readonly S3ChunkInfo[]): ReadonlySet<Run> {
  if (runs.length === 0) return new Set();
  const extents = runs.map((run) => ({ run, ...extentOf(view, run) }));
  return new Set(reached(versions, remainsOf(view, runs), extents).map(({ run }) => run));
}

function candidateOf(found: Found, versions: readonly S3ChunkInfo[], merger: BlockMerger): Candidate {
  const { view, runs } = found;
  const above = runsReached(found, versions);
  let cost = NO_COST;
  const merged = runs.map((run) => {
    const made = merger.merge(view, run);
    cost = addCost(cost, made.cost);
    return { block: made.block, above: above.has(run) };
  });
  const getsSaved = joinedAway(runs);
  return { view, runs, merged, cost, getsSaved, score: scoreOf(cost, getsSaved, 0) };
}

/** Pieces, so GETs, that are gone when each run is one. */
function joinedAway(runs: readonly Run[]): number {
  return runs.reduce((sum, { from, to }) => sum + to - from - 1, 0);
}

function extentOf({ table }: BlockView, { from, to }: Run): Window {
  return { begin: table.begins[from] ?? outside(), end: table.ends[to - 1] ?? outside() };
}

/** What one object for a run moves: its bytes are read, and written with the gaps. */
function bytesToMerge(view: BlockView, run: Run): number {
  const { begin, end } = extentOf(view, run);
  let bytes = end - begin;
  for (let n = run.from; n < run.to; n++)
    bytes += (view.table.ends[n] ?? outside()) - (view.table.begins[n] ?? outside());
  return bytes;
}
