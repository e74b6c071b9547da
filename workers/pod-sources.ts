/**
 * What a pod asks when a scrape comes: of the queue's Redis queues, reap records, quarantine, pauses, the last scans and
 * the clock, and of the buckets the holds. The same questions as `s3compact status` asks, so both show the same. It asks and sets gauges, nothing else.
 */

import { FILESYSTEMS_MAX, OTHER } from '../src/observe/metric-spec.ts';
import type { GaugeName } from '../src/observe/metric-table.ts';
import type { MetricSource, Metrics } from '../src/observe/metrics.ts';
import { COMPACT_QUEUE } from '../src/queue/compact-queue.ts';
import type { LastScan } from '../src/queue/scan-book.ts';
import { jobsInFlight, queueDepths, reapBacklog } from '../src/queue/status.ts';
import { wallMs } from '../src/time.ts';
import { standingHolds } from '../src/wiring/holds.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';

/** WorkClients as far as they are asked. */
type AskedClients = Pick<WorkClients, 'status' | 'control' | 'quarantine' | 'scans' | 'ledger' | HoldParts>;
type HoldParts = 'holds' | 'holdBook' | 'metadata';

export function podSources(clients: AskedClients): readonly MetricSource[] {
  return [queues(clients), reap(clients), quarantine(clients), holds(clients), backlog(clients), clock(clients)];
}

function queues({ status, control }: AskedClients): MetricSource {
  return {
    name: 'queues',
    gauges: [
      ...(['s3compact_queue_jobs', 's3compact_queue_oldest_age_seconds', 's3compact_queue_paused'] as const),
      's3compact_paused_filesystems',
    ],
    ask: async (metrics) => {
      const [depths, running, paused] = await Promise.all([
        queueDepths(status),
        jobsInFlight(status),
        control.paused(),
      ]);
      for (const { name: queue, ...depth } of depths) {
        for (const state of ['waiting', 'active', 'delayed', 'failed'] as const)
          metrics.set('s3compact_queue_jobs', depth[state], { queue, state });
        const oldest = depth.oldestWaitingMs / 1000;
        metrics.set('s3compact_queue_oldest_age_seconds', oldest, { queue, state: 'waiting' });
      }
      const active = (running[0]?.ageMs ?? 0) / 1000;
      metrics.set('s3compact_queue_oldest_age_seconds', active, { queue: COMPACT_QUEUE, state: 'active' });
      metrics.set('s3compact_queue_paused', paused.compact ? 1 : 0);
      metrics.set('s3compact_paused_filesystems', paused.filesystems.length);
    },
  };
}

function reap({ status }: AskedClients): MetricSource {
  return {
    name: 'reap',
    gauges: ['s3compact_reap_records', 's3compact_reap_oldest_due_age_seconds'],
    ask: async (metrics) => {
      const records = await reapBacklog(status);
      for (const state of ['pending', 'due', 'overdue'] as const)
        metrics.set('s3compact_reap_records', records[state], { state });
      metrics.set('s3compact_reap_oldest_due_age_seconds', records.oldestDueMs / 1000);
    },
  };
}

function quarantine({ quarantine: book }: AskedClients): MetricSource {
  return {
    name: 'quarantine',
    gauges: ['s3compact_quarantined_inodes'],
    ask: async (metrics) => metrics.set('s3compact_quarantined_inodes', await book.count()),
  };
}

/** A look at the buckets of file systems on which a hold was seen; where none is noted it costs one question to the queue. */
function holds(clients: AskedClients): MetricSource {
  return {
    name: 'holds',
    gauges: [
      ...(['s3compact_holds', 's3compact_hold_oldest_age_seconds'] as const),
      ...(['s3compact_held_objects', 's3compact_held_bytes'] as const),
    ],
    ask: async (metrics) => {
      const held = await standingHolds(clients, { onNone: (fsId) => clients.holdBook.forget(fsId) });
      const nowMs = held.length === 0 ? 0 : wallMs(await clients.ledger.nowMs());
      const all = held.flatMap((one) => one.holds);
      for (const end of ['open', 'timed'] as const) {
        const ofEnd = all.filter(({ hold }) => (hold?.untilMs === undefined ? 'open' : 'timed') === end);
        const agesMs = ofEnd.map(({ hold }) => nowMs - (hold?.sinceMs ?? nowMs));
        metrics.set('s3compact_holds', ofEnd.length, { end });
        metrics.set('s3compact_hold_oldest_age_seconds', Math.max(0, ...agesMs) / 1000, { end });
      }
      metrics.set('s3compact_held_objects', sum(held.map(({ objects }) => objects)));
      metrics.set('s3compact_held_bytes', sum(held.map(({ bytes }) => bytes)));
    },
  };
}

/** One gauge of what scans found: how it is read, and how those of several file systems become one. */
interface ScanGauge {
  readonly name: Extract<GaugeName, `s3compact_${'backlog' | 'scan' | 'stored' | 'visible'}_${string}`>;
  readonly of: (scan: LastScan) => number;
  readonly joined: (values: readonly number[]) => number;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

const SCAN_GAUGES: readonly ScanGauge[] = [
  { name: 's3compact_backlog_inodes', of: ({ backlog: found }) => found.inodesWorthIt, joined: sum },
  { name: 's3compact_backlog_chunks', of: ({ backlog: found }) => found.chunksWorthIt, joined: sum },
  { name: 's3compact_backlog_bytes', of: ({ backlog: found }) => found.bytesReclaimed, joined: sum },
  { name: 's3compact_backlog_gets', of: ({ backlog: found }) => found.getsSaved, joined: sum },
  { name: 's3compact_stored_bytes', of: ({ backlog: found }) => found.storedBytes, joined: sum },
  { name: 's3compact_visible_bytes', of: ({ backlog: found }) => found.visibleBytes, joined: sum },
  // The one that was scanned longest ago.
  {
    name: 's3compact_scan_last_completed_timestamp_seconds',
    of: ({ endedMs }) => endedMs / 1000,
    joined: (values) => Math.min(...values),
  },
];

function backlog({ scans }: AskedClients): MetricSource {
  return {
    name: 'backlog',
    gauges: SCAN_GAUGES.map(({ name }) => name),
    ask: async (metrics) => {
      reportScans(metrics, await scans.results());
    },
  };
}

/** The file systems with the largest backlog have series of their own; the others are one. */
function reportScans(metrics: Metrics, results: readonly LastScan[]): void {
  const largest = results.toSorted((a, b) => b.backlog.chunksWorthIt - a.backlog.chunksWorthIt);
  const [own, others] = [largest.slice(0, FILESYSTEMS_MAX), largest.slice(FILESYSTEMS_MAX)];
  for (const { name, of, joined } of SCAN_GAUGES) {
    metrics.clear(name);
    for (const scan of own) metrics.set(name, of(scan), { fs: `${scan.fsId}` });
    if (others.length > 0) metrics.set(name, joined(others.map(of)), { fs: OTHER });
  }
}

function clock({ ledger }: AskedClients): MetricSource {
  return {
    name: 'clock',
    gauges: ['s3compact_clock_skew_seconds'],
    ask: async (metrics) => {
      const askedMs = Date.now();
      const theirsMs = wallMs(await ledger.nowMs());
      // Half way between question and answer; off by half of what that took at most.
      const oursMs = (askedMs + Date.now()) / 2;
      metrics.set('s3compact_clock_skew_seconds', (oursMs - theirsMs) / 1000);
    },
  };
}
