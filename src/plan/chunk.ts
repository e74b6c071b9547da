/**
 * The planner: one chunk list in, what to keep, rewrite and drop out (DESIGN §3). Pure: no clock, no I/O, no randomness;
 * the worker, `plan`, the scanner's score and the backlog all call this one function.
 *
 * Rule of this form: a chunk qualifies when it has more versions than the threshold, bytes beyond the length, or
 * versions that nobody can see. In it each block that is read from more than one object becomes one object; every
 * other block stays in place; covered versions go without moving a byte; holes and zeros make no objects.
 */
import type { ChunkBudget, ChunkDecision, ChunkPlan, MergedBlock, PlanCost, PlanPolicy } from '../model.ts';
import { type BlockView, type ChunkInput, visibleBlocks } from './blocks.ts';
import { checkChunkList } from './check.ts';
import { addCost, blockCost, getsOf, movedBytes, NO_COST, requestsOf, scoreOf, stored } from './cost.ts';
import { keptVersions } from './keep.ts';
import { joinBlocks, mergeBlock } from './merge-block.ts';
import { MERGED_VERSIONS_MAX } from './names.ts';

export interface PlanInput extends ChunkInput {
  readonly policy: PlanPolicy;
  /** Absent: no limit but the number of merged versions that an attempt can name. */
  readonly budget?: ChunkBudget;
}

const NO_LIMIT: ChunkBudget = {
  bytes: Number.POSITIVE_INFINITY,
  requests: Number.POSITIVE_INFINITY,
  mergedVersions: MERGED_VERSIONS_MAX,
};

/** A block that would become one object, with what that takes. */
interface Candidate {
  readonly view: BlockView;
  readonly merged: MergedBlock;
  readonly cost: PlanCost;
  /** GETs saved per full read for what it costs. */
  readonly score: number;
}

/**
 * Decides one chunk. O(n log n) in the number of versions. Throws `list-invalid` (halt) for a list that breaks the
 * format. Planning the replacement again gives `nothing` unless blocks were left for want of budget.
 */
export function planChunk(input: PlanInput): ChunkDecision {
  checkChunkList(input.versions, input.chunkIndex, input.geometry);
  const blocks = visibleBlocks(input);
  if (!qualifies(input, blocks)) return { kind: 'nothing' };
  const candidates = blocks.filter((view) => view.owners > 1).map((view) => candidate(input, view));
  const chosen = choose(candidates, input.budget ?? NO_LIMIT);
  const plan = assemble(input, blocks, chosen, candidates.length);
  if (plan !== null) return { kind: 'plan', plan };
  if (candidates.length === 0) return { kind: 'nothing' };
  const cheapest = candidates.reduce((a, b) => (movedBytes(b.cost) < movedBytes(a.cost) ? b : a));
  return {
    kind: 'overBudget',
    cheapestBytes: movedBytes(cheapest.cost),
    cheapestRequests: requestsOf(cheapest.cost),
  };
}

function qualifies(input: PlanInput, blocks: readonly BlockView[]): boolean {
  if (input.versions.length > input.policy.fragmentThreshold) return true;
  if (reachesBeyond(input)) return true;
  const seen = new Set<number>();
  for (const block of blocks) {
    for (const piece of block.data) seen.add(piece.version);
    for (const piece of block.zeros) seen.add(piece.version);
  }
  return seen.size < input.versions.length;
}

function reachesBeyond(input: PlanInput): boolean {
  return input.versions.some((version) => version.offset + version.len > input.length);
}

function candidate(input: PlanInput, view: BlockView): Candidate {
  const merged = mergeBlock(input.versions, view, input.policy.readGapBytes);
  const cost = blockCost(merged);
  return { view, merged, cost, score: scoreOf(cost, view.data.length - 1, 0) };
}

/** The candidates that fit the budget, best first (I8). */
function choose(candidates: readonly Candidate[], budget: ChunkBudget): ReadonlySet<Candidate> {
  const chosen = new Set<Candidate>();
  let spent = NO_COST;
  const byScore = [...candidates].sort((a, b) => b.score - a.score || a.merged.blockIndex - b.merged.blockIndex);
  for (const next of byScore) {
    const total = addCost(spent, next.cost);
    // Blocks may join into fewer versions, never into more.
    const fits = chosen.size < budget.mergedVersions;
    if (!fits || movedBytes(total) > budget.bytes || requestsOf(total) > budget.requests) continue;
    chosen.add(next);
    spent = total;
  }
  return chosen;
}

/** The plan that rewrites the chosen blocks, or `null` when that would be of no use. */
function assemble(
  input: PlanInput,
  blocks: readonly BlockView[],
  chosen: ReadonlySet<Candidate>,
  candidates: number,
): ChunkPlan | null {
  const { versions, geometry } = input;
  const rewritten = new Map([...chosen].map((one) => [one.view, one]));
  const kept = keptVersions(
    versions,
    blocks.filter((view) => !rewritten.has(view)),
  );
  const mergedBlocks = blocks.flatMap((view) => rewritten.get(view)?.merged ?? []);
  const merged = joinBlocks(mergedBlocks, geometry);
  const before = stored(versions, geometry);
  const after = stored(kept, geometry);
  const getsBefore = getsOf(blocks);
  let cost = NO_COST;
  let getsSaved = 0;
  for (const one of chosen) {
    cost = addCost(cost, one.cost);
    getsSaved += one.view.data.length - 1;
  }
  const gain = {
    getsBefore,
    getsAfter: getsBefore - getsSaved,
    versionsBefore: versions.length,
    versionsAfter: merged.length + kept.length,
    objectsBefore: before.objects,
    objectsAfter: after.objects + mergedBlocks.length,
    storedBytesBefore: before.storedBytes,
    storedBytesAfter: after.storedBytes + cost.writeBytes,
  };
  const beyond = reachesBeyond(input);
  const useful = merged.length > 0 || beyond || kept.length < versions.length || gain.objectsAfter < gain.objectsBefore;
  if (!useful) return null;
  return {
    chunkIndex: input.chunkIndex,
    replaced: versions,
    kept,
    merged,
    mergedChunkId: lowestChunkId(input),
    ...(beyond ? { requiredLength: input.length } : {}),
    cost,
    gain,
    score: scoreOf(cost, getsSaved, gain.storedBytesBefore - gain.storedBytesAfter),
    blocksLeft: candidates - chosen.size,
  };
}

function lowestChunkId(input: PlanInput): bigint {
  let lowest = input.versions[0]?.chunkId ?? 0n;
  for (const version of input.versions) if (version.chunkId < lowest) lowest = version.chunkId;
  return lowest;
}
