/**
 * Panels: what is stuck?
 * Entries only; dashboard.ts draws them.
 */
import { highest, RATE, type Row, sum } from './panel.ts';

export const STUCK: Row = {
  title: 'What is stuck?',
  panels: [
    {
      title: 'Reap records',
      description: 'Not done yet, and of them overdue. Overdue ones that grow: nobody reaps.',
      unit: 'short',
      queries: [highest('s3compact_reap_records', 'state')],
    },
    {
      title: 'Longest overdue reap record',
      description: 'Space that is not freed. Hours: see S3CompactDeleteQueueStuck in the runbook.',
      unit: 's',
      queries: [highest('s3compact_reap_oldest_due_age_seconds')],
    },
    {
      title: 'Looks at reap records',
      description:
        'again: the grace period is not over. held: a hold keeps what would be deleted. doubt, unreadable: nothing was deleted, and somebody should look.',
      unit: 'ops',
      kind: 'stack',
      queries: [sum('s3compact_reap_looks_total', 'verdict')],
    },
    {
      title: 'Objects deleted, objects that stay',
      description: 'Of finished reap records: deleted because nothing references them, kept because a list does.',
      unit: 'ops',
      queries: [sum('s3compact_objects_deleted_total'), sum('s3compact_objects_still_referenced_total')],
    },
    {
      title: 'S3: requests that fail',
      description:
        'By operation and code. exists, absent, object-missing and partial are answers, not faults of the server.',
      unit: 'reqps',
      queries: [
        {
          expr: `sum by (operation, code) (rate(s3compact_s3_requests_total{@,code!~"ok|exists|absent"}${RATE})) > 0`,
          legend: '{{operation}} {{code}}',
        },
        {
          expr: `sum by (operation) (rate(s3compact_s3_retries_total{@}${RATE})) > 0`,
          legend: '{{operation}} tried again',
        },
      ],
    },
    {
      title: 'S3: share of requests that fail',
      description: 'Above 5 % for 15 minutes an alert fires.',
      unit: 'percentunit',
      queries: [
        { expr: 'max by (operation) (namespace_operation:s3compact_s3_errors:ratio15m{@})', legend: '{{operation}}' },
      ],
    },
    {
      title: 'Metadata: calls that fail',
      description: 'By code, and as a share of all calls.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (operation, code) (rate(s3compact_metadata_requests_total{@,code!="ok"}${RATE})) > 0`,
          legend: '{{operation}} {{code}} a second',
        },
        { expr: 'max(namespace:s3compact_metadata_errors:ratio15m{@})', legend: 'share' },
      ],
    },
    {
      title: 'Why runs did not end well',
      description: 'Runs that will be tried again, or were stopped, by reason.',
      unit: 'ops',
      queries: [
        {
          expr: `sum by (result, reason) (rate(s3compact_runs_completed_total{@,result!~"done|gone"}${RATE})) > 0`,
          legend: '{{result}}: {{reason}}',
        },
      ],
    },
    {
      title: 'Paused',
      description: '1 while the whole queue is paused, and how many file systems are paused one by one.',
      unit: 'short',
      queries: [highest('s3compact_queue_paused'), highest('s3compact_paused_filesystems')],
    },
    {
      title: 'Holds',
      description:
        'Open ones last until somebody releases them: `s3compact hold list`. In days, the oldest of each kind.',
      unit: 'short',
      queries: [
        highest('s3compact_holds', 'end'),
        {
          expr: 'max by (end) (s3compact_hold_oldest_age_seconds{@}) / 86400',
          legend: 'oldest {{end}}, days',
        },
      ],
    },
    {
      title: 'Kept by holds',
      description: 'What would be deleted but for a hold: bytes at least, and objects.',
      unit: 'short',
      queries: [highest('s3compact_held_bytes'), highest('s3compact_held_objects')],
    },
    {
      title: 'Runs handed back, jobs given up',
      description: 'Cancelled from outside by reason; given up: a job that ends every process that takes it.',
      unit: 'short',
      queries: [
        {
          expr: 'sum by (reason) (increase(s3compact_runs_cancelled_total{@}[1h]))',
          legend: 'handed back: {{reason}}',
        },
        { expr: 'sum(increase(s3compact_jobs_given_up_total{@}[1h]))', legend: 'given up' },
      ],
    },
    {
      title: 'Lost jobs that are back',
      description: 'Jobs that no worker could have found any more, and that were put back into their queue.',
      unit: 'short',
      queries: [{ expr: 'sum by (queue) (increase(s3compact_jobs_given_back_total{@}[1h]))', legend: '{{queue}}' }],
    },
  ],
};
