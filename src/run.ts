/**
 * One run over one inode, as a job of the compact queue or inside a command: quarantine, compactInode, continuation,
 * and a report that reads the same in a job's result, on a terminal and in JSON. It decides what an ending means for
 * the inode (done, later, quarantined, halted); how the queue is told is the worker's business.
 */
import {
  type CompactDeps,
  type CompactLimits,
  type CompactOutcome,
  type CompactProgress,
  type CompactResult,
  compactInode,
} from './compact.ts';
import { CompactError, type ErrorCode, quarantineRule } from './errors.ts';
import { printInodeKey } from './format.ts';
import type { InodeKey, PlanCost, PlanGain } from './model.ts';
import type { CompactQueue } from './queue.ts';
import type { Quarantine } from './queue-quarantine.ts';

export interface RunDeps extends CompactDeps {
  readonly limits: CompactLimits;
  readonly queue: CompactQueue;
  readonly quarantine: Quarantine;
  /** Tries after which a missing or short object condemns the inode. */
  readonly attempts: number;
}

export interface RunOptions {
  /** Tries of this job that failed before. */
  readonly triesMade: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CompactProgress) => void;
}

/**
 * done: whatever could be done in one run. later: the same run may succeed later. gone: the file was removed meanwhile.
 * quarantined: work on this inode has stopped until a person releases it. halted: something else needs a person.
 */
export type RunEnding = 'done' | 'later' | 'gone' | 'quarantined' | 'halted';

/** What is told about a run; plain JSON, ids are decimal text. */
export interface RunReport {
  readonly ending: RunEnding;
  readonly fsId: number;
  readonly inodeId: string;
  readonly outcome?: CompactOutcome;
  readonly attempt?: string;
  readonly code?: ErrorCode | string;
  /** For people: what happened and what to do. */
  readonly message?: string;
  readonly chunksCompacted: number;
  readonly chunksLeft: number;
  /** A further run was queued for what is left. */
  readonly continued: boolean;
  readonly cost?: PlanCost;
  readonly gain?: PlanGain;
  readonly durationMs?: number;
  readonly warnings: readonly string[];
}

/** Never throws for what can happen to an inode; a failure of the queue itself is a report of `later`. */
export async function runInode(key: InodeKey, deps: RunDeps, options: RunOptions): Promise<RunReport> {
  try {
    const entry = await deps.quarantine.get(key);
    if (entry !== null) {
      const message = `inode ${printInodeKey(key)} is in quarantine: ${entry.reason}`;
      return { ...empty(key, 'quarantined'), code: entry.code, message };
    }
    const result = await compactInode(key, deps, {
      limits: deps.limits,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    });
    return await reportResult(result, deps);
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    return await reportFailure(key, { error, deps, triesMade: options.triesMade });
  }
}

async function reportResult(result: CompactResult, deps: RunDeps): Promise<RunReport> {
  const { key, attempt, reason, ...rest } = result;
  const base = {
    ...rest,
    fsId: key.fsId,
    inodeId: key.inodeId.toString(),
    ...(attempt === undefined ? {} : { attempt: attempt.toString() }),
    ...(reason === undefined ? {} : { message: `inode ${printInodeKey(key)}: ${reason}` }),
  };
  const lostRace = result.outcome === 'conflict' || result.outcome === 'stale' || result.outcome === 'unknown';
  if (lostRace) return { ...base, ending: 'later', continued: false };
  // Only a run that got somewhere is continued: a continuation can never spin.
  if (result.chunksCompacted === 0 || result.chunksLeft === 0) return { ...base, ending: 'done', continued: false };
  try {
    await deps.queue.enqueue(key, 'continuation');
    return { ...base, ending: 'done', continued: true };
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    const warning = `what is left could not be queued: ${error.message}; the next scan finds it`;
    return { ...base, ending: 'done', continued: false, warnings: [...base.warnings, warning] };
  }
}

async function reportFailure(
  key: InodeKey,
  failure: { readonly error: CompactError; readonly deps: RunDeps; readonly triesMade: number },
): Promise<RunReport> {
  const { error, deps } = failure;
  const told = { code: error.code, message: error.message };
  const rule = quarantineRule(error.code);
  const spent = failure.triesMade + 1 >= deps.attempts;
  if (rule === 'now' || (rule === 'after-retries' && spent)) {
    const sinceMs = await deps.ledger.nowMs();
    await deps.quarantine.put(key, { code: error.code, reason: error.message, sinceMs });
    return { ...empty(key, 'quarantined'), ...told };
  }
  if (error.code === 'inode-missing' || error.code === 'inode-unlinked') return { ...empty(key, 'gone'), ...told };
  return { ...empty(key, error.kind === 'halt' ? 'halted' : 'later'), ...told };
}

function empty(key: InodeKey, ending: RunEnding): RunReport {
  return {
    ending,
    fsId: key.fsId,
    inodeId: key.inodeId.toString(),
    chunksCompacted: 0,
    chunksLeft: 0,
    continued: false,
    warnings: [],
  };
}
