/**
 * Panels: is anything unsafe?
 * Entries only; dashboard.ts draws them.
 */
import { type Row, sum } from './panel.ts';

export const UNSAFE: Row = {
  title: 'Is anything unsafe?',
  panels: [
    {
      title: 'Commits by how they ended',
      description:
        'conflict, stale: a writer was first, tried again. unknown: the answer was lost and the list could not be read back; nothing is deleted.',
      unit: 'ops',
      queries: [sum('s3compact_commits_total', 'outcome'), sum('s3compact_commit_answers_lost_total')],
    },
    {
      title: 'Attempts that went on for too long',
      description:
        'Leases that ended and fences that were taken away, within an hour. The protocol is made for it; many mean a lease that is too short, or nodes that freeze.',
      unit: 'short',
      queries: [
        { expr: 'sum(increase(s3compact_leases_expired_total{@}[1h]))', legend: 'leases ended' },
        { expr: 'sum(increase(s3compact_fences_lost_total{@}[1h]))', legend: 'fences lost' },
      ],
    },
    {
      title: 'Jobs that changed hands',
      description:
        'Locks that were not renewed, and jobs taken over from a process that died or hung, within an hour. Slow, never wrong.',
      unit: 'short',
      queries: [
        { expr: 'sum(increase(s3compact_job_locks_lost_total{@}[1h]))', legend: 'locks lost' },
        { expr: 'sum(increase(s3compact_jobs_stalled_total{@}[1h]))', legend: 'taken over' },
      ],
    },
    {
      title: 'Warnings of runs',
      description: 'Such as a reap record that could not be stamped: it is due later then, and looks twice.',
      unit: 'short',
      queries: [{ expr: 'sum(increase(s3compact_run_warnings_total{@}[1h]))', legend: 'within an hour' }],
    },
    {
      title: 'Clocks',
      description: "How far each worker's clock is from the clock of the queue's Redis. It costs time, never data.",
      unit: 's',
      signed: true,
      queries: [{ expr: 's3compact_clock_skew_seconds{@}', legend: '{{instance}}' }],
    },
  ],
};
