/**
 * From settings to the metadata store. Apart from the other clients because `inspect`, `plan` and `fsck` need no more:
 * they must not wait for the S3 SDK and the queue to be loaded. It opens; it asks nothing.
 */
import type { Settings } from '../config/index.ts';
import type { MetadataStore } from '../metadata/port.ts';
import { RedisMetadata } from '../metadata/redis/redis.ts';
import { connectRedis } from '../redis/client.ts';
import { CURVEFS_SCHEME, parseCurvefsUrl } from '../urls/curvefs.ts';
import { replicasWanted } from './primaries.ts';

/** The metadata store that the settings name. */
export async function openMetadata(settings: Settings): Promise<MetadataStore> {
  if (settings.metadataUrl.startsWith(CURVEFS_SCHEME)) {
    const { CurvefsMetadata } = await import('../metadata/curvefs/curvefs.ts');
    return new CurvefsMetadata({
      mds: parseCurvefsUrl(settings.metadataUrl),
      timeoutMs: settings.redisTimeoutMs,
      ...(settings.s3Endpoint === undefined ? {} : { endpoint: settings.s3Endpoint }),
    });
  }
  const redis = connectRedis(settings.metadataUrl, { profile: 'metadata', timeoutMs: settings.redisTimeoutMs });
  return new RedisMetadata({
    ...{ redis, keyPrefix: settings.metadataPrefix, timeoutMs: settings.redisTimeoutMs },
    replicas: replicasWanted(settings.metadataReplicas),
  });
}
