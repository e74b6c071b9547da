/**
 * Panels: what does it cost, and what does it save?
 * Entries only; dashboard.ts draws them.
 */
import { highest, quantiles, RATE, type Row, sum } from './panel.ts';

export const COST: Row = {
  title: 'What does it cost, and what does it save?',
  panels: [
    {
      title: 'Bytes of merges',
      description: 'Read for, and written as, merged objects; reclaimed: what the lists no longer name.',
      unit: 'Bps',
      queries: [
        sum('s3compact_bytes_read_total'),
        sum('s3compact_bytes_written_total'),
        sum('s3compact_bytes_reclaimed_total'),
      ],
    },
    {
      title: 'GETs saved, requests spent',
      description:
        'GETs that one full read of the compacted chunks needs less, against all requests that s3compact makes.',
      unit: 'ops',
      queries: [
        sum('s3compact_gets_saved_total'),
        { expr: `sum(rate(s3compact_s3_requests_total{@}${RATE}))`, legend: 'requests' },
      ],
    },
    {
      title: 'Bytes moved for each GET saved, 1 day',
      description: 'Bytes read and written for each GET that one full read of the compacted chunks needs less.',
      unit: 'bytes',
      queries: [
        { expr: 'max by (namespace) (namespace:s3compact_bytes_per_get_saved:ratio1d{@})', legend: '{{namespace}}' },
      ],
    },
    {
      title: 'Bytes moved for each byte written, 1 day',
      description:
        'Read and sent for each byte of merged objects: 2 when each is read once and written once. More: work that is thrown away and done again.',
      unit: 'short',
      queries: [
        {
          expr: 'max by (namespace) (namespace:s3compact_bytes_moved_per_byte_written:ratio1d{@})',
          legend: '{{namespace}}',
        },
      ],
    },
    {
      title: 'Chunks, versions, objects',
      description: 'Chunks compacted, versions in their lists before and after, merged objects written.',
      unit: 'ops',
      queries: [
        sum('s3compact_chunks_compacted_total'),
        sum('s3compact_versions_before_total'),
        sum('s3compact_versions_after_total'),
        sum('s3compact_objects_written_total'),
      ],
    },
    {
      title: 'Versions of a chunk before',
      description:
        'Middle and longest hundredth of the lists that were compacted. Far above the threshold: it comes late.',
      unit: 'short',
      queries: ['0.5', '0.99'].map((quantile) => ({
        expr: `histogram_quantile(${quantile}, sum by (le) (rate(s3compact_chunk_versions_bucket{@}${RATE})))`,
        legend: `p${Number(quantile) * 100}`,
      })),
    },
    {
      title: 'S3 requests',
      description: 'Every try, by operation.',
      unit: 'reqps',
      queries: [sum('s3compact_s3_requests_total', 'operation')],
    },
    {
      title: 'S3 bytes',
      description: 'Payload that surely moved.',
      unit: 'Bps',
      queries: [sum('s3compact_s3_bytes_total', 'operation')],
    },
    {
      title: 'S3: how long requests take',
      description: 'Without waiting for a turn or a limit. If it rises with the load, the store is at its limit.',
      unit: 's',
      queries: quantiles('s3compact_s3_request_duration_seconds', 'operation'),
    },
    {
      title: 'Metadata calls',
      description: 'Calls of the metadata service, by operation.',
      unit: 'reqps',
      queries: [sum('s3compact_metadata_requests_total', 'operation')],
    },
    {
      title: 'Metadata: how long calls take',
      description: 'commit holds up the writers of one inode for as long as it takes.',
      unit: 's',
      queries: quantiles('s3compact_metadata_request_duration_seconds', 'operation'),
    },
    {
      title: 'Bytes a second that are allowed',
      description: 'What the processes may move now, together, and what all workers may; 0 means no limit.',
      unit: 'Bps',
      queries: [
        { expr: 'sum by (scope) (s3compact_limit_bytes_per_second{@})', legend: 'processes ({{scope}})' },
        highest('s3compact_total_limit_bytes_per_second'),
      ],
    },
    {
      title: 'Requests that are allowed, and that are made',
      description:
        'In flight in all processes, against what may be: it falls while the store answers slowly or with SlowDown, and recovers after.',
      unit: 'short',
      queries: [
        { expr: 'sum(s3compact_s3_requests_in_flight{@})', legend: 'in flight' },
        { expr: 'sum(s3compact_limit_requests_in_flight{@})', legend: 'allowed in flight' },
        { expr: 'sum by (scope) (s3compact_limit_requests_per_second{@})', legend: 'allowed a second ({{scope}})' },
      ],
    },
    {
      title: 'Waiting for limits',
      description:
        'How many pieces of work wait for each limit at a time, on average, and how often one begins to wait.',
      unit: 'short',
      queries: [
        {
          expr: `sum by (limit) (rate(s3compact_limit_wait_seconds_total{@}${RATE}))`,
          legend: 'waiting for {{limit}}',
        },
        { expr: `sum by (limit) (rate(s3compact_limit_waits_total{@}${RATE}))`, legend: 'waits a second, {{limit}}' },
      ],
    },
    {
      title: 'Memory of merges',
      description:
        'Held and allowed (S3COMPACT_MEMORY), of all processes. At the limit merges wait for each other; that is meant.',
      unit: 'bytes',
      queries: [
        { expr: 'sum(s3compact_memory_reserved_bytes{@})', legend: 'held' },
        { expr: 'sum(s3compact_memory_limit_bytes{@})', legend: 'allowed' },
      ],
    },
  ],
};
