/**
 * A file system of mixed shape in Redis, written with raw commands: most files whole, some with a few versions, one in ten
 * fragmented beyond the threshold. The same for the same number of inodes.
 */
import type { Redis } from 'ioredis';

export const PREFIX = 'bench';
export const FS_ID = 1;
const BLOCK = 4 * 1024 * 1024;
const CHUNK = 16 * BLOCK;
const BATCH = 2_000;

/** Versions of the one chunk of inode `n`: 70 in 100 have one, 20 a few, 10 more than the threshold. */
export function versionsOf(n: number): number {
  const kind = (n * 7919) % 100;
  if (kind < 70) return 1;
  return kind < 90 ? 2 + (n % 9) : 21 + (n % 40);
}

export async function fill(redis: Redis, inodes: number): Promise<void> {
  await redis.hset(`${PREFIX}:{${FS_ID}}`, {
    name: 'bench',
    uuid: 'bench',
    bucket: 'bench',
    blockSize: BLOCK,
    chunkSize: CHUNK,
    objectPrefix: 0,
    nextChunkId: 100_000_000,
  });
  for (let from = 0; from < inodes; from += BATCH) {
    const batch = redis.pipeline();
    for (let n = from; n < Math.min(inodes, from + BATCH); n++) {
      const key = `${PREFIX}:{${FS_ID}:${n + 1}}`;
      const versions = versionsOf(n);
      const len = Math.floor(CHUNK / 2 / versions);
      batch.hset(key, { length: len * versions, nlink: 1, mtimeMs: 1_700_000_000_000, type: 's3' });
      batch.sadd(`${key}:chunks`, 0);
      batch.rpush(
        `${key}:0`,
        ...Array.from({ length: versions }, (_, v) => `${n * 64 + v + 1},0,${v * len},${len},${len},0`),
      );
    }
    await batch.exec();
  }
}
