/**
 * Rows of the table of metrics: what is asked of S3 and of the metadata service, and what work waits for. Every process
 * counts these for itself. Rows only; `metric-table.ts` joins them. They must hold no logic.
 */
import type { MetricSection } from './metric-spec.ts';
import { LIMITS, METADATA_CODES, METADATA_OPERATIONS, S3_CODES, S3_OPERATIONS, S3_SERIES } from './metric-values.ts';

const S3_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
const METADATA_SECONDS = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export const STORE_METRICS = [
  {
    group: 'S3 requests',
    scope: 'process',
    rows: {
      s3compact_s3_requests_total: {
        help: 'Tries of S3 requests by operation and by how they ended: ok, exists, absent, partial or an error code.',
        labels: { operation: S3_OPERATIONS, code: S3_CODES },
        series: S3_SERIES,
      },
      s3compact_s3_request_duration_seconds: {
        help: 'How long tries of S3 requests took, without waiting for a turn or a limit.',
        labels: { operation: S3_OPERATIONS },
        buckets: S3_SECONDS,
      },
      s3compact_s3_bytes_total: {
        help: 'Payload that surely moved: read by get, sent by put. What a failed try moved is not known.',
        labels: { operation: ['get', 'put'] },
      },
      s3compact_s3_retries_total: {
        help: 'S3 requests that were tried again.',
        labels: { operation: S3_OPERATIONS },
      },
    },
  },
  {
    group: 'Metadata requests',
    scope: 'process',
    rows: {
      s3compact_metadata_requests_total: {
        help: 'Calls of the metadata service by operation and by how they ended.',
        labels: { operation: METADATA_OPERATIONS, code: METADATA_CODES },
      },
      s3compact_metadata_request_duration_seconds: {
        help: 'How long calls of the metadata service took.',
        labels: { operation: METADATA_OPERATIONS },
        buckets: METADATA_SECONDS,
      },
    },
  },
  {
    group: 'Limits',
    scope: 'process',
    rows: {
      s3compact_limit_wait_seconds_total: {
        help: 'Time that work waited for a limit, added up over everything that waited at the same time.',
        labels: { limit: LIMITS },
      },
      s3compact_limit_waits_total: {
        help: 'How often work had to wait for a limit.',
        labels: { limit: LIMITS },
      },
      s3compact_limit_bytes_per_second: {
        help: 'Bytes a second that may move now, by whom the limit binds; 0 means no limit.',
        labels: { scope: ['process'] },
      },
      s3compact_limit_requests_per_second: {
        help: 'S3 requests a second that may start now, by whom the limit binds; 0 means no limit.',
        labels: { scope: ['process'] },
      },
      s3compact_limit_requests_in_flight: {
        help: 'S3 requests that may be in flight now, over all buckets in use; falls while a store is slow or says SlowDown.',
      },
      s3compact_s3_requests_in_flight: { help: 'S3 requests that are in flight.' },
    },
  },
  {
    group: 'Limits',
    scope: 'pod',
    aggregate: 'max',
    rows: {
      s3compact_total_limit_bytes_per_second: {
        help: 'Bytes a second that all workers together may move; 0 means no limit.',
      },
      s3compact_total_limit_jobs: { help: 'Runs that all workers together may have under way; 0 means no limit.' },
    },
  },
  {
    group: 'Limits',
    scope: 'process',
    rows: {
      s3compact_memory_limit_bytes: { help: 'Bytes that all merges of a process may hold at a time.' },
      s3compact_memory_reserved_bytes: { help: 'Bytes that merges hold now.' },
    },
  },
] as const satisfies readonly MetricSection[];
