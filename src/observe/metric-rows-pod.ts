/**
 * Rows of the table of metrics: queues, reap records, quarantine, scans and the pool. Most are asked of Redis when a
 * scrape comes and reported once for each pod: take their maximum over pods, never their sum. Rows only; `metric-table.ts`
 * joins them. They must hold no logic.
 */
import { type MetricSection, OTHER } from './metric-spec.ts';
import { HOLD_ENDS, QUEUES, READY_PARTS, REAP_VERDICTS } from './metric-values.ts';

export const POD_METRICS = [
  {
    group: 'Queues',
    scope: 'pod',
    aggregate: 'max',
    rows: {
      s3compact_queue_jobs: {
        help: 'Jobs in a queue by state; waiting includes those with a priority and those of a paused queue.',
        labels: { queue: QUEUES, state: ['waiting', 'active', 'delayed', 'failed'] },
      },
      s3compact_queue_oldest_age_seconds: {
        help: 'How long the oldest job waits or runs, in a sample of the first and last in the order of service; 0: none.',
        labels: { queue: QUEUES, state: ['waiting', 'active'] },
        // Looks at reap records take a moment: what has been in work for long is seen by what waits.
        series: [
          ['compact', 'waiting'],
          ['compact', 'active'],
          ['reap', 'waiting'],
        ],
      },
      s3compact_queue_paused: { help: '1 while the whole compact queue is paused, else 0.' },
      s3compact_paused_filesystems: { help: 'File systems that are paused one by one.' },
    },
  },
  {
    group: 'Safety',
    scope: 'pod',
    aggregate: 'max',
    rows: {
      s3compact_quarantined_inodes: {
        help: 'Inodes on which work has stopped until a person releases them (s3compact quarantine list).',
      },
      s3compact_holds: {
        help: 'Holds that stand, or of which that is not known: open ones last until they are released (s3compact hold list).',
        labels: { end: HOLD_ENDS },
      },
      s3compact_hold_oldest_age_seconds: {
        help: 'For how long the oldest hold has stood, by whether it ends by itself (timed) or not (open); 0: there is none.',
        labels: { end: HOLD_ENDS },
      },
      s3compact_held_objects: {
        help: 'Objects that would be deleted but for a hold, as far as their reap records were looked at.',
      },
      s3compact_held_bytes: { help: 'Bytes of those objects at least.' },
      s3compact_clock_skew_seconds: {
        help: "How far this pod's clock is ahead of the clock of the queue's Redis; negative when it is behind.",
        aggregate: 'first',
      },
    },
  },
  {
    group: 'Reap',
    scope: 'pod',
    aggregate: 'max',
    rows: {
      s3compact_reap_records: {
        help: 'Reap records that are not done: all (pending), those that are due, and those due for over 5 minutes (overdue).',
        labels: { state: ['pending', 'due', 'overdue'] },
      },
      s3compact_reap_oldest_due_age_seconds: {
        help: 'How long the first of the due reap records has been due; 0 when none is.',
      },
    },
  },
  {
    group: 'Reap',
    scope: 'process',
    rows: {
      s3compact_reap_looks_total: {
        help: 'Looks at reap records: done, again (not over yet), held (by a hold); nothing was deleted: doubt, unreadable, unsafe (the store lacks objects that lists reference).',
        labels: { verdict: REAP_VERDICTS },
      },
      s3compact_objects_deleted_total: { help: 'Objects that nothing referenced and that were deleted.' },
      s3compact_objects_still_referenced_total: {
        help: 'Objects of finished reap records that stay because a list references them.',
      },
    },
  },
  {
    group: 'Scan and backlog',
    scope: 'process',
    rows: {
      s3compact_scans_total: {
        help: 'Scans of a file system by how they ended.',
        labels: { result: ['complete', 'stopped', 'failed'] },
      },
      s3compact_scan_inodes_total: {
        help: 'Inodes that scans looked at: worth a run, not worth one, or not readable.',
        labels: { result: ['worthwhile', 'nothing', 'failed'] },
      },
      s3compact_scan_enqueued_total: {
        help: 'Inodes that scans gave to the queue: queued anew, or in flight already.',
        labels: { result: ['queued', 'in-flight'] },
      },
    },
  },
  {
    group: 'Scan and backlog',
    scope: 'pod',
    aggregate: 'max',
    rows: {
      s3compact_scan_last_completed_timestamp_seconds: {
        help: 'When the last complete scan of a file system ended, seconds since 1970.',
        labels: { fs: 'filesystems' },
      },
      s3compact_backlog_inodes: {
        help: 'Inodes that were worth a run at the last scan.',
        labels: { fs: 'filesystems' },
      },
      s3compact_backlog_chunks: {
        help: 'Chunks that were worth compacting at the last scan.',
        labels: { fs: 'filesystems' },
      },
      s3compact_backlog_bytes: {
        help: 'Stored bytes that compaction could reclaim, as of the last scan.',
        labels: { fs: 'filesystems' },
      },
      s3compact_backlog_gets: {
        help: 'GET requests of one full read that compaction could save, as of the last scan.',
        labels: { fs: 'filesystems' },
      },
      s3compact_stored_bytes: {
        help: 'Bytes of the objects that the lists of all files name, as of the last scan.',
        labels: { fs: 'filesystems' },
      },
      s3compact_visible_bytes: {
        help: 'Those of the stored bytes that a reader sees, as of the last scan; stored divided by visible is the waste.',
        labels: { fs: 'filesystems' },
      },
    },
  },
  {
    group: 'Process and pool',
    scope: 'pod',
    aggregate: 'first',
    rows: {
      s3compact_build_info: {
        help: 'Always 1; the labels tell the version.',
        labels: { version: [], node: [] },
      },
      s3compact_ready: {
        help: 'What /readyz tells of each part: 1 ready, 0 not. running is 0 while the process stops.',
        labels: { part: READY_PARTS },
      },
      s3compact_worker_processes: { help: 'Worker processes of this pod that are up and answer.' },
      s3compact_worker_processes_wanted: { help: 'Worker processes that this pod should have (--processes).' },
      s3compact_worker_restarts_total: {
        help: 'Worker processes that ended unasked and were started again, by reason.',
        labels: { reason: ['crash', 'memory', 'stuck', OTHER] },
      },
      s3compact_metric_source_errors_total: {
        help: 'Times a source of metrics could not be asked: its gauges then keep their last value.',
        labels: { source: ['queues', 'reap', 'quarantine', 'holds', 'backlog', 'clock'] },
      },
    },
  },
] as const satisfies readonly MetricSection[];
