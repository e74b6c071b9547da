/**
 * Rows of the table of metrics: what runs do, what they cost and save, and what must never happen. Every process counts
 * these for itself. Rows only; `metric-table.ts` joins them. They must hold no logic.
 */
import type { MetricSpec } from './metric-spec.ts';
import {
  CANCEL_REASONS,
  CHUNK_OUTCOMES,
  QUEUES,
  RUN_BUDGETS,
  RUN_PHASES,
  RUN_REASONS,
  RUN_RESULTS,
  RUN_SERIES,
  TASKS,
} from './metric-values.ts';

const RUN_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600] as const;
const VERSIONS = [2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000] as const;

const RUN_ROWS = [
  {
    name: 's3compact_runs_started_total',
    type: 'counter',
    help: 'Runs over an inode that were started.',
    scope: 'process',
    group: 'Runs',
  },
  {
    name: 's3compact_runs_completed_total',
    type: 'counter',
    help: 'Runs that ended, by result and by the outcome or error code that decided it.',
    scope: 'process',
    group: 'Runs',
    labels: { result: RUN_RESULTS, reason: RUN_REASONS },
    series: RUN_SERIES,
  },
  {
    name: 's3compact_runs_in_flight',
    type: 'gauge',
    help: 'Runs that are under way.',
    scope: 'process',
    group: 'Runs',
  },
  {
    name: 's3compact_run_duration_seconds',
    type: 'histogram',
    help: 'How long runs took from start to end, by result.',
    scope: 'process',
    group: 'Runs',
    labels: { result: RUN_RESULTS },
    buckets: RUN_SECONDS,
  },
  {
    name: 's3compact_run_phase_seconds_total',
    type: 'counter',
    help: 'Time that runs spent in each phase; merge includes waiting for memory and limits.',
    scope: 'process',
    group: 'Runs',
    labels: { phase: RUN_PHASES },
  },
  {
    name: 's3compact_run_budget_exhausted_total',
    type: 'counter',
    help: 'Runs that left work undone because a part of their budget was spent, by the part that was spent furthest.',
    scope: 'process',
    group: 'Runs',
    labels: { budget: RUN_BUDGETS },
  },
  {
    name: 's3compact_continuations_total',
    type: 'counter',
    help: 'Runs after which the rest of the inode was queued again.',
    scope: 'process',
    group: 'Runs',
  },
  {
    name: 's3compact_runs_cancelled_total',
    type: 'counter',
    help: 'Runs that were cancelled from outside and handed back, by reason.',
    scope: 'process',
    group: 'Runs',
    labels: { reason: CANCEL_REASONS },
  },
  {
    name: 's3compact_last_success_timestamp_seconds',
    type: 'gauge',
    help: 'When a task last ended well, seconds since 1970; 0 when it has not since the process started.',
    scope: 'process',
    group: 'Runs',
    labels: { task: TASKS },
    aggregate: 'max',
  },
] as const satisfies readonly MetricSpec[];

const DONE_ROWS = [
  {
    name: 's3compact_chunks_compacted_total',
    type: 'counter',
    help: 'Chunks whose list was swapped.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_chunks_left_total',
    type: 'counter',
    help: 'Chunks that runs left although they are worth more work.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_chunk_versions',
    type: 'histogram',
    help: 'Versions in the lists of compacted chunks before they were compacted.',
    scope: 'process',
    group: 'Work done',
    buckets: VERSIONS,
  },
  {
    name: 's3compact_versions_before_total',
    type: 'counter',
    help: 'Versions in the lists that commits replaced.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_versions_after_total',
    type: 'counter',
    help: 'Versions in the lists that commits put in their place.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_gets_saved_total',
    type: 'counter',
    help: 'GET requests that one full read of the compacted chunks needs less than before.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_bytes_read_total',
    type: 'counter',
    help: 'Bytes that were read for objects that were written.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_bytes_written_total',
    type: 'counter',
    help: 'Bytes of merged objects that were written, committed or not.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_bytes_reclaimed_total',
    type: 'counter',
    help: 'Stored bytes that lists no longer name after commits, less the bytes of the merged objects; reap frees them.',
    scope: 'process',
    group: 'Work done',
  },
  {
    name: 's3compact_objects_written_total',
    type: 'counter',
    help: 'Merged objects that were written, committed or not.',
    scope: 'process',
    group: 'Work done',
  },
] as const satisfies readonly MetricSpec[];

const SAFETY_ROWS = [
  {
    name: 's3compact_commits_total',
    type: 'counter',
    help: 'Commits of a chunk by how they ended; unknown could not be read back, and deletes nothing.',
    scope: 'process',
    group: 'Safety',
    labels: { outcome: CHUNK_OUTCOMES },
  },
  {
    name: 's3compact_commit_answers_lost_total',
    type: 'counter',
    help: 'Commits whose answer was lost at first, whatever was found out later.',
    scope: 'process',
    group: 'Safety',
  },
  {
    name: 's3compact_fences_lost_total',
    type: 'counter',
    help: 'Attempts whose fence was taken away before their commit.',
    scope: 'process',
    group: 'Safety',
  },
  {
    name: 's3compact_leases_expired_total',
    type: 'counter',
    help: 'Attempts that outlived their lease and were given up.',
    scope: 'process',
    group: 'Safety',
  },
  {
    name: 's3compact_job_locks_lost_total',
    type: 'counter',
    help: 'Jobs whose lock could not be renewed in time; their runs are cancelled.',
    scope: 'process',
    group: 'Safety',
  },
  {
    name: 's3compact_jobs_stalled_total',
    type: 'counter',
    help: 'Jobs that were taken over from a process that had died or hung.',
    scope: 'process',
    group: 'Safety',
  },
  {
    name: 's3compact_jobs_given_up_total',
    type: 'counter',
    help: 'Jobs that the queue gave up because their processes died again and again.',
    scope: 'process',
    group: 'Safety',
  },
  {
    name: 's3compact_jobs_given_back_total',
    type: 'counter',
    help: 'Jobs that no worker could have found any more, and that were put back into their queue.',
    scope: 'process',
    group: 'Safety',
    labels: { queue: QUEUES },
  },
  {
    name: 's3compact_run_warnings_total',
    type: 'counter',
    help: 'Warnings in the reports of runs, such as a reap record that could not be stamped.',
    scope: 'process',
    group: 'Safety',
  },
] as const satisfies readonly MetricSpec[];

export const WORK_METRICS = [...RUN_ROWS, ...DONE_ROWS, ...SAFETY_ROWS] as const;
