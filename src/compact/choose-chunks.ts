/**
 * Which chunks of an inode are worth a run: every list is planned without a budget and only the best are remembered,
 * so memory is bounded by one list and `chunksMax`, not by the size of the file. The chosen chunks are read and planned
 * again when their turn comes, so a stale choice costs a little time and nothing else.
 */
import { throwIfCancelled } from '../errors.ts';
import type { ReapLedger } from '../ledger.ts';
import type { MetadataStore } from '../metadata/port.ts';
import {
  type ChunkBudget,
  type ChunkPlan,
  type Filesystem,
  type InodeKey,
  type PlanCost,
  type PlanPolicy,
  type Resting,
  UINT64_MAX,
} from '../model.ts';
import { isNew, MERGED_VERSIONS_MAX, movedBytes, planChunk, requestsOf } from '../plan/index.ts';
import { wallMs } from '../time.ts';
import { attemptIdAt } from './attempt.ts';
import { protocolOf } from './protocol.ts';
import type { PlannedChunk } from './types.ts';

export interface Candidate {
  readonly chunkIndex: number;
  readonly score: number;
  /** Blocks that would be rewritten. */
  readonly blocks: number;
}

export interface Selection {
  /** Best first, at most `chunksMax`. */
  readonly chunks: readonly Candidate[];
  /** How many more are worth it. */
  readonly more: number;
  /** Those that are left alone for now. */
  readonly resting?: Resting;
}

interface PlanAsItIsOptions {
  readonly metadata: MetadataStore;
  readonly filesystem: Filesystem;
  readonly policy: PlanPolicy;
  readonly budget?: ChunkBudget;
  /** Versions of a list that one commit replaces; absent: as many as it can. */
  readonly versionsMax?: number;
}

interface SelectOptions extends Omit<PlanAsItIsOptions, 'budget'> {
  readonly chunksMax: number;
  /** Called for every chunk that is worth it. */
  readonly onPlanned?: (planned: PlannedChunk) => void;
  readonly signal?: AbortSignal;
}

/** What the settings say of planning. */
export function planPolicy(settings: {
  readonly fragmentThreshold: number;
  readonly readGapBytes: number;
  readonly aggressivenessBytes: number;
  readonly storagePrice: number;
}): PlanPolicy {
  const { fragmentThreshold, readGapBytes, aggressivenessBytes, storagePrice } = settings;
  return { fragmentThreshold, readGapBytes, bytesPerGet: aggressivenessBytes, storagePrice };
}

export type AgeSource = Pick<ReapLedger, 'oldIds'>;

/**
 * The policy with what is at rest by now (docs/adr/0040): which ids and attempts are old by the ledger's clock, the only one that
 * is asked. Where nothing is known a plan is the same at any time. `lookOnly`: nothing is noted for later plans.
 */
export async function withRest(
  policy: PlanPolicy,
  filesystem: Filesystem,
  { ledger, lookOnly }: { readonly ledger: AgeSource | undefined; readonly lookOnly?: boolean },
): Promise<PlanPolicy> {
  const old = await ledger?.oldIds?.(filesystem, lookOnly);
  if (old === undefined || old === null) return policy;
  const { chunkId, atMs, againMs } = old;
  const rest = { chunkId, compaction: attemptIdAt(atMs), atMs: wallMs(atMs) };
  return { ...policy, rest: { ...rest, againMs: againMs === undefined ? undefined : wallMs(againMs) } };
}

/** Plans every chunk of the inode; O(chunks) reads of the metadata service. */
export async function worthwhileChunks(key: InodeKey, options: SelectOptions): Promise<Selection> {
  const { rest } = options.policy;
  let resting = 0;
  const selection = await bestChunks(options.metadata.chunkIndexes(key), options, async (chunkIndex) => {
    const planned = await planAsItIs(key, chunkIndex, options);
    if (planned?.decision.kind === 'nothing' && isForLater(planned, options)) resting++;
    if (planned?.decision.kind !== 'plan') return null;
    options.onPlanned?.(planned);
    return planned.decision.plan;
  });
  if (resting === 0 || rest?.atMs === undefined) return selection;
  return { ...selection, resting: { chunks: resting, afterMs: rest.atMs, againMs: rest.againMs } };
}

/** The best of the chunks that have a plan, whatever their layout; one list at a time is in memory. */
export async function bestChunks(
  chunkIndexes: AsyncIterable<number> | readonly number[],
  { chunksMax, signal }: Pick<SelectOptions, 'chunksMax' | 'signal'>,
  planOf: (chunkIndex: number) => Promise<Pick<ChunkPlan, 'score' | 'cost'> | null>,
): Promise<Selection> {
  const best: Candidate[] = [];
  let worthwhile = 0;
  for await (const chunkIndex of chunkIndexes) {
    throwIfCancelled(signal, 'the attempt was cancelled while planning; nothing was written');
    const plan = await planOf(chunkIndex);
    if (plan === null) continue;
    worthwhile++;
    best.push({ chunkIndex, score: plan.score, blocks: plan.cost.writeRequests });
    best.sort((a, b) => b.score - a.score || a.chunkIndex - b.chunkIndex);
    if (best.length > chunksMax) best.length = chunksMax;
  }
  return { chunks: best, more: worthwhile - best.length };
}

/** Whether a chunk of which nothing is worth it yet will be when it is at rest. */
function isForLater({ before }: PlannedChunk, { metadata, policy }: SelectOptions): boolean {
  const { rest } = policy;
  if (rest === undefined || !before.versions.some((version) => isNew(version, rest))) return false;
  const atRest = { ...protocolOf(metadata).policy(policy), rest: { chunkId: UINT64_MAX, compaction: UINT64_MAX } };
  return planChunk({ ...before, policy: atRest }).kind !== 'nothing';
}

/** Reads one chunk list and plans it; `null` when there is no such list or inode (any more). */
export async function planAsItIs(
  key: InodeKey,
  chunkIndex: number,
  options: PlanAsItIsOptions,
): Promise<PlannedChunk | null> {
  const { filesystem, budget } = options;
  const protocol = protocolOf(options.metadata);
  const policy = protocol.policy(options.policy);
  const { inode, versions, versionsTotal, above } = await protocol.readHead(key, chunkIndex, options);
  if (inode === null || versions.length === 0) return null;
  const before = { geometry: filesystem, chunkIndex, versions, above, length: inode.length };
  const decision = planChunk({ ...before, policy, budget });
  return { inode, before, versionsTotal, decision };
}

/** What is left of a run's budget after this much work. */
export function budgetLeft(
  limits: { readonly bytesMax: number; readonly requestsMax: number },
  spent: { readonly cost: PlanCost; readonly mergedVersions: number },
): ChunkBudget {
  return {
    bytes: limits.bytesMax - movedBytes(spent.cost),
    requests: limits.requestsMax - requestsOf(spent.cost),
    mergedVersions: MERGED_VERSIONS_MAX - spent.mergedVersions,
  };
}
