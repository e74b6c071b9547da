/**
 * The Redis servers that decide what is deleted: are they fit, and are they still the primaries? Both are asked at start
 * and again before each delete. Apart from the clients because the answer must come by connections of its own, from the
 * server that the work talks to. It deletes nothing; what it cannot find out it throws as doubt (I10).
 */
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import type { MetadataStore } from '../metadata/port.ts';
import { LOG_EVENTS, type Logger } from '../observe/log.ts';
import type { DeleteGuard } from '../reap/delete-guard.ts';
import { checkRedisFit, connectRedis, type FitOptions } from '../redis/client.ts';
import type { RedisClient } from '../redis/link.ts';
import { PrimaryCheck, type ReplicasWanted, serverOfKey } from '../redis/primary.ts';
import { CURVEFS_SCHEME } from '../urls/curvefs.ts';
import type { RedisTarget } from '../urls/redis.ts';

export interface Primaries {
  /** Throws `metadata-refused` (halt) for a metadata Redis that is not fit; one that is away for so long is checked before a delete. */
  start(waitMs: number): Promise<void>;
  readonly guard: DeleteGuard;
  close(): void;
}

/** `auto` or a number, as the settings have it. */
export function replicasWanted(text: string): ReplicasWanted {
  return text === 'auto' ? text : Number(text);
}

/** Whether the Redis at this URL is fit; see checkRedisFit. */
export async function checkRedisUrl(url: string | RedisTarget, options: FitOptions): Promise<readonly string[]> {
  const { timeoutMs } = options;
  const redis = connectRedis(url, { profile: 'producer', timeoutMs });
  try {
    return await checkRedisFit(redis, options);
  } finally {
    redis.disconnect();
  }
}

export function openPrimaries(
  settings: Settings,
  {
    connection,
    metadata,
    log,
  }: { readonly connection: RedisClient; readonly metadata: MetadataStore; readonly log: Logger },
): Primaries {
  const { redisUrl, metadataUrl, redisTimeoutMs: timeoutMs, graceMs } = settings;
  const queue = new PrimaryCheck({
    name: "queue's",
    setting: 'REDIS_REPLICAS',
    code: 'queue-unavailable',
    timeoutMs,
    connect: () => connectRedis(redisUrl, { profile: 'metadata', timeoutMs }),
    replicas: replicasWanted(settings.redisReplicas),
  });
  const queueKey = `${settings.queuePrefix}:confirm`;
  // The queue's own Redis has been checked when it was opened.
  let fit = metadataUrl === redisUrl || metadataUrl.startsWith(CURVEFS_SCHEME);
  const checkMetadata = async (waitMs: number): Promise<void> => {
    if (fit) return;
    for (const warning of await checkRedisUrl(metadataUrl, { name: 'metadata', timeoutMs: waitMs, graceMs })) {
      log.info({ event: LOG_EVENTS.redisUnguarded }, `the metadata Redis ${warning}`);
    }
    fit = true;
  };
  return {
    start: async (waitMs) => {
      await checkMetadata(waitMs).catch((error: unknown) => {
        if (!(error instanceof CompactError) || error.kind !== 'retry') throw error;
      });
    },
    guard: async ({ looks }) => {
      await checkMetadata(timeoutMs);
      await metadata.confirmPrimary(looks);
      // What was asked of the queue (holds, records, its clock) counts if it came from the primary.
      const server = await queue.confirm(queueKey);
      if ((await serverOfKey(connection, queueKey)) === server) return;
      throw new CompactError("the queue's Redis became another one meanwhile; nothing was deleted", {
        kind: 'retry',
        code: 'queue-unavailable',
      });
    },
    close: () => queue.close(),
  };
}
