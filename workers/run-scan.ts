/**
 * From clients to a scan: what a command and the scheduler both need to scan a file system, with its log lines. The scan
 * itself is in `src/scan/scan.ts`; this wires and reports.
 */
import { systemClock } from '../src/clock.ts';
import type { CompactError } from '../src/errors.ts';
import type { InodeKey } from '../src/model.ts';
import { LOG_EVENTS, type Logger, logContext } from '../src/observe/log.ts';
import type { ScanOptions, ScanParts, ScanReport } from '../src/scan/types.ts';
import { ScanTally } from '../src/wiring/scan-counters.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';
import { processName } from './running.ts';

type ScanWishes = Pick<
  ScanOptions,
  'dryRun' | 'resume' | 'top' | 'topBy' | 'signal' | 'lost' | 'onProgress' | 'onUnreadable'
>;

/** Scans one file system by the settings. Throws as scanFilesystem does. */
export async function runScan(
  fsId: number,
  clients: WorkClients,
  log: Logger,
  wishes: ScanWishes = {},
): Promise<ScanReport> {
  const { settings, queue, control, quarantine, scans, ledger, run, observer } = clients;
  log.debug({ event: LOG_EVENTS.scanStarted, fsId }, 'scan started');
  const unreadable = (key: InodeKey, error: CompactError) => {
    log.warn({ event: LOG_EVENTS.inodeUnreadable, ...logContext({ key }), code: error.code }, error.message);
    wishes.onUnreadable?.(key, error);
  };
  const parts: ScanParts = {
    queue,
    control,
    quarantine,
    clock: systemClock,
    book: scans,
    ledger,
    nowMs: () => ledger.nowMs(),
  };
  const tally = new ScanTally(observer.metrics, { dryRun: wishes.dryRun === true });
  const options: ScanOptions = {
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
  };
  const report = await clients.scan(fsId, parts, options).catch((error: unknown) => {
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
