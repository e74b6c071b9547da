/**
 * How a run tells where it is: a port for metrics, the log line of an attempt and traces. It stands alone so that policy
 * calls a listener and knows none of them. Whatever listens must be quick and must not throw; nothing rests on it.
 */
import type { CommitOutcome, StaleReason } from './metadata/port.ts';
import type { ChunkPlan } from './model.ts';

/** What a run is doing; each phase lasts until the next one begins. */
export type RunPhase = 'plan' | 'record' | 'merge' | 'commit' | 'end';

export interface RunObserver {
  phase(phase: RunPhase, chunkIndex?: number): void;
  /** A chunk that was planned and carried out, in whatever way it ended. */
  chunk(plan: ChunkPlan, ending: { readonly kind: CommitOutcome['outcome']; readonly reason?: StaleReason }): void;
  /** A part of the budget was spent while there was more to do; `blocks`: bytes or requests. */
  spent(budget: 'chunks' | 'blocks' | 'seconds'): void;
}
