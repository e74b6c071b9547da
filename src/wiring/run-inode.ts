/**
 * One run over one inode, as a job of the compact queue or inside a command: quarantine, compactInode, continuation,
 * and a report that reads the same in a job's result, on a terminal and in JSON. It decides what an ending means for
 * the inode (done, later, quarantined, halted); how the queue is informed is the worker's business.
 */

import {
  type CompactDeps,
  type CompactLimits,
  type CompactOptions,
  type CompactOutcome,
  type CompactProgress,
  type CompactResult,
  compactInode,
  type LookKeeper,
} from '../compact/compact-inode.ts';
import { compactSlices, type SliceDeps } from '../compact/compact-slices.ts';
import type { RunObserver } from '../compact/types.ts';
import { CompactError, type ErrorCode, isMissingObject, quarantineRule } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import type { Look, ReapLedger } from '../ledger.ts';
import type { InodeKey, PlanCost, PlanGain, Resting } from '../model.ts';
import type { CompactQueue } from '../queue/compact-queue.ts';
import type { QueueControl } from '../queue/pause.ts';
import { isDue, nextLookMs, type Quarantine } from '../queue/quarantine.ts';
import { elapsed, wallMs } from '../time.ts';
import { cancellableDeps } from './cancellable.ts';

/** A run over one file, of either layout; no call outlives the signal by much. */
type Compactor = (key: InodeKey, options: CompactOptions) => Promise<CompactResult>;

export function compactorOfBlocks(deps: CompactDeps): Compactor {
  // Whose the bucket is, is asked of S3, and there the question may wait for a rate.
  const { metadata, ledger, requireOwner } = deps;
  return (key, options) =>
    compactInode(key, { ...deps, ...cancellableDeps({ metadata, ledger, requireOwner }, options.signal) }, options);
}

export function compactorOfSlices(deps: SliceDeps): Compactor {
  const { volume, commits, ledger } = deps;
  return (key, options) =>
    compactSlices(key, { ...deps, ...cancellableDeps({ volume, commits, ledger }, options.signal) }, options);
}

interface RunDeps {
  readonly compact: Compactor;
  readonly limits: CompactLimits;
  readonly ledger: ReapLedger;
  readonly queue: CompactQueue;
  readonly quarantine: Quarantine;
  /** Runs in a row with a missing or short object after which the inode is stopped, and how long it waits at least. */
  readonly jobTries: number;
  readonly uploadWaitMs: number;
}

/** Where the tries of a job are used up and the upload may still come, the inode is looked at so often. */
const UPLOAD_LOOK_MS = 10 * 60_000;

/** What a job of the queue needs besides. */
export interface CompactJobDeps extends RunDeps {
  /** Where jobs of paused file systems go. */
  readonly control: Pick<QueueControl, 'isFilesystemPaused' | 'park'>;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CompactProgress) => void;
  readonly observer?: RunObserver;
  /** Where the job keeps the first look at its inode; absent: a run waits for the second one. */
  readonly looks?: LookKeeper;
}

/**
 * done: whatever could be done in one run. later: the same run may succeed later. gone: the file was removed meanwhile.
 * quarantined: work on this inode has stopped until a person or a later look releases it. halted: something else needs a person.
 */
export type RunEnding = 'done' | 'later' | 'gone' | 'quarantined' | 'halted';

/** What is reported of a run; plain JSON, ids are decimal text. */
export interface RunReport {
  readonly ending: RunEnding;
  readonly fsId: number;
  readonly inodeId: string;
  readonly outcome?: CompactOutcome;
  readonly attempt?: string;
  readonly code?: ErrorCode | string;
  /** For people: what happened and what to do. */
  readonly message?: string;
  /** The file may be in use, or its object be uploaded late: another look tells, so much later. */
  readonly lookAgainMs?: number;
  readonly chunksCompacted: number;
  readonly chunksLeft: number;
  /** A further run was queued for what is left. */
  readonly continued: boolean;
  readonly cost?: PlanCost;
  readonly gain?: PlanGain;
  readonly durationMs?: number;
  readonly warnings: readonly string[];
  /** What is left alone since it was written lately. */
  readonly resting?: Resting;
}

/** Never throws for what can happen to an inode; a failure of the queue itself is a report of `later`. */
export async function runInode(key: InodeKey, deps: RunDeps, options: RunOptions = {}): Promise<RunReport> {
  try {
    const { entry, hasNotes } = await deps.quarantine.noted(key);
    if (entry !== null && !(entry.lookAtMs !== undefined && isDue(entry, await deps.ledger.nowMs()))) {
      const message = `inode ${printInodeKey(key)} is in quarantine: ${entry.reason}`;
      return { ...empty(key, 'quarantined'), code: entry.code, message };
    }
    const result = await deps.compact(key, { ...options, limits: deps.limits });
    return await reportResult(result, deps, { look: options.looks?.first, release: hasNotes });
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    return { ...empty(key, 'later'), ...(await failureReport(key, error, deps)) };
  }
}

async function reportResult(
  result: CompactResult,
  deps: RunDeps,
  { look, release }: { readonly look: Look | undefined; readonly release: boolean },
): Promise<RunReport> {
  const { key, attempt, reason, damage, ...rest } = result;
  const base = {
    ...rest,
    fsId: key.fsId,
    inodeId: key.inodeId.toString(),
    attempt: attempt?.toString(),
    message: reason === undefined ? undefined : `inode ${printInodeKey(key)}: ${reason}`,
  };
  // What was compacted stays so; the rest is judged as it would be in a run with nothing else to do.
  if (damage !== undefined) return { ...base, continued: false, ...(await failureReport(key, damage, deps)) };
  const lostRace = result.outcome === 'conflict' || result.outcome === 'stale' || result.outcome === 'unknown';
  if (lostRace) return { ...base, ending: 'later', continued: false };
  // Only a run that got somewhere is continued: a continuation can never spin.
  const continued = result.chunksCompacted > 0 && result.chunksLeft > 0;
  try {
    if (release) await deps.quarantine.release(key);
    if (continued) await deps.queue.enqueue(key, 'continuation', look);
    return { ...base, ending: 'done', continued };
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    const warning = `what is left could not be queued: ${error.message}; the next scan finds it`;
    return {
      ...base,
      ending: 'done',
      continued: false,
      warnings: continued ? [...base.warnings, warning] : base.warnings,
    };
  }
}

type FailureReport = Pick<RunReport, 'ending' | 'code' | 'message' | 'lookAgainMs'>;

/** What a failure means for the inode; one of the queue itself is reported as `later`. */
async function failureReport(key: InodeKey, error: CompactError, deps: RunDeps): Promise<FailureReport> {
  try {
    const { code, message, retryAfterMs } = error;
    if (isMissingObject(error)) return { code, ...(await missingReport(key, error, deps)) };
    const ending = await endingOf(key, error, deps);
    return { ending, code, message, lookAgainMs: code === 'inode-busy' ? retryAfterMs : undefined };
  } catch (fault) {
    if (!(fault instanceof CompactError)) throw fault;
    return { ending: 'later', code: fault.code, message: fault.message };
  }
}

/**
 * An object that is missing may be uploaded late: work stops when as many runs in a row as a job has tries have met it, and
 * no client takes that long any more. What was stopped is looked at again by itself.
 */
async function missingReport(key: InodeKey, error: CompactError, deps: RunDeps): Promise<Omit<FailureReport, 'code'>> {
  const nowMs = await deps.ledger.nowMs();
  const { code, message } = error;
  const { count, sinceMs } = await deps.quarantine.countMissing(key, nowMs);
  const leftMs = deps.uploadWaitMs - elapsed(sinceMs, nowMs);
  const later = { ending: 'later', message: `${message} It is tried again later.` } as const;
  if (count < deps.jobTries) return later;
  if (leftMs > 0) return { ...later, lookAgainMs: Math.min(leftMs, UPLOAD_LOOK_MS) };
  const before = await deps.quarantine.get(key);
  if (before !== null) await deps.quarantine.putOff(key, before, nowMs);
  else {
    const atMs = wallMs(nowMs);
    await deps.quarantine.put(key, { code, reason: message, sinceMs: atMs, lookAtMs: nextLookMs(atMs, atMs) });
  }
  return { ending: 'quarantined', message };
}

async function endingOf(key: InodeKey, error: CompactError, deps: RunDeps): Promise<RunEnding> {
  if (quarantineRule(error.code) === 'now') {
    const sinceMs = wallMs(await deps.ledger.nowMs());
    // It was to be looked at again by itself; from now on a person must.
    if ((await deps.quarantine.get(key))?.lookAtMs !== undefined) await deps.quarantine.release(key);
    await deps.quarantine.put(key, { code: error.code, reason: error.message, sinceMs });
    return 'quarantined';
  }
  if (error.code === 'inode-missing' || error.code === 'inode-unlinked') {
    await deps.quarantine.release(key);
    return 'gone';
  }
  return error.kind === 'halt' ? 'halted' : 'later';
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
