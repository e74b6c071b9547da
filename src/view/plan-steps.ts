/**
 * What the next run over an inode would do, step by step, as plain data: chosen and planned exactly as the run does it.
 * `plan` and the console show it; it reads metadata only, and draws nothing.
 */
import {
  type AgeSource,
  budgetLeft,
  planAsItIs,
  planPolicy,
  withRest,
  worthwhileChunks,
} from '../compact/choose-chunks.ts';
import type { PlannedChunk } from '../compact/types.ts';
import type { Settings } from '../config/index.ts';
import { throwIfCancelled } from '../errors.ts';
import type { MetadataStore } from '../metadata/port.ts';
import {
  type ChunkPlan,
  type Filesystem,
  type InodeKey,
  MERGED_VERSION_BITS,
  type PlanCost,
  type PlanGain,
  type PlanWaste,
  type Resting,
} from '../model.ts';
import { addCost, addCounts, type ChunkInput, NO_COST, NO_GAIN, replacementList } from '../plan/index.ts';

/** Stands for the attempt that does not exist yet: no attempt of our clock's lifetime has this number. */
const PICTURE_ATTEMPT = 2n ** 64n - 2n ** BigInt(MERGED_VERSION_BITS);

/** The chunk as it would be afterwards. */
export function chunkAfter(before: ChunkInput, plan: ChunkPlan): ChunkInput {
  return { ...before, versions: replacementList(plan, PICTURE_ATTEMPT) };
}

/** What `plan --json` prints. */
export interface PlanReport {
  readonly fsId: number;
  /** Decimal text. */
  readonly inodeId: string;
  /** Always: this command changes nothing. */
  readonly changed: false;
  readonly outcome: 'plan' | 'nothing' | 'over-budget';
  /** In the order of the run: best first. */
  readonly chunks: readonly ChunkReport[];
  /** Chunks worth compacting that a later run takes. */
  readonly chunksLeft: number;
  /** Chunks that a later run takes since they were written lately. */
  readonly resting: Resting | undefined;
  readonly cost: PlanCost;
  readonly gain: PlanGain;
}

interface ChunkReport extends Partial<Pick<ChunkPlan, 'score' | 'cost' | 'gain' | 'blocksLeft'>> {
  readonly chunkIndex: number;
  readonly outcome: 'plan' | 'nothing' | 'over-budget';
  /** Versions in the list; a plan replaces the first 100,000 at most. */
  readonly versionsTotal: number;
  /** Extents to be written, in file offsets. */
  readonly merged?: readonly { readonly offset: number; readonly len: number; readonly blocks: number }[];
  readonly kept?: number;
  readonly waste?: PlanWaste;
  /** The plan drops bytes beyond this length, so the file must still have it. */
  readonly requiredLength?: number;
  /** What the cheapest block would take, where nothing fits the budget. */
  readonly cheapest?: { readonly bytes: number; readonly requests: number };
}

interface StepsInput {
  readonly metadata: MetadataStore;
  readonly filesystem: Filesystem;
  readonly settings: Settings;
  readonly tally: Tally;
  /** Where it answers, it tells what is at rest. */
  readonly ledger: AgeSource | undefined;
  readonly signal?: AbortSignal;
}

/** The chunks that a run would take, best first, each planned within what the ones before leave of the budget. */
export async function* stepsOfRun(key: InodeKey, input: StepsInput): AsyncGenerator<PlannedChunk> {
  const { metadata, filesystem, settings, tally, ledger, signal } = input;
  const policy = await withRest(planPolicy(settings), filesystem, { ledger, lookOnly: true });
  const { maxChunks: chunksMax } = settings;
  const selection = await worthwhileChunks(key, { metadata, filesystem, policy, chunksMax, signal });
  tally.left += selection.more;
  tally.resting = selection.resting;
  for (const { chunkIndex } of selection.chunks) {
    throwIfCancelled(signal, 'planning was given up');
    const budget = budgetLeft({ bytesMax: settings.maxBytes, requestsMax: settings.maxRequests }, tally);
    const planned = await planAsItIs(key, chunkIndex, { metadata, filesystem, policy, budget });
    if (planned !== null) yield planned;
  }
}

/** What the steps come to; holds no list. */
export class Tally {
  readonly key: InodeKey;
  readonly chunks: ChunkReport[] = [];
  cost = NO_COST;
  gain = NO_GAIN;
  mergedVersions = 0;
  left = 0;
  resting: Resting | undefined;

  constructor(key: InodeKey) {
    this.key = key;
  }

  add(step: PlannedChunk): void {
    this.chunks.push(reportOf(step));
    const { decision } = step;
    // A first chunk that fits no budget is not left for later: later runs have the same budget.
    if (decision.kind === 'overBudget' && this.cost.writeRequests > 0) this.left++;
    if (decision.kind !== 'plan') return;
    this.cost = addCost(this.cost, decision.plan.cost);
    this.gain = addCounts(this.gain, decision.plan.gain);
    this.mergedVersions += decision.plan.merged.length;
    if (decision.plan.blocksLeft > 0 || step.versionsTotal > step.before.versions.length) this.left++;
  }

  get outcome(): PlanReport['outcome'] {
    if (this.chunks.some((chunk) => chunk.outcome === 'plan')) return 'plan';
    return this.chunks.some((chunk) => chunk.outcome === 'over-budget') ? 'over-budget' : 'nothing';
  }

  report(): PlanReport {
    const { key, outcome, left: chunksLeft, cost, gain, chunks, resting } = this;
    const place = { fsId: key.fsId, inodeId: key.inodeId.toString(), changed: false } as const;
    return { ...place, outcome, chunksLeft, cost, gain, chunks, resting };
  }
}

function reportOf({ before, versionsTotal, decision }: PlannedChunk): ChunkReport {
  const base = { chunkIndex: before.chunkIndex, versionsTotal };
  if (decision.kind === 'nothing') return { ...base, outcome: 'nothing' };
  if (decision.kind === 'overBudget') {
    const cheapest = { bytes: decision.cheapestBytes, requests: decision.cheapestRequests };
    return { ...base, outcome: 'over-budget', cheapest };
  }
  const { score, cost, gain, merged, kept, blocksLeft, requiredLength, waste } = decision.plan;
  const extents = merged.map(({ offset, len, blocks }) => ({ offset, len, blocks: blocks.length }));
  const plan = { score, cost, gain, merged: extents, kept: kept.length, blocksLeft, requiredLength, waste };
  return { ...base, outcome: 'plan', ...plan };
}
