/**
 * From clients to a scan: what a command and the scheduler both need to scan a file system, with its log lines. The scan
 * itself is in `src/scan/scan.ts`; this wires and reports.
 */
import { systemClock } from '../src/clock.ts';
import type { CompactError } from '../src/errors.ts';
import type { InodeKey } from '../src/model.ts';
import { LOG_EVENTS, type Logger, logContext } from '../src/observe/log.ts';
import { scanFilesystem } from '../src/scan/scan.ts';
import type { ScanDeps, ScanOptions, ScanReport } from '../src/scan/types.ts';
import { cancellableDeps } from '../src/wiring/cancellable.ts';
import type { Clients } from '../src/wiring/clients.ts';
import { ScanTally } from '../src/wiring/scan-counters.ts';
import { processName } from './running.ts';

/** A scan needs no bucket: one that does not tell its owner in this time keeps no scan waiting. */
const OWNER_WAIT_MS = 2_000;

export type ScanWishes = Pick<
  ScanOptions,
  'dryRun' | 'resume' | 'top' | 'topBy' | 'signal' | 'onProgress' | 'onUnreadable'
>;

/** Scans one file system by the settings. Throws as scanFilesystem does. */
export async function runScan(
  fsId: number,
  clients: Clients,
  log: Logger,
  wishes: ScanWishes = {},
): Promise<ScanReport> {
  const { settings, metadata, queue, control, quarantine, scans, ledger, ownership, run, observer } = clients;
  log.debug({ event: LOG_EVENTS.scanStarted, fsId }, 'scan started');
  const unreadable = (key: InodeKey, error: CompactError) => {
    log.warn({ event: LOG_EVENTS.inodeUnreadable, ...logContext({ key }), code: error.code }, error.message);
    wishes.onUnreadable?.(key, error);
  };
  const deps: ScanDeps = {
    ...{ metadata, queue, control, quarantine, clock: systemClock, book: scans, ledger },
    nowMs: () => ledger.nowMs(),
    refuseOther: (filesystem) => ownership.refuseOther(filesystem, AbortSignal.timeout(OWNER_WAIT_MS)),
  };
  const tally = new ScanTally(observer.metrics, { dryRun: wishes.dryRun === true });
  const report = await scanFilesystem(fsId, cancellableDeps(deps, wishes.signal), {
    ...wishes,
    onProgress: (progress) => {
      tally.progress(progress);
      wishes.onProgress?.(progress);
    },
    policy: run.limits.policy,
    queueMax: settings.scanQueueMax,
    concurrency: settings.scanConcurrency,
    patienceMs: settings.scanPatienceMs,
    by: processName(),
    onUnreadable: unreadable,
    onWait: (error) => log.warn({ event: LOG_EVENTS.scanWaiting, fsId, code: error.code }, `waiting: ${error.message}`),
  }).catch((error: unknown) => {
    tally.ended('failed');
    throw error;
  });
  const { backlog, queued, durationMs, ending } = report;
  if (ending === 'done') tally.progress({ backlog, queued, held: 0, walking: false });
  tally.ended(ending);
  log.info({ event: LOG_EVENTS.scanEnded, fsId, ending, queued, durationMs, ...backlog }, `scan ended: ${ending}`);
  if (ending === 'done' && wishes.dryRun !== true) observer.succeeded('scan');
  return report;
}
