/**
 * Which chunks of an inode are worth a run: every list is planned without a budget and only the best are remembered,
 * so memory is bounded by one list and `chunksMax`, not by the size of the file. The chosen chunks are read and planned
 * again when their turn comes, so a stale choice costs a little time and nothing else.
 */
import { throwIfCancelled } from '../errors.ts';
import type { MetadataStore } from '../metadata/port.ts';
import {
  type ChunkBudget,
  type Filesystem,
  type InodeKey,
  type PlanCost,
  type PlanPolicy,
  type Resting,
  UINT64_MAX,
} from '../model.ts';
import { isNew, MERGED_VERSIONS_MAX, movedBytes, planChunk, requestsOf } from '../plan/index.ts';
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
  readonly versionsMax?: number | undefined;
}

interface SelectOptions extends Omit<PlanAsItIsOptions, 'budget'> {
  readonly chunksMax: number;
  /** Called for every chunk that is worth it. */
  readonly onPlanned?: (planned: PlannedChunk) => void;
  readonly signal?: AbortSignal | undefined;
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

/** Plans every chunk of the inode; O(chunks) reads of the metadata service. */
export async function worthwhileChunks(key: InodeKey, options: SelectOptions): Promise<Selection> {
  const best: Candidate[] = [];
  const { rest } = options.policy;
  let worthwhile = 0;
  let resting = 0;
  for await (const chunkIndex of options.metadata.chunkIndexes(key)) {
    throwIfCancelled(options.signal, 'the attempt was cancelled while planning; nothing was written');
    const planned = await planAsItIs(key, chunkIndex, options);
    if (planned?.decision.kind === 'nothing' && isForLater(planned, options)) resting++;
    if (planned?.decision.kind !== 'plan') continue;
    worthwhile++;
    options.onPlanned?.(planned);
    const { plan } = planned.decision;
    insertBest(best, { chunkIndex, score: plan.score, blocks: plan.cost.writeRequests }, options.chunksMax);
  }
  const selection = { chunks: best, more: worthwhile - best.length };
  if (resting === 0 || rest?.atMs === undefined) return selection;
  const again = rest.againMs === undefined ? {} : { againMs: rest.againMs };
  return { ...selection, resting: { chunks: resting, afterMs: rest.atMs, ...again } };
}

/** Whether a chunk of which nothing is worth it yet will be when it is at rest. */
function isForLater({ before }: PlannedChunk, { metadata, policy }: SelectOptions): boolean {
  const { rest } = policy;
  if (rest === undefined || !before.versions.some((version) => isNew(version, rest))) return false;
  const atRest = { ...protocolOf(metadata).policy(policy), rest: { chunkId: UINT64_MAX, compaction: UINT64_MAX } };
  return planChunk({ ...before, policy: atRest }).kind !== 'nothing';
}

/** Keeps the best, best first, at most so many. */
export function insertBest(best: Candidate[], candidate: Candidate, most: number): void {
  best.push(candidate);
  best.sort((a, b) => b.score - a.score || a.chunkIndex - b.chunkIndex);
  if (best.length > most) best.length = most;
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
  const rest = above === undefined ? {} : { above };
  const before = { geometry: filesystem, chunkIndex, versions, ...rest, length: inode.length };
  const decision = planChunk({ ...before, policy, ...(budget === undefined ? {} : { budget }) });
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
