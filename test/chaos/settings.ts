/**
 * Sizes and periods of a chaos run: tiny geometry, so that kilobytes cause hundreds of events, and periods as short as
 * the relations between settings allow (I11; each worker checks them at its start). Nothing here is chosen by chance.
 */

import type { OracleGeometry } from '../kit/oracle/types.ts';
import type { S3Access } from '../kit/servers/s3.ts';

export const FS_ID = 1;
export const BUCKET = 'chaos';
export const METADATA_PREFIX = 'fs';
export const QUEUE_PREFIX = 'chaos';
export const GEOMETRY: OracleGeometry = { blockSize: 4096, chunkSize: 65_536 };
/** Files stay below three chunks: a whole read is at most some hundred GETs. */
export const FILE_BYTES_MAX = 3 * GEOMETRY.chunkSize;

/** Tries of a job. */
export const JOB_TRIES = 5;
export const LEASE_MS = 7_000;
export const GRACE_MS = 5_000;
/** Of one call to Redis, or to a CurveFS cluster. */
export const METADATA_TIMEOUT_MS = 1_000;

/**
 * Pauses of a worker. Long ones outlast the lease, but not lease + grace: an object that is put even later is what only
 * gc finds (I12, docs/adr/0001), and here every leak shall be a fault.
 */
export const PAUSE_SHORT_MS = [200, 2_500] as const;
export const PAUSE_LONG_MS = [LEASE_MS + 200, LEASE_MS + 1_800] as const;
/** Servers are paused longer than any call may take, shorter than the grace period. */
export const SERVER_PAUSE_MS = [500, 3_000] as const;
export const SERVER_AWAY_MS = [50, 2_000] as const;

/** With the append-only file flushed every second, this is what a power failure may cost. */
export const REDIS_LOSS_MAX_MS = 1_000;
/** A write acknowledged longer than this before Redis died must be there afterwards. */
export const REDIS_DURABLE_AFTER_MS = 2_000;

/** The environment of a worker process, and of clients built as it builds them; `lists`: where it finds them. */
export function workerEnv(
  redisUrl: string,
  s3: S3Access,
  lists: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    REDIS_URL: redisUrl,
    ...lists,
    QUEUE_PREFIX,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    S3COMPACT_FRAGMENT_THRESHOLD: '4',
    S3COMPACT_MAX_SECONDS: '1s',
    S3COMPACT_MAX_CHUNKS: '2',
    S3COMPACT_S3_TIMEOUT: '1s',
    S3COMPACT_S3_PATIENCE: '1s',
    S3COMPACT_REDIS_TIMEOUT: `${METADATA_TIMEOUT_MS}ms`,
    S3COMPACT_JOB_TRIES: `${JOB_TRIES}`,
    S3COMPACT_LOCK_DURATION: '3s',
    S3COMPACT_RETRY_DELAY: '200ms',
    S3COMPACT_LEASE: `${LEASE_MS}ms`,
    S3COMPACT_GRACE: `${GRACE_MS}ms`,
    S3COMPACT_GC_MIN_AGE: `${LEASE_MS + GRACE_MS + 1}ms`,
    S3COMPACT_READER_CACHE_LIFE: `${GRACE_MS - 1}ms`,
    S3COMPACT_CONCURRENCY: '3',
    S3COMPACT_LOG_LEVEL: 'debug',
  };
}
