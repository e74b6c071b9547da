/**
 * Works the reap queue off until nothing in it is due that this process could take. It runs an ordinary worker, so locks
 * are renewed, and watches the queue. What others hold is theirs: were they dead, the next drain would find it waiting.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../src/observe/log.ts';
import type { ReapVerdict } from '../src/reap/reap-record.ts';
import { wallMs } from '../src/time.ts';
import { cancellable, within } from '../src/wiring/cancellable.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';
import { sweepLostJobs } from './lost-jobs.ts';
import type { RunningWorker } from './running.ts';
import { startWorker } from './worker.ts';

const POLL_MS = 100;
/** A job that the worker has just taken waits no longer, and does not count as in work yet: nothing is seen once. */
const IDLE_LOOKS = 2;
/** Doubts shown at most; the log has all. */
const DOUBTS_SHOWN_MAX = 20;

export interface ReapSummary {
  /** Records that are done. */
  readonly records: number;
  /** Objects deleted. */
  readonly deleted: number;
  /** Objects of done records that something references. */
  readonly stillReferenced: number;
  /** Looks after which a record stayed. */
  readonly again: number;
  readonly doubts: readonly string[];
  /** When the first of those that stayed is looked at again, ms by the queue's clock; absent: none stayed. */
  readonly nextLookMs?: number;
  /** Records in the queue at the end, and how many of them other processes have in work. */
  readonly pending: number;
  readonly held: number;
  /** Of those that stayed: what a hold keeps. */
  readonly onHold: number;
  /** Nobody may reap at the moment. */
  readonly paused: boolean;
}

/** Ends when no record is due any more, or soon after the signal; every look either finishes a record or delays it, so it does end. */
export async function drainReapQueue(
  clients: WorkClients,
  log: Logger,
  signal: AbortSignal = new AbortController().signal,
): Promise<ReapSummary> {
  await within(sweepLostJobs(clients, log, signal), signal);
  const tally = { onHold: 0, records: 0, deleted: 0, stillReferenced: 0, again: 0, doubts: [] as string[] };
  let nextLookMs: number | undefined;
  const worker = startWorker(clients, log, {
    queues: 'reap',
    onReapVerdict: (verdict: ReapVerdict) => {
      if (verdict.kind === 'done') {
        tally.records++;
        tally.deleted += verdict.deleted;
        tally.stillReferenced += verdict.stillReferenced;
        return;
      }
      tally.again++;
      nextLookMs = Math.min(nextLookMs ?? Number.POSITIVE_INFINITY, wallMs(verdict.record.dueMs));
      if (verdict.held !== undefined) tally.onHold++;
      if (verdict.doubt !== undefined && tally.doubts.length < DOUBTS_SHOWN_MAX) tally.doubts.push(verdict.doubt);
    },
  });
  try {
    for (let idle = 0; !signal.aborted && idle < IDLE_LOOKS; await delay(POLL_MS)) {
      idle = (await within(hasDue(clients, worker), signal)) ? 0 : idle + 1;
    }
  } finally {
    if (signal.aborted) worker.abort();
    await worker.stop();
  }
  const queue = cancellable(clients.ledger.queue, signal);
  const { delayed = 0, active = 0, ...waiting } = await queue.getJobCounts('delayed', 'active', 'wait', 'prioritized');
  const pending = Object.values(waiting).reduce((sum, count) => sum + count, delayed + active);
  return { ...tally, nextLookMs, pending, held: active, paused: await queue.isPaused() };
}

async function hasDue(clients: WorkClients, worker: RunningWorker): Promise<boolean> {
  const { queue } = clients.ledger;
  const [paused, due, counts] = await Promise.all([
    queue.isPaused(),
    queue.getDelayedCount(Date.now()),
    queue.getJobCounts('waiting', 'prioritized'),
  ]);
  // Asked last: what was taken meanwhile is in work.
  const own = (await worker.snapshots()).reduce((sum, { jobs }) => sum + jobs.length, 0);
  if (own > 0 || paused) return own > 0;
  return due > 0 || Object.values(counts).some((count) => count > 0);
}
