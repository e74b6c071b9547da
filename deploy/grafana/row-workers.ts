/**
 * Panels: the processes themselves.
 * Entries only; dashboard.ts draws them.
 */
import { RATE, type Row } from './panel.ts';

export const WORKERS: Row = {
  title: 'Workers',
  panels: [
    {
      title: 'Ready',
      description: 'What /readyz tells: 1 ready, 0 not. running is 0 while a worker stops.',
      unit: 'short',
      queries: [{ expr: 'min by (part) (s3compact_ready{@})', legend: '{{part}}' }],
    },
    {
      title: 'Processes',
      description: 'Up, and wanted (--processes), of all pods.',
      unit: 'short',
      queries: [
        { expr: 'sum(s3compact_worker_processes{@})', legend: 'up' },
        { expr: 'sum(s3compact_worker_processes_wanted{@})', legend: 'wanted' },
      ],
    },
    {
      title: 'Processes that ended unasked',
      description:
        'By reason, within an hour. memory: S3COMPACT_MEMORY or the concurrency is too high for the limit of the pod.',
      unit: 'short',
      queries: [{ expr: 'sum by (reason) (increase(s3compact_worker_restarts_total{@}[1h]))', legend: '{{reason}}' }],
    },
    {
      title: 'Memory of a worker',
      description: 'Resident memory, all processes of a pod.',
      unit: 'bytes',
      queries: [
        { expr: 'process_resident_memory_bytes and on (instance) s3compact_build_info{@}', legend: '{{instance}}' },
      ],
    },
    {
      title: 'Processor time',
      description: 'Cores that are busy.',
      unit: 'short',
      queries: [
        {
          expr: `rate(process_cpu_seconds_total${RATE}) and on (instance) s3compact_build_info{@}`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Event loop lag',
      description: 'The slowest hundredth. Above some seconds locks are not renewed in time.',
      unit: 's',
      queries: [
        {
          expr: 'nodejs_eventloop_lag_p99_seconds and on (instance) s3compact_build_info{@}',
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Metrics that could not be asked for',
      description: 'Their gauges keep the last value.',
      unit: 'short',
      queries: [
        { expr: 'sum by (source) (increase(s3compact_metric_source_errors_total{@}[15m]))', legend: '{{source}}' },
      ],
    },
    {
      title: 'Versions',
      description: 'Pods by version of s3compact and of Node.js.',
      unit: 'short',
      kind: 'stack',
      queries: [
        { expr: 'count by (version, node) (s3compact_build_info{@})', legend: '{{version}}, Node.js {{node}}' },
      ],
    },
  ],
};
