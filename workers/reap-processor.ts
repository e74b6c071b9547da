/**
 * The processor of the reap queue: one job is one look at one reap record. A record that is not done goes back into the
 * delayed set with what the look found; it is never failed and never dropped. What may be deleted is
 * decided by `reap`.
 */

import type { Job } from 'bullmq';
import { toError } from '../src/errors.ts';
import type { ReapRecord } from '../src/ledger.ts';
import { LOG_EVENTS, type Logger, logContext } from '../src/observe/log.ts';
import { parseReapRecord, printReapRecord, type ReapJobData } from '../src/queue/reap-queue.ts';
import type { HeldObjects, ReapVerdict } from '../src/reap/reap-record.ts';
import { elapsed } from '../src/time.ts';
import type { Reaper } from '../src/wiring/reaper.ts';
import { delayJob } from './running.ts';

/** A record that cannot be read waits for a person, an hour at a time. */
const UNREADABLE_DELAY_MS = 60 * 60 * 1000;
/** Clocks differ a little: never come back at once. */
const DELAY_MIN_MS = 50;

/** What a look came to: `done` with numbers, or the record's new due time. */
type ReapEnding = { readonly deleted: number; readonly stillReferenced: number };

/** Which record was looked at, and since when, ms since 1970 by this pod's clock. */
export interface LookEvent {
  readonly place: Readonly<Record<string, string | number>>;
  readonly startMs: number;
}

interface ReapListeners {
  readonly log: Logger;
  /** `null`: the record could not be read. */
  readonly onVerdict?: (verdict: ReapVerdict | null, look: LookEvent) => void;
  /** A hold keeps what the record would delete. */
  readonly onHeld?: (fsId: number, jobId: string, held: HeldObjects) => Promise<void>;
}

/** A processor for BullMQ's Worker. */
export function reapProcessor(deps: Reaper, listeners: ReapListeners) {
  const { log } = listeners;
  const warnOfGrace = graceWarning(deps.graceMs, log);
  return async (job: Job<ReapJobData>, token?: string, signal?: AbortSignal): Promise<ReapEnding> => {
    const startMs = Date.now();
    const record = readRecord(job, log);
    if (record === null) {
      listeners.onVerdict?.(null, { place: { jobId: job.id ?? '' }, startMs });
      return delayJob(job, UNREADABLE_DELAY_MS, token);
    }
    warnOfGrace(record.graceMs);
    const verdict = await deps.look(record, signal);
    // It is the look that was stopped: nothing is in doubt, and somebody else looks at once.
    if (signal?.aborted === true && verdict.kind === 'again') return delayJob(job, DELAY_MIN_MS, token);
    logVerdict(log, { job, record, verdict });
    listeners.onVerdict?.(verdict, { place: logContext({ ...record, jobId: job.id ?? '' }), startMs });
    await reportDoubt(job, verdict);
    if (verdict.kind === 'done') return { deleted: verdict.deleted, stillReferenced: verdict.stillReferenced };
    // Only numbers: the record itself stays whatever becomes of them.
    if (verdict.held !== undefined)
      await listeners.onHeld?.(record.key.fsId, job.id ?? '', verdict.held).catch(() => undefined);
    if (verdict.record !== record) await job.updateData(printReapRecord(verdict.record));
    const delayMs = elapsed(await deps.nowMs(), verdict.record.dueMs);
    return delayJob(job, Math.max(DELAY_MIN_MS, delayMs), token);
  };
}

/** For `s3compact status`: what the last look found. Losing it must not fail a look. */
async function reportDoubt(job: Job<ReapJobData>, verdict: ReapVerdict): Promise<void> {
  const doubt = verdict.kind === 'done' ? undefined : verdict.doubt;
  if (verdict.kind === 'done' || (doubt === undefined && job.progress === 0)) return;
  await job.updateProgress(doubt === undefined ? {} : { doubt }).catch(() => undefined);
}

function readRecord(job: Job<ReapJobData>, log: Logger): ReapRecord | null {
  try {
    return parseReapRecord(job.data);
  } catch (error) {
    log.error({ event: LOG_EVENTS.reapDoubt, jobId: job.id, err: toError(error) }, 'a reap record cannot be read');
    return null;
  }
}

/** Grace periods that were met are reported once each, so many at most. */
const GRACES_LOGGED_MAX = 20;

/** Pods and shells with different settings: the longer time counts, and somebody should know. */
function graceWarning(ownMs: number, log: Logger): (graceMs: number | undefined) => void {
  const seen = new Set([ownMs]);
  return (graceMs) => {
    if (graceMs === undefined || seen.has(graceMs) || seen.size > GRACES_LOGGED_MAX) return;
    seen.add(graceMs);
    const text = `reap records were written with a grace period of ${graceMs} ms, this process has ${ownMs} ms: the longer one counts; give all workers and shells the same S3COMPACT_GRACE and S3COMPACT_LEASE`;
    log.warn({ event: LOG_EVENTS.reapGraceDiffers, graceMs, ownMs }, text);
  };
}

function logVerdict(
  log: Logger,
  seen: { readonly job: Job<ReapJobData>; readonly record: ReapRecord; readonly verdict: ReapVerdict },
): void {
  const { job, record, verdict } = seen;
  const where = logContext({ ...record, jobId: job.id ?? '' });
  if (verdict.kind === 'done') {
    const { deleted, stillReferenced } = verdict;
    log.info({ event: LOG_EVENTS.reapDeleted, ...where, deleted, stillReferenced }, `objects deleted: ${deleted}`);
  } else if (verdict.unsafe === true) {
    const { doubts, dueMs } = verdict.record;
    log.error({ event: LOG_EVENTS.reapUnsafe, ...where, doubts, dueMs }, `nothing is deleted: ${verdict.doubt}`);
  } else if (verdict.held !== undefined) {
    const { dueMs } = verdict.record;
    log.debug({ event: LOG_EVENTS.reapHeld, ...where, dueMs, ...verdict.held }, 'a hold keeps what would be deleted');
  } else if (verdict.doubt !== undefined) {
    const { doubts, dueMs } = verdict.record;
    const { deleted = 0 } = verdict;
    const what = deleted === 0 ? 'nothing is deleted for now' : 'the rest is kept for now';
    // A line for each new reason: thousands of records may wait for the same server.
    const known = (job.progress as { readonly doubt?: string }).doubt === verdict.doubt;
    const fields = { event: LOG_EVENTS.reapDoubt, ...where, doubts, dueMs, deleted };
    log[known ? 'debug' : 'warn'](fields, `${what}: ${verdict.doubt}`);
  } else {
    log.debug({ event: LOG_EVENTS.reapLooked, ...where, dueMs: verdict.record.dueMs }, 'looked; due again later');
  }
}
