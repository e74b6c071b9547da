/**
 * From settings to the metadata store. Apart from the other clients because `inspect`, `plan` and `fsck` need no more:
 * they must not wait for the S3 SDK and the queue to be loaded. It opens, and asks at most whether somebody is there.
 */
import { endsWithin } from '../clock.ts';
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import type { MetadataStore } from '../metadata/port.ts';
import { RedisMetadata } from '../metadata/redis/redis.ts';
import { redactUrl } from '../redact.ts';
import { connectRedis } from '../redis/client.ts';
import { CURVEFS_SCHEME, parseCurvefsUrl } from '../urls/curvefs.ts';
import { parseRedisUrl } from '../urls/redis.ts';
import { replicasWanted } from './primaries.ts';

/** The metadata store that the settings name. */
export async function openMetadata(settings: Settings): Promise<MetadataStore> {
  if (settings.metadataUrl.startsWith(CURVEFS_SCHEME)) {
    const { CurvefsMetadata } = await import('../metadata/curvefs/curvefs.ts');
    return new CurvefsMetadata({
      mds: parseCurvefsUrl(settings.metadataUrl),
      timeoutMs: settings.redisTimeoutMs,
      endpoint: settings.s3Endpoint,
    });
  }
  const redis = connectRedis(settings.metadataUrl, { profile: 'metadata', timeoutMs: settings.redisTimeoutMs });
  return new RedisMetadata({
    redis,
    keyPrefix: settings.metadataPrefix,
    timeoutMs: settings.redisTimeoutMs,
    replicas: replicasWanted(settings.metadataReplicas),
  });
}

/** One small question, so that nobody waits for a long one; what it comes to is found out by the work. */
export async function requireAnswer(metadata: MetadataStore, url: string, waitMs: number): Promise<void> {
  const asked = metadata.getFilesystem(0).catch(() => undefined);
  if (await endsWithin(asked, waitMs)) return;
  throw new CompactError(
    `the metadata store at ${redactUrl(url)} did not answer within ${waitMs / 1000} s; check METADATA_URL and the server`,
    { kind: 'retry', code: 'metadata-unavailable' },
  );
}

interface MetadataAddresses {
  /** `host:port`, of Redis with the database (and of Sentinels with the master's name). */
  readonly addresses: readonly string[];
  /** Of Redis. */
  readonly database?: number;
}

/** Where the metadata is asked for, in one spelling and without passwords: what tells a copy that is served from another place (docs/adr/0019). */
export function metadataAddresses(url: string): MetadataAddresses {
  if (url.startsWith(CURVEFS_SCHEME)) {
    return { addresses: parseCurvefsUrl(url).map(({ host, port }) => `${host.toLowerCase()}:${port}`) };
  }
  const { nodes, db, masterName } = parseRedisUrl(url);
  const master = masterName === undefined ? '' : `/${masterName}`;
  return { addresses: nodes.map(({ host, port }) => `${host.toLowerCase()}:${port}${master}/${db}`), database: db };
}
