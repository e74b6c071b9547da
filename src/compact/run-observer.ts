/**
 * How a run tells where it is: a port for metrics, the log line of an attempt and traces.
 * Whatever listens must be quick and must not throw; nothing rests on it.
 */
import type { CompactError } from '../errors.ts';
import type { CommitOutcome, StaleReason } from '../metadata/port.ts';
import type { ChunkPlan } from '../model.ts';

/** What a run is doing; each phase lasts until the next one begins. */
export type RunPhase = 'plan' | 'record' | 'merge' | 'commit' | 'end';

/** What is reported of a plan that was carried out. */
export type ChunkDone = Pick<ChunkPlan, 'chunkIndex' | 'gain' | 'blocksLeft'>;

export interface RunObserver {
  phase(phase: RunPhase, chunkIndex?: number): void;
  /** A chunk that was planned and carried out, in whatever way it ended. */
  chunk(plan: ChunkDone, ending: { readonly kind: CommitOutcome['outcome']; readonly reason?: StaleReason }): void;
  /** A chunk that could not be carried out: the run ends, or goes on with the next one. */
  failed(error: CompactError, chunkIndex: number): void;
  /** Ids for new slices must grow old for so long before they are used; `null`: they are. */
  idsWait(ms: number | null): void;
  /** No (further) chunk was tried because this was spent; `blocks`: bytes or requests, as where a plan has blocksLeft. */
  spent(budget: 'chunks' | 'blocks' | 'seconds'): void;
}
