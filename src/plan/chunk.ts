/**
 * The planner: one chunk list in, what to keep, rewrite and drop out (ADR 8). Pure: no clock, no I/O, no
 * randomness; the worker, `plan`, the scanner's score and the backlog all call this one function.
 *
 * A chunk qualifies when it has more versions than the threshold, bytes beyond the length, versions that nobody can see, or
 * too many stored bytes of which nobody reads anything.
 * In it the runs of pieces that are worth one object (candidates.ts) become one; everything else stays in place; covered
 * versions go without moving a byte; holes and zeros make no objects of their own.
 */
import type {
  ChunkBudget,
  ChunkDecision,
  ChunkPlan,
  ChunkSpace,
  PlanGain,
  PlanPolicy,
  PlanWaste,
  S3ChunkInfo,
} from '../model.ts';
import { outside } from '../outside.ts';
import { BlockSpace } from './block-space.ts';
import { type BlockView, blockSpan, type ChunkInput, dataBytes, objectsEnd, visibleBlocks } from './blocks.ts';
import { type Candidate, findCandidates } from './candidates.ts';
import { checkVersion, chunkWindow } from './check.ts';
import { addCost, getsOf, movedBytes, NO_COST, requestsOf, scoreOf, stored, visibleBytesOf } from './cost.ts';
import { keptVersions, remainsOf } from './keep.ts';
import { joinBlocks } from './merge-block.ts';
import { MERGED_VERSIONS_MAX } from './names.ts';
import { WASTE_MAX } from './space.ts';

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

/** A plan may lengthen a list, but never beyond what one commit can write. */
const VERSIONS_AFTER_MAX = 100_000;

/**
 * Decides one chunk. O(n log n) in the number of versions. Throws `list-invalid` (halt) for a list that breaks the
 * format. Planning the replacement again gives `nothing` unless blocks were left for want of budget.
 */
export function planChunk(input: PlanInput): ChunkDecision {
  const survey = surveyList(input);
  const blocks = visibleBlocks(input);
  const space = { storedBytes: survey.storedBytes, visibleBytes: visibleBytesOf(blocks) };
  if (!survey.beyond && !qualifies(input, blocks, space)) return { kind: 'nothing', ...space };
  const candidates = findCandidates(input, blocks, survey.storedBytes);
  const chosen = choose(candidates, input.budget ?? NO_LIMIT, roomBytes(input, blocks, survey));
  const plan = assemble(input, blocks, { survey, chosen, candidates: candidates.length });
  if (plan !== null) return { kind: 'plan', plan };
  if (candidates.length === 0) return { kind: 'nothing', ...space };
  const cheapest = candidates.reduce((a, b) => (movedBytes(b.cost) < movedBytes(a.cost) ? b : a));
  return {
    kind: 'overBudget',
    ...space,
    cheapestBytes: movedBytes(cheapest.cost),
    cheapestRequests: requestsOf(cheapest.cost),
  };
}

function qualifies(input: PlanInput, blocks: readonly BlockView[], space: ChunkSpace): boolean {
  if (input.versions.length > input.policy.fragmentThreshold) return true;
  if (hasStoragePrice(input) && space.storedBytes > WASTE_MAX * space.visibleBytes) return true;
  const seen = new Set<number>();
  for (const block of blocks) {
    for (const piece of block.data) seen.add(piece.version);
    for (const piece of block.zeros) seen.add(piece.version);
  }
  return seen.size < input.versions.length;
}

interface Survey {
  /** Some version reaches beyond the inode's length. */
  readonly beyond: boolean;
  readonly lowestChunkId: bigint;
  /** Objects that the list references, and their bytes. */
  readonly objects: number;
  readonly storedBytes: number;
}

/**
 * What planning wants to know of a list as a whole, and its check, in one pass: in a list of a million versions the passes
 * are a good part of the work.
 */
function surveyList({ versions, chunkIndex, geometry, length }: ChunkInput): Survey {
  const window = chunkWindow(chunkIndex, geometry);
  let beyond = false;
  let lowest: S3ChunkInfo | undefined;
  let objects = 0;
  let storedBytes = 0;
  for (let position = 0; position < versions.length; position++) {
    const version = versions[position] ?? outside();
    checkVersion(version, position, { chunkIndex, window });
    if (version.offset + version.len > length) beyond = true;
    if (lowest === undefined || version.chunkId < lowest.chunkId) lowest = version;
    if (version.zero) continue;
    const { first, last } = blockSpan(version, geometry);
    objects += last - first + 1;
    storedBytes += objectsEnd(version, geometry) - version.offset;
  }
  return { beyond, lowestChunkId: lowest?.chunkId ?? 0n, objects, storedBytes };
}

/** By how much more may be stored for the blocks that are seen: what goes without moving a byte makes room. */
function roomBytes(input: PlanInput, blocks: readonly BlockView[], survey: Survey): number {
  if (!hasStoragePrice(input) || input.budget === undefined) return Number.POSITIVE_INFINITY;
  const space = new BlockSpace(input);
  return blocks.reduce((room, view) => room - space.storedBytes(view, []), survey.storedBytes);
}

function hasStoragePrice({ policy }: PlanInput): boolean {
  return (policy.storagePrice ?? 0) > 0;
}

/** Why too much stays stored, if it does. */
function wasteOf(
  input: PlanInput,
  blocks: readonly BlockView[],
  plan: { readonly gain: PlanGain; readonly chosen: ReadonlySet<Candidate>; readonly blocksLeft: number },
): PlanWaste | undefined {
  const { gain, chosen } = plan;
  if (gain.storedBytesAfter <= WASTE_MAX * gain.visibleBytes) return undefined;
  const space = new BlockSpace(input);
  const runs = new Map([...chosen].map((one) => [one.view, one.runs]));
  let bytesToMove = 0;
  for (const view of blocks) {
    const visible = dataBytes(view);
    if (space.storedBytes(view, runs.get(view) ?? []) > visible) bytesToMove += 2 * visible;
  }
  if (!hasStoragePrice(input)) return { why: 'price', bytesToMove };
  return { why: plan.blocksLeft > 0 ? 'budget' : 'list', bytesToMove };
}

/** The candidates that fit the budget, best first (I8), without those for whose growth nothing else makes room. */
function choose(candidates: readonly Candidate[], budget: ChunkBudget, roomBytes: number): ReadonlySet<Candidate> {
  const chosen = new Set<Candidate>();
  let spent = NO_COST;
  let mergedVersions = 0;
  const byScore = [...candidates].sort((a, b) => b.score - a.score || a.view.blockIndex - b.view.blockIndex);
  for (const next of byScore) {
    const total = addCost(spent, next.cost);
    // Objects may join into fewer versions, never into more.
    const fits = mergedVersions + next.merged.length <= budget.mergedVersions;
    if (!fits || movedBytes(total) > budget.bytes || requestsOf(total) > budget.requests) continue;
    chosen.add(next);
    mergedVersions += next.merged.length;
    spent = total;
  }
  let growth = 0;
  for (const { growthBytes } of chosen) growth += growthBytes;
  for (const next of byScore.reverse()) {
    if (growth <= roomBytes) break;
    if (next.growthBytes > 0 && chosen.delete(next)) growth -= next.growthBytes;
  }
  return chosen;
}

/** The plan that carries out the chosen candidates, or `null` when that would be of no use. */
function assemble(
  input: PlanInput,
  blocks: readonly BlockView[],
  choice: { readonly survey: Survey; readonly chosen: ReadonlySet<Candidate>; readonly candidates: number },
): ChunkPlan | null {
  const { survey, chosen } = choice;
  const { versions, geometry } = input;
  const rewritten = new Map([...chosen].map((one) => [one.view, one]));
  const kept = keptVersions(
    versions,
    blocks.map((view) => remainsOf(view, rewritten.get(view)?.runs ?? [])),
  );
  const mergedBlocks = blocks.flatMap((view) => rewritten.get(view)?.merged ?? []);
  const merged = joinBlocks(mergedBlocks, geometry);
  const after = stored(kept, geometry);
  const getsBefore = getsOf(blocks);
  const cost = [...chosen].reduce((sum, one) => addCost(sum, one.cost), NO_COST);
  const getsSaved = [...chosen].reduce((sum, one) => sum + one.getsSaved, 0);
  const gain = {
    getsBefore,
    getsAfter: getsBefore - getsSaved,
    visibleBytes: visibleBytesOf(blocks),
    versionsBefore: versions.length,
    versionsAfter: merged.length + kept.length,
    objectsBefore: survey.objects,
    objectsAfter: after.objects + mergedBlocks.length,
    storedBytesBefore: survey.storedBytes,
    storedBytesAfter: after.storedBytes + cost.writeBytes,
  };
  const { beyond } = survey;
  const fewer = kept.length < versions.length || gain.objectsAfter < gain.objectsBefore;
  if (merged.length === 0 && !beyond && !fewer) return null;
  // Versions cut at the borders of blocks may lengthen the list; a commit can write only so many.
  if (gain.versionsAfter > Math.max(versions.length, VERSIONS_AFTER_MAX)) return null;
  const blocksLeft = choice.candidates - chosen.size;
  const waste = wasteOf(input, blocks, { gain, chosen, blocksLeft });
  return {
    chunkIndex: input.chunkIndex,
    replaced: versions,
    kept,
    merged,
    mergedChunkId: survey.lowestChunkId,
    ...(beyond ? { requiredLength: input.length } : {}),
    ...(input.above === undefined ? {} : { requiredAbove: input.above.last }),
    cost,
    gain,
    score: scoreOf(cost, getsSaved, gain.storedBytesBefore - gain.storedBytesAfter),
    blocksLeft,
    waste,
  };
}
