/**
 * One look at a reap record that can be stopped, of either layout: what a worker and its drain know of reaping. No call
 * outlives the signal by much, and no delete begins after it.
 */
import type { ReapRecord } from '../ledger.ts';
import { stopGuard } from '../reap/delete-guard.ts';
import { type ReapDeps, type ReapVerdict, reapRecord } from '../reap/reap-record.ts';
import { reapSlices, type SliceReapDeps } from '../reap/reap-slices.ts';
import { cancellableDeps } from './cancellable.ts';

export interface Reaper extends Pick<ReapDeps, 'nowMs' | 'graceMs'> {
  look(record: ReapRecord, signal?: AbortSignal): Promise<ReapVerdict>;
}

export function reaperOfBlocks(deps: ReapDeps): Reaper {
  return { ...deps, look: (record, signal) => reapRecord(record, stoppable(deps, signal)) };
}

export function reaperOfSlices(deps: SliceReapDeps): Reaper {
  return { ...deps, look: (record, signal) => reapSlices(record, stoppable(deps, signal)) };
}

function stoppable<Deps extends Pick<ReapDeps, 'guards'>>(deps: Deps, signal: AbortSignal | undefined): Deps {
  if (signal === undefined) return deps;
  return cancellableDeps({ ...deps, guards: [stopGuard(signal), ...(deps.guards ?? [])] }, signal);
}
