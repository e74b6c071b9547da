/**
 * Sizes and periods of a soak: periods as short as the relations between settings allow (each process checks them at its
 * start), so that what dead processes leave is reaped while one waits. Nothing here is chosen by chance.
 */
import type { S3Access } from '../kit/servers/s3.ts';

export interface Pace {
  readonly leaseMs: number;
  readonly graceMs: number;
  /** One try of a request to S3 or Redis. */
  readonly timeoutMs: number;
  readonly runMs: number;
}

/** For minutes on a busy machine. */
export const LONG: Pace = { leaseMs: 25_000, graceMs: 8_000, timeoutMs: 4_000, runMs: 3_000 };
/** For the form in the test suite. */
export const SHORT: Pace = { leaseMs: 4_500, graceMs: 1_000, timeoutMs: 700, runMs: 500 };

export interface Place {
  readonly redisUrl: string;
  readonly s3: S3Access;
  readonly bucket: string;
  readonly metadataPrefix: string;
  readonly queuePrefix: string;
}

/** The environment of workers and commands. */
export function soakEnv(place: Place, pace: Pace): Record<string, string> {
  const { s3 } = place;
  return {
    REDIS_URL: place.redisUrl,
    METADATA_PREFIX: place.metadataPrefix,
    QUEUE_PREFIX: place.queuePrefix,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    S3COMPACT_FRAGMENT_THRESHOLD: '6',
    S3COMPACT_MAX_SECONDS: `${pace.runMs}ms`,
    S3COMPACT_S3_TIMEOUT: `${pace.timeoutMs}ms`,
    S3COMPACT_S3_PATIENCE: '1s',
    S3COMPACT_REDIS_TIMEOUT: `${pace.timeoutMs}ms`,
    S3COMPACT_LOCK_DURATION: `${2 * pace.timeoutMs + 500}ms`,
    S3COMPACT_RETRY_DELAY: '300ms',
    S3COMPACT_LEASE: `${pace.leaseMs}ms`,
    S3COMPACT_GRACE: `${pace.graceMs}ms`,
    S3COMPACT_GC_MIN_AGE: `${pace.leaseMs + pace.graceMs + 1}ms`,
    S3COMPACT_READER_CACHE_LIFE: `${pace.graceMs - 1}ms`,
    S3COMPACT_SHUTDOWN_GRACE: '5s',
    S3COMPACT_CONCURRENCY: '4',
    S3COMPACT_REAP_CONCURRENCY: '8',
    S3COMPACT_LOG_LEVEL: 'info',
  };
}
