/**
 * Starts one Redis and one S3 server before the first test and says, at the start and at the end, which they were:
 * a green run against embedded servers proves less than one against real ones. It must know no test.
 *
 * Environment:
 * - S3COMPACT_REQUIRE_REAL=1: fail when redis-server or radosgw is not installed, instead of using the embedded ones;
 * - S3COMPACT_TEST_EMBEDDED=1: use the embedded ones, whatever is installed;
 * - S3COMPACT_TEST_REDIS_URL: use this Redis (tests keep to key prefixes of their own);
 * - S3COMPACT_TEST_S3_ENDPOINT: use this S3 server, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION
 *   (tests create buckets);
 * - S3COMPACT_TEST_S3_BUCKET: the contract's bucket there, empty before and after (npm run try-store).
 */
import type { TestProject } from 'vitest/node';
import { juicefsVersion } from '../kit/servers/juicefs.ts';
import { findRedis, redisVersion, type StartRedisOptions, startRedis } from '../kit/servers/redis.ts';
import { missingCephPrograms, type StartS3Options, startS3 } from '../kit/servers/s3.ts';
import type { TestRedisKind, TestS3 } from './provided.ts';

interface UsedRedis {
  readonly url: string;
  readonly kind: TestRedisKind;
  readonly version: string;
  stop(): Promise<void>;
}

interface UsedS3 extends TestS3 {
  readonly version: string;
  stop(): Promise<void>;
}

type Wanted = Pick<StartRedisOptions, 'prefer'> & Pick<StartS3Options, 'prefer'>;

const nothingToStop = async (): Promise<void> => {};

/** Vitest calls this once, before any test file; what it returns is called once, after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [redis, s3] = await startBoth(wanted());
  const juicefs = juicefsVersion() ?? 'none, its tests are skipped';
  const line = `services: Redis = ${redis.kind} ${redis.version}, S3 = ${s3.kind} ${s3.version}, JuiceFS = ${juicefs}`;
  console.log(line);
  project.provide('redisUrl', redis.url);
  project.provide('redisKind', redis.kind);
  const { endpoint, region, accessKeyId, secretAccessKey, kind, bucket } = s3;
  const own = bucket === undefined ? {} : { bucket };
  project.provide('s3', { endpoint, region, accessKeyId, secretAccessKey, kind, ...own });
  return async () => {
    await Promise.all([redis.stop(), s3.stop()]);
    console.log(line);
  };
}

/** What the environment asks for; unset takes real servers where they are installed. */
function wanted(): Wanted {
  const requireReal = process.env['S3COMPACT_REQUIRE_REAL'] === '1';
  const embedded = process.env['S3COMPACT_TEST_EMBEDDED'] === '1';
  if (requireReal && embedded) throw new Error('S3COMPACT_REQUIRE_REAL and S3COMPACT_TEST_EMBEDDED exclude each other');
  if (requireReal) refuseEmbedded();
  if (requireReal) return { prefer: 'real' };
  return embedded ? { prefer: 'embedded' } : {};
}

/** @throws Error that names everything that is missing, before anything is started. */
function refuseEmbedded(): void {
  const missing = [];
  if (process.env['S3COMPACT_TEST_REDIS_URL'] === undefined && findRedis() === undefined) missing.push('redis-server');
  if (process.env['S3COMPACT_TEST_S3_ENDPOINT'] === undefined) missing.push(...missingCephPrograms());
  if (missing.length === 0) return;
  throw new Error(
    `S3COMPACT_REQUIRE_REAL=1, but not on PATH: ${missing.join(', ')}. Run scripts/install-services.sh, or unset it.`,
  );
}

/** Both or none: when one fails, the other is stopped. */
async function startBoth(options: Wanted): Promise<readonly [UsedRedis, UsedS3]> {
  const starts = [useRedis(options), useS3(options)] as const;
  const results = await Promise.allSettled(starts);
  const failures = results.filter((result) => result.status === 'rejected');
  if (failures.length === 0) return Promise.all(starts);
  await Promise.all(results.map((result) => (result.status === 'fulfilled' ? result.value.stop() : undefined)));
  throw failures[0]?.reason;
}

async function useRedis(options: Wanted): Promise<UsedRedis> {
  const url = process.env['S3COMPACT_TEST_REDIS_URL'];
  if (url === undefined) return startRedis(options);
  return { url, kind: 'given', version: await redisVersion(url), stop: nothingToStop };
}

async function useS3(options: Wanted): Promise<UsedS3> {
  const endpoint = process.env['S3COMPACT_TEST_S3_ENDPOINT'];
  if (endpoint === undefined) return startS3(options);
  const bucket = process.env['S3COMPACT_TEST_S3_BUCKET'];
  return {
    ...(bucket === undefined ? {} : { bucket }),
    endpoint,
    kind: 'given',
    version: `at ${endpoint}`,
    region: process.env['AWS_REGION'] ?? 'us-east-1',
    accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    stop: nothingToStop,
  };
}
