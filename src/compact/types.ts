/**
 * What a run over one inode is given and what it gives back: its ports, its budget, its progress, its result. No behaviour.
 */
import type { Clock } from '../clock.ts';
import type { CompactError } from '../errors.ts';
import type { Look, ReapLedger } from '../ledger.ts';
import type { CommitOutcome, MetadataStore, StaleReason } from '../metadata/port.ts';
import type {
  ChunkDecision,
  ChunkPlan,
  Filesystem,
  Inode,
  InodeKey,
  PlanCost,
  PlanGain,
  PlanPolicy,
  Resting,
} from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import type { ChunkInput } from '../plan/index.ts';
import type { AttemptIds } from './attempt.ts';
import type { MemoryBudget } from './memory-budget.ts';

export interface CompactDeps {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStores;
  readonly ledger: ReapLedger;
  readonly clock: Clock;
  readonly memory: MemoryBudget;
  readonly attemptIds: AttemptIds;
  /** Asked before anything is written: throws when the bucket belongs to another (docs/adr/0019). */
  readonly requireOwner?: (filesystem: Filesystem) => Promise<void>;
}

/** What an attempt at one chunk is bound by. */
export interface ChunkLimits {
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly commitTimeoutMs: number;
  readonly blocksInFlight: number;
  readonly getsInFlight: number;
}

/** The budget of one run and the relations that keep it safe (I11 is checked where settings are read). */
export interface CompactLimits extends ChunkLimits {
  readonly policy: PlanPolicy;
  readonly chunksMax: number;
  /** Versions of a list that one commit replaces; absent: as many as it can. */
  readonly versionsMax?: number;
  /** Payload read plus written. */
  readonly bytesMax: number;
  /** GET plus PUT. */
  readonly requestsMax: number;
  /** No new chunk is started after this. */
  readonly durationMaxMs: number;
  /** With a time-bound store: how long an inode must have been left alone (quiet-period.ts). */
  readonly quietMs?: number;
}

/** A chunk as it was read and what the planner says of it. */
export interface PlannedChunk {
  /** Of the same read as the list. */
  readonly inode: Inode;
  readonly before: ChunkInput;
  /** More than `before.versions` where the list is longer than one commit may replace. */
  readonly versionsTotal: number;
  readonly decision: ChunkDecision;
}

export interface CompactProgress {
  readonly chunksDone: number;
  readonly chunksTotal: number;
  readonly blocksDone: number;
  readonly blocksTotal: number;
  readonly bytesMoved: number;
}

/** What a run is doing; each phase lasts until the next one begins. */
export type RunPhase = 'plan' | 'record' | 'merge' | 'commit' | 'end';

/** What is reported of a plan that was carried out. */
export type ChunkDone = Pick<ChunkPlan, 'chunkIndex' | 'gain' | 'blocksLeft'>;

/** How a run tells where it is. Whatever listens must be quick and must not throw; nothing rests on it. */
export interface RunObserver {
  phase(phase: RunPhase, chunkIndex?: number): void;
  /** A chunk that was planned and carried out, in whatever way it ended. */
  chunk(plan: ChunkDone, ending: { readonly outcome: CommitOutcome['outcome']; readonly reason?: StaleReason }): void;
  /** A chunk that could not be carried out: the run ends, or goes on with the next one. */
  failed(error: CompactError, chunkIndex: number): void;
  /** Ids for new slices must grow old for so long before they are used; `null`: they are. */
  idsWait(ms: number | null): void;
  /** No (further) chunk was tried because this was spent; `blocks`: bytes or requests, as where a plan has blocksLeft. */
  spent(budget: 'chunks' | 'blocks' | 'seconds'): void;
}

/** Who remembers a look at an inode from one run to the next, so that no run has to wait for the second one. */
export interface LookKeeper {
  readonly first: Look | undefined;
  keep(look: Look): Promise<void>;
}

export interface CompactOptions {
  readonly limits: CompactLimits;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CompactProgress) => void;
  readonly observer?: RunObserver;
  /** Only with a time-bound store; absent: a run waits. */
  readonly looks?: LookKeeper;
}

/**
 * compacted: at least one chunk was. nothing: nothing to do, nothing written. conflict: lists changed under every chunk
 * tried. stale: the inode changed (or another attempt took over). unknown: the fate of a commit is not known yet.
 * over-budget: the cheapest block does not fit the budget.
 */
export type CompactOutcome = 'compacted' | 'nothing' | 'conflict' | 'stale' | 'unknown' | 'over-budget';

export interface CompactResult {
  readonly outcome: CompactOutcome;
  readonly key: InodeKey;
  readonly attempt?: bigint;
  /** Why it ended so, for people. */
  readonly reason?: string;
  readonly chunksCompacted: number;
  /** Chunks that are worth more work: the caller queues a continuation. */
  readonly chunksLeft: number;
  /** Of the blocks that were written, committed or not; nothing of a block that failed. */
  readonly cost: PlanCost;
  /** Of the chunks that were committed. */
  readonly gain: PlanGain;
  readonly durationMs: number;
  readonly warnings: readonly string[];
  /** What is left alone since it was written lately. */
  readonly resting?: Resting;
  /** A failure that may stop work on the inode although other chunks were compacted (`quarantineRule`); the most severe of the run. */
  readonly damage?: CompactError;
}
