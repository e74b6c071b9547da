/**
 * What is stuck, a part of each list at a time: inodes in quarantine, jobs that were given up or wait for a time, reap
 * records that are late or in doubt, holds. It asks the queue's Redis in a number of calls that does not grow with the
 * lists, and the buckets where a hold was seen; it changes nothing.
 */
import { within as inTime } from '../clock.ts';
import { CompactError } from '../errors.ts';
import type { QuarantinePart } from '../queue/quarantine.ts';
import { delayedJobs, failedJobs, type JobList, listedRecords, type RecordsPart } from '../queue/status-lists.ts';
import { wallMs } from '../time.ts';
import { within } from '../wiring/cancellable.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import type { HoldsListed } from './status-report.ts';

/** Rows of a part. Of the quarantine it is some more, where Redis gives more. */
export const PART_ROWS = 50;
/** How long the buckets may take: somebody waits for the page. */
const HOLDS_WAIT_MS = 5_000;

/** Where each list is to begin. */
export interface StuckPlaces {
  readonly quarantine: string;
  readonly failed: number;
  readonly delayed: number;
  readonly records: number;
}

export interface Stuck {
  readonly nowMs: number;
  readonly quarantined: number;
  readonly quarantine: QuarantinePart;
  readonly failed: JobList;
  readonly delayed: JobList;
  readonly records: RecordsPart;
  readonly holds: HoldsListed;
}

/** Ends soon after its signal. Errors are CompactError `queue-unavailable` or `cancelled` (retry). */
export async function askStuck(clients: WorkClients, places: StuckPlaces, signal: AbortSignal): Promise<Stuck> {
  const { status, quarantine, ledger } = clients;
  const part = (from: number) => ({ from, most: PART_ROWS });
  const late = (): HoldsListed => ({ ...NO_HOLDS, unknown: 'a server did not answer in time' });
  const holdsOver = AbortSignal.any([signal, AbortSignal.timeout(HOLDS_WAIT_MS)]);
  const all = Promise.all([
    ledger.nowMs().then(wallMs),
    quarantine.count(),
    quarantine.part(places.quarantine, PART_ROWS),
    failedJobs(status, part(places.failed)),
    delayedJobs(status, part(places.delayed)),
    listedRecords(status, part(places.records)),
    inTime(askHolds(clients, { signal: holdsOver }), HOLDS_WAIT_MS, late),
  ]);
  const [nowMs, quarantined, inodes, failed, delayed, records, holds] = await within(all, signal);
  return { nowMs, quarantined, quarantine: inodes, failed, delayed, records, holds };
}

/** Holds that are listed. */
const HOLDS_LISTED_MAX = 100;
export const NO_HOLDS: HoldsListed = { total: 0, objects: 0, bytes: 0, holds: [] };

/** Where they cannot be had, the reason takes their place, and the rest of the page is as good as ever. */
export async function askHolds(
  clients: WorkClients,
  { fsId, signal }: { readonly fsId?: number | undefined; readonly signal?: AbortSignal } = {},
): Promise<HoldsListed> {
  const { standingHolds } = await import('../wiring/holds.ts');
  try {
    const held = (await standingHolds(clients, { signal })).filter((one) => fsId === undefined || one.fsId === fsId);
    const all = held.flatMap(({ fsId: of, holds }) =>
      holds.map(({ id, kind, hold }) => ({
        fsId: of,
        id,
        state: kind,
        reason: hold?.reason,
        by: hold?.by,
        sinceMs: hold?.sinceMs,
        untilMs: hold?.untilMs,
      })),
    );
    return {
      total: all.length,
      objects: held.reduce((sum, { objects }) => sum + objects, 0),
      bytes: held.reduce((sum, one) => sum + one.bytes, 0),
      holds: all.slice(0, HOLDS_LISTED_MAX),
    };
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    return { ...NO_HOLDS, unknown: error.message };
  }
}
