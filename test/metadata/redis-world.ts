/**
 * The metadata world on Redis: the store under test on one connection, and a writer that follows docs/format.md to the letter
 * on another. The writer spells keys and records itself, so that an adapter that spells them wrongly is found out.
 */
import { Redis } from 'ioredis';
import { RedisMetadata } from '../../src/metadata/redis/redis.ts';
import type { InodeKey, S3ChunkInfo } from '../../src/model.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { uniquePrefix } from '../setup/isolation.ts';
import { FILESYSTEM, INODE, KEY, type MetadataWorld, versions } from './world.ts';

export interface RedisWorld extends MetadataWorld {
  readonly store: RedisMetadata;
  /** The writer's connection. */
  readonly redis: Redis;
  /** `prefix:{fs:inode}` and what follows. */
  keyOf(key: InodeKey, rest?: string | number): string;
}

export interface RedisWorldOptions {
  /** Where the store connects; default: where the writer does. */
  readonly storeUrl?: string;
  readonly timeoutMs?: number;
}

/** RPUSH takes its values as arguments; this many are sent at once. */
const PUSH_BATCH = 10_000;

/** A world with a key prefix of its own on the server at `url`. */
export async function redisWorld(url: string, options: RedisWorldOptions = {}): Promise<RedisWorld> {
  const prefix = uniquePrefix('meta');
  const timeout = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
  const store = new RedisMetadata({
    redis: connectRedis(options.storeUrl ?? url, { profile: 'metadata', ...timeout }),
    keyPrefix: prefix,
    ...timeout,
  });
  const redis = new Redis(url, { lazyConnect: true });
  // Some tests take the server away; what matters then is what the store says.
  redis.on('error', () => {});
  await redis.connect();
  const fsKey = (fsId: number) => `${prefix}:{${fsId}}`;
  const keyOf = (key: InodeKey, rest?: string | number) =>
    `${prefix}:{${key.fsId}:${key.inodeId}}${rest === undefined ? '' : `:${rest}`}`;
  const setField = async (redisKey: string, field: string, value: string | null) => {
    await (value === null ? redis.hdel(redisKey, field) : redis.hset(redisKey, field, value));
  };
  return {
    store,
    redis,
    keyOf,
    putFilesystem: async ({ fsId, lastChunkId = 0n, ...fields }) => {
      await redis.hset(fsKey(fsId), { ...fields, nextChunkId: lastChunkId.toString() });
    },
    putInode: async ({ key, ...fields }) => {
      await redis.del(keyOf(key));
      await redis.hset(keyOf(key), fields);
    },
    removeInode: async (key) => {
      await redis.del(keyOf(key));
    },
    setLength: (key, length) => setField(keyOf(key), 'length', String(length)),
    setLinks: (key, nlink) => setField(keyOf(key), 'nlink', String(nlink)),
    append: async (key, chunkIndex, versions) => {
      for (let n = 0; n < versions.length; n += PUSH_BATCH) {
        const records = versions.slice(n, n + PUSH_BATCH).map(recordOf);
        await redis
          .multi()
          .rpush(keyOf(key, chunkIndex), ...records)
          .sadd(keyOf(key, 'chunks'), chunkIndex)
          .exec();
      }
    },
    list: async (key, chunkIndex) => (await redis.lrange(keyOf(key, chunkIndex), 0, -1)).map(versionOf),
    damage: {
      filesystem: (fsId, field, value) => setField(fsKey(fsId), field, value),
      inode: (key, field, value) => setField(keyOf(key), field, value),
      record: async (key, chunkIndex, position, text) => {
        await redis.lset(keyOf(key, chunkIndex), position, Buffer.from(text, 'latin1'));
      },
      chunkIndex: async (key, text) => {
        await redis.sadd(keyOf(key, 'chunks'), text);
      },
    },
    close: async () => {
      redis.disconnect();
      await store.close();
    },
  };
}

/** What most tests start from: the file system, the inode, and six versions in chunk 3. */
export async function fillWorld(world: MetadataWorld): Promise<void> {
  await world.putFilesystem(FILESYSTEM);
  await world.putInode(INODE);
  await world.append(KEY, 3, versions(0, 6));
}

export function portOf(service: { readonly url: string }): number {
  return Number(new URL(service.url).port);
}

/** A client for a test's own commands, which may lose its server. */
export function quietRedis(url: string): Redis {
  const redis = new Redis(url);
  redis.on('error', () => {});
  return redis;
}

/** The record text of docs/format.md. */
export function recordOf(version: S3ChunkInfo): string {
  const { chunkId, compaction, offset, len, size, zero } = version;
  return [chunkId, compaction, offset, len, size, zero ? 1 : 0].join(',');
}

function versionOf(record: string): S3ChunkInfo {
  const [chunkId = '', compaction = '', offset, len, size, zero] = record.split(',');
  return {
    chunkId: BigInt(chunkId),
    compaction: BigInt(compaction),
    offset: Number(offset),
    len: Number(len),
    size: Number(size),
    zero: zero === '1',
  };
}
