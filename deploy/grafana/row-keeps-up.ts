/**
 * Panels: does it keep up?
 * Entries only; dashboard.ts draws them.
 */
import { highest, quantiles, RATE, type Row, sum } from './panel.ts';

export const KEEPS_UP: Row = {
  title: 'Does it keep up?',
  panels: [
    {
      title: 'Jobs in the queues',
      description:
        'Inodes (compact) and reap records (reap) by state. Reap records wait for their grace period as `delayed`: that is normal.',
      unit: 'short',
      queries: [highest('s3compact_queue_jobs', 'queue, state')],
    },
    {
      title: 'Oldest job',
      description:
        'Age of the oldest job that waits or runs. `active` beyond the time budget of a run: a run that hangs.',
      unit: 's',
      queries: [highest('s3compact_queue_oldest_age_seconds', 'queue, state')],
    },
    {
      title: 'Runs by result',
      description:
        'done: nothing more to do now. later: will be tried again. gone: no such file any more. quarantined, halted: somebody must look.',
      unit: 'ops',
      kind: 'stack',
      queries: [sum('s3compact_runs_completed_total', 'result')],
    },
    {
      title: 'Runs under way, and started',
      description:
        'Runs in flight in all processes, the most that all workers may have (0: no limit), and runs started a second.',
      unit: 'short',
      queries: [
        { expr: 'sum(s3compact_runs_in_flight{@})', legend: 'in flight' },
        { expr: 'max(s3compact_total_limit_jobs{@})', legend: 'limit of all workers' },
        sum('s3compact_runs_started_total'),
      ],
    },
    {
      title: 'Backlog: inodes and chunks',
      description:
        'What was worth compacting at the last scan of each file system. It should fall between scans of a quiet file system.',
      unit: 'short',
      queries: [
        { expr: 'max by (fs) (s3compact_backlog_inodes{@})', legend: 'fs {{fs}} inodes' },
        { expr: 'max by (fs) (s3compact_backlog_chunks{@})', legend: 'fs {{fs}} chunks' },
      ],
    },
    {
      title: 'Backlog: GETs of a full read',
      description: 'GET requests that readers of the whole file system would save.',
      unit: 'short',
      queries: [{ expr: 'max by (fs) (s3compact_backlog_gets{@})', legend: 'fs {{fs}}' }],
    },
    {
      title: 'Backlog: bytes',
      description: 'Stored bytes that compaction could reclaim.',
      unit: 'bytes',
      queries: [{ expr: 'max by (fs) (s3compact_backlog_bytes{@})', legend: 'fs {{fs}}' }],
    },
    {
      title: 'Waste: stored for each visible byte',
      description:
        'Bytes of objects for each byte that a reader sees, at the last scan of each file system. A compacted file is at 1.10 at most; what waits for a run or for its quiet period is above.',
      unit: 'short',
      queries: [
        {
          expr: 'max by (fs) (s3compact_stored_bytes{@}) / max by (fs) (s3compact_visible_bytes{@} > 0)',
          legend: 'fs {{fs}}',
        },
      ],
    },
    {
      title: 'Since the last complete scan',
      description: 'A file system that is not scanned gets no work.',
      unit: 's',
      queries: [
        {
          expr: 'time() - max by (fs) (s3compact_scan_last_completed_timestamp_seconds{@} > 0)',
          legend: 'fs {{fs}}',
        },
      ],
    },
    {
      title: 'Scan: inodes a second',
      description: 'Inodes that scans looked at, and what they gave to the queue. `in-flight` was queued already.',
      unit: 'ops',
      queries: [
        { expr: `sum by (result) (rate(s3compact_scan_inodes_total{@}${RATE}))`, legend: 'looked at: {{result}}' },
        {
          expr: `sum by (result) (rate(s3compact_scan_enqueued_total{@}${RATE}))`,
          legend: 'given to the queue: {{result}}',
        },
      ],
    },
    {
      title: 'Scans that ended',
      description: 'Within the range that is shown.',
      unit: 'short',
      queries: [{ expr: 'sum by (result) (increase(s3compact_scans_total{@}[1h]))', legend: '{{result}}' }],
    },
    {
      title: 'How long runs take',
      description: 'Middle and slowest hundredth. Beyond half of S3COMPACT_LEASE the lease is too short.',
      unit: 's',
      queries: quantiles('s3compact_run_duration_seconds', 'result'),
    },
    {
      title: 'Where runs spend their time',
      description: 'Seconds of all runs together for each second. merge includes waiting for memory and for limits.',
      unit: 's',
      kind: 'stack',
      queries: [sum('s3compact_run_phase_seconds_total', 'phase')],
    },
    {
      title: 'Runs that ended by their budget',
      description:
        'By the part that was spent furthest; what is left is queued again. Many: raise that part, or let it take its time.',
      unit: 'ops',
      queries: [
        sum('s3compact_run_budget_exhausted_total', 'budget'),
        sum('s3compact_continuations_total'),
        sum('s3compact_chunks_left_total'),
      ],
    },
    {
      title: 'Since the last success',
      description: 'By task, in any process. A run counts also when there was nothing to do.',
      unit: 's',
      queries: [
        { expr: 'time() - max by (task) (s3compact_last_success_timestamp_seconds{@} > 0)', legend: '{{task}}' },
      ],
    },
  ],
};
