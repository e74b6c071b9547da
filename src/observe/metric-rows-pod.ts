/**
 * Rows of the table of metrics: queues, reap records, quarantine, scans and the pool. Most are asked of Redis when a
 * scrape comes and reported once for each pod: take their maximum over pods, never their sum. Rows only; `metric-table.ts`
 * joins them. They must hold no logic.
 */
import type { MetricSpec } from './metric-spec.ts';
import {
  AGED_STATES,
  QUEUE_STATES,
  QUEUES,
  READY_PARTS,
  REAP_STATES,
  REAP_VERDICTS,
  RESTART_REASONS,
  SOURCES,
} from './metric-values.ts';

const QUEUE_ROWS = [
  {
    name: 's3compact_queue_jobs',
    type: 'gauge',
    help: 'Jobs in a queue by state; waiting includes those with a priority and those of a paused queue.',
    scope: 'pod',
    group: 'Queues',
    labels: { queue: QUEUES, state: QUEUE_STATES },
    aggregate: 'max',
  },
  {
    name: 's3compact_queue_oldest_age_seconds',
    type: 'gauge',
    help: 'How long the oldest job waits or runs, in a sample of the first and last in the order of service; 0: none.',
    scope: 'pod',
    group: 'Queues',
    labels: { queue: QUEUES, state: AGED_STATES },
    // Looks at reap records take a moment: what has been in work for long is seen by what waits.
    series: [
      ['compact', 'waiting'],
      ['compact', 'active'],
      ['reap', 'waiting'],
    ],
    aggregate: 'max',
  },
  {
    name: 's3compact_queue_paused',
    type: 'gauge',
    help: '1 while the whole compact queue is paused, else 0.',
    scope: 'pod',
    group: 'Queues',
    aggregate: 'max',
  },
  {
    name: 's3compact_paused_filesystems',
    type: 'gauge',
    help: 'File systems that are paused one by one.',
    scope: 'pod',
    group: 'Queues',
    aggregate: 'max',
  },
  {
    name: 's3compact_quarantined_inodes',
    type: 'gauge',
    help: 'Inodes on which work has stopped until a person releases them (s3compact quarantine list).',
    scope: 'pod',
    group: 'Safety',
    aggregate: 'max',
  },
  {
    name: 's3compact_clock_skew_seconds',
    type: 'gauge',
    help: "How far this pod's clock is ahead of the clock of the queue's Redis; negative when it is behind.",
    scope: 'pod',
    group: 'Safety',
    aggregate: 'first',
  },
] as const satisfies readonly MetricSpec[];

const REAP_ROWS = [
  {
    name: 's3compact_reap_records',
    type: 'gauge',
    help: 'Reap records that are not done: all (pending), those that are due, and those due for over 5 minutes (overdue).',
    scope: 'pod',
    group: 'Reap',
    labels: { state: REAP_STATES },
    aggregate: 'max',
  },
  {
    name: 's3compact_reap_oldest_due_age_seconds',
    type: 'gauge',
    help: 'How long the first of the due reap records has been due; 0 when none is.',
    scope: 'pod',
    group: 'Reap',
    aggregate: 'max',
  },
  {
    name: 's3compact_reap_looks_total',
    type: 'counter',
    help: 'Looks at reap records: done, again (not over yet); nothing was deleted: doubt, unreadable, unsafe (the store lacks objects that lists reference).',
    scope: 'process',
    group: 'Reap',
    labels: { verdict: REAP_VERDICTS },
  },
  {
    name: 's3compact_objects_deleted_total',
    type: 'counter',
    help: 'Objects that nothing named and that were deleted.',
    scope: 'process',
    group: 'Reap',
  },
  {
    name: 's3compact_objects_still_named_total',
    type: 'counter',
    help: 'Objects of finished reap records that stay because a list names them.',
    scope: 'process',
    group: 'Reap',
  },
] as const satisfies readonly MetricSpec[];

const SCAN_ROWS = [
  {
    name: 's3compact_scans_total',
    type: 'counter',
    help: 'Scans of a file system by how they ended.',
    scope: 'process',
    group: 'Scan and backlog',
    labels: { result: ['complete', 'stopped', 'failed'] },
  },
  {
    name: 's3compact_scan_inodes_total',
    type: 'counter',
    help: 'Inodes that scans looked at: worth a run, not worth one, or not readable.',
    scope: 'process',
    group: 'Scan and backlog',
    labels: { result: ['worthwhile', 'nothing', 'failed'] },
  },
  {
    name: 's3compact_scan_enqueued_total',
    type: 'counter',
    help: 'Inodes that scans gave to the queue: queued anew, or in flight already.',
    scope: 'process',
    group: 'Scan and backlog',
    labels: { result: ['queued', 'in-flight'] },
  },
  {
    name: 's3compact_scan_last_completed_timestamp_seconds',
    type: 'gauge',
    help: 'When the last complete scan of a file system ended, seconds since 1970.',
    scope: 'pod',
    group: 'Scan and backlog',
    labels: { fs: 'filesystems' },
    aggregate: 'max',
  },
  {
    name: 's3compact_backlog_inodes',
    type: 'gauge',
    help: 'Inodes that were worth a run at the last scan.',
    scope: 'pod',
    group: 'Scan and backlog',
    labels: { fs: 'filesystems' },
    aggregate: 'max',
  },
  {
    name: 's3compact_backlog_chunks',
    type: 'gauge',
    help: 'Chunks that were worth compacting at the last scan.',
    scope: 'pod',
    group: 'Scan and backlog',
    labels: { fs: 'filesystems' },
    aggregate: 'max',
  },
  {
    name: 's3compact_backlog_bytes',
    type: 'gauge',
    help: 'Stored bytes that compaction could reclaim, as of the last scan.',
    scope: 'pod',
    group: 'Scan and backlog',
    labels: { fs: 'filesystems' },
    aggregate: 'max',
  },
  {
    name: 's3compact_backlog_gets',
    type: 'gauge',
    help: 'GET requests of one full read that compaction could save, as of the last scan.',
    scope: 'pod',
    group: 'Scan and backlog',
    labels: { fs: 'filesystems' },
    aggregate: 'max',
  },
] as const satisfies readonly MetricSpec[];

const POOL_ROWS = [
  {
    name: 's3compact_build_info',
    type: 'gauge',
    help: 'Always 1; the labels tell the version.',
    scope: 'pod',
    group: 'Process and pool',
    labels: { version: [], node: [] },
    aggregate: 'first',
  },
  {
    name: 's3compact_ready',
    type: 'gauge',
    help: 'What /readyz tells of each part: 1 ready, 0 not. running is 0 while the process stops.',
    scope: 'pod',
    group: 'Process and pool',
    labels: { part: READY_PARTS },
    aggregate: 'first',
  },
  {
    name: 's3compact_worker_processes',
    type: 'gauge',
    help: 'Worker processes of this pod that are up and answer.',
    scope: 'pod',
    group: 'Process and pool',
    aggregate: 'first',
  },
  {
    name: 's3compact_worker_processes_wanted',
    type: 'gauge',
    help: 'Worker processes that this pod should have (--processes).',
    scope: 'pod',
    group: 'Process and pool',
    aggregate: 'first',
  },
  {
    name: 's3compact_worker_restarts_total',
    type: 'counter',
    help: 'Worker processes that ended unasked and were started again, by reason.',
    scope: 'pod',
    group: 'Process and pool',
    labels: { reason: RESTART_REASONS },
    aggregate: 'first',
  },
  {
    name: 's3compact_metric_source_errors_total',
    type: 'counter',
    help: 'Times a source of metrics could not be asked: its gauges then keep their last value.',
    scope: 'pod',
    group: 'Process and pool',
    labels: { source: SOURCES },
    aggregate: 'first',
  },
] as const satisfies readonly MetricSpec[];

export const POD_METRICS = [...QUEUE_ROWS, ...REAP_ROWS, ...SCAN_ROWS, ...POOL_ROWS] as const;
