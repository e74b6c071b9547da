/**
 * Panels: the numbers to see first.
 * Entries only; dashboard.ts draws them.
 */
import { highest, RATE, type Row } from './panel.ts';

export const GLANCE: Row = {
  title: 'At a glance',
  panels: [
    {
      title: 'Alerts that fire',
      description: 'Alerts of s3compact that fire now; docs/runbook.md has a heading for each.',
      unit: 'short',
      kind: 'number',
      limits: { red: 1 },
      queries: [
        { expr: 'count(ALERTS{@,alertname=~"S3Compact.*",alertstate="firing"}) or vector(0)', legend: 'firing' },
      ],
    },
    {
      title: 'Oldest inode in the queue',
      description: 'How long the job that waits longest has waited. Hours that grow: more workers, or higher limits.',
      unit: 's',
      kind: 'number',
      limits: { orange: 3_600, red: 21_600 },
      queries: [
        { expr: 'max(s3compact_queue_oldest_age_seconds{@,queue="compact",state="waiting"})', legend: 'waited' },
      ],
    },
    {
      title: 'Runs a minute',
      description: 'Runs over an inode that ended, whatever their result.',
      unit: 'short',
      kind: 'number',
      queries: [{ expr: `60 * sum(rate(s3compact_runs_completed_total{@}${RATE}))`, legend: 'runs' }],
    },
    {
      title: 'Requests for each GET saved, 1 day',
      description:
        'All requests that s3compact made, for each GET that one full read needs less: after so many full reads a merge has paid for itself.',
      unit: 'short',
      kind: 'number',
      limits: { orange: 10, red: 100 },
      queries: [
        { expr: 'max(namespace:s3compact_requests_per_get_saved:ratio1d{@})', legend: 'requests / GETs saved' },
      ],
    },
    {
      title: 'Inodes in quarantine',
      description: 'Work on them has stopped until a person releases them: `s3compact quarantine list`.',
      unit: 'short',
      kind: 'number',
      limits: { orange: 1 },
      queries: [highest('s3compact_quarantined_inodes')],
    },
    {
      title: 'Workers not ready',
      description: 'Parts (Redis, metadata, S3) that some worker does not reach now.',
      unit: 'short',
      kind: 'number',
      limits: { red: 1 },
      queries: [{ expr: 'count(s3compact_ready{@} == 0) or vector(0)', legend: 'not ready' }],
    },
  ],
};
