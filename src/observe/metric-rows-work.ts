/**
 * Rows of the table of metrics: what runs do, what they cost and save, and what must never happen. Every process counts
 * these for itself. Rows only; `metric-table.ts` joins them. They must hold no logic.
 */
import { type MetricSection, OTHER } from './metric-spec.ts';
import { QUEUES, RUN_REASONS, RUN_RESULTS, RUN_SERIES } from './metric-values.ts';

const RUN_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600] as const;
const VERSIONS = [2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000] as const;

export const WORK_METRICS = [
  {
    group: 'Runs',
    scope: 'process',
    rows: {
      s3compact_runs_started_total: { help: 'Runs over an inode that were started.' },
      s3compact_runs_completed_total: {
        help: 'Runs that ended, by result and by the outcome or error code that decided it.',
        labels: { result: RUN_RESULTS, reason: RUN_REASONS },
        series: RUN_SERIES,
      },
      s3compact_runs_in_flight: { help: 'Runs that are under way.' },
      s3compact_run_duration_seconds: {
        help: 'How long runs took from start to end, by result.',
        labels: { result: RUN_RESULTS },
        buckets: RUN_SECONDS,
      },
      s3compact_run_phase_seconds_total: {
        help: 'Time that runs spent in each phase; merge includes waiting for memory and limits.',
        labels: { phase: ['plan', 'record', 'merge', 'commit', 'end'] },
      },
      s3compact_run_budget_exhausted_total: {
        help: 'Runs that left work undone because a part of their budget was spent, by the part that was spent furthest.',
        labels: { budget: ['chunks', 'bytes', 'requests', 'seconds'] },
      },
      s3compact_continuations_total: { help: 'Runs after which the rest of the inode was queued again.' },
      s3compact_runs_cancelled_total: {
        help: 'Runs that were cancelled from outside and handed back, by reason.',
        labels: { reason: ['shutdown', 'lock-lost', OTHER] },
      },
      s3compact_last_success_timestamp_seconds: {
        help: 'When a task last ended well, seconds since 1970; 0 when it has not since the process started.',
        labels: { task: ['run', 'reap', 'scan'] },
        aggregate: 'max',
      },
    },
  },
  {
    group: 'Work done',
    scope: 'process',
    rows: {
      s3compact_chunks_compacted_total: { help: 'Chunks whose list was swapped.' },
      s3compact_chunks_left_total: { help: 'Chunks that runs left although they are worth more work.' },
      s3compact_chunk_versions: {
        help: 'Versions in the lists of compacted chunks before they were compacted.',
        buckets: VERSIONS,
      },
      s3compact_versions_before_total: { help: 'Versions in the lists that commits replaced.' },
      s3compact_versions_after_total: { help: 'Versions in the lists that commits put in their place.' },
      s3compact_gets_saved_total: {
        help: 'GET requests that one full read of the compacted chunks needs less than before.',
      },
      s3compact_bytes_read_total: { help: 'Bytes that were read for objects that were written.' },
      s3compact_bytes_written_total: { help: 'Bytes of merged objects that were written, committed or not.' },
      s3compact_bytes_reclaimed_total: {
        help: 'Stored bytes that lists no longer name after commits, less the bytes of the merged objects; reap frees them.',
      },
      s3compact_objects_written_total: { help: 'Merged objects that were written, committed or not.' },
    },
  },
  {
    group: 'Safety',
    scope: 'process',
    rows: {
      s3compact_commits_total: {
        help: 'Commits of a chunk by how they ended; unknown could not be read back, and deletes nothing.',
        labels: { outcome: ['committed', 'conflict', 'stale', 'unknown'] },
      },
      s3compact_commit_answers_lost_total: {
        help: 'Commits whose answer was lost at first, whatever was found out later.',
      },
      s3compact_fences_lost_total: { help: 'Attempts whose fence was taken away before their commit.' },
      s3compact_leases_expired_total: { help: 'Attempts that outlived their lease and were given up.' },
      s3compact_job_locks_lost_total: {
        help: 'Jobs whose lock could not be renewed in time; their runs are cancelled.',
      },
      s3compact_jobs_stalled_total: { help: 'Jobs that were taken over from a process that had died or hung.' },
      s3compact_jobs_given_up_total: {
        help: 'Jobs that the queue gave up because their processes died again and again.',
      },
      s3compact_jobs_given_back_total: {
        help: 'Jobs that no worker could have found any more, and that were put back into their queue.',
        labels: { queue: QUEUES },
      },
      s3compact_run_warnings_total: {
        help: 'Warnings in the reports of runs, such as a reap record that could not be stamped.',
      },
    },
  },
] as const satisfies readonly MetricSection[];
