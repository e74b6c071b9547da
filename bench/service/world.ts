/**
 * The file system of the service bench: many files of small pieces, the same in each bucket but for the bucket's name, in
 * Redis by raw commands and in a public bucket. It makes files and judges nothing.
 */
import type { Redis } from 'ioredis';
import { objectName } from '../../src/format.ts';
import type { S3Service } from '../../test/kit/servers/s3.ts';
import { fillBucket, makePublicBucket } from '../throughput/radosgw.ts';

export const FS_ID = 1;
export const PIECES = 12;
const PIECE_BYTES = 4 * 1024;
const MIB = 1024 * 1024;
/** Redis is sent so many inodes at a time. */
const INODES_AT_ONCE = 1_000;

/** `bucket` names everything: it is the prefix of the metadata, too. */
export async function makeWorld(redis: Redis, server: S3Service, bucket: string, inodes: number): Promise<void> {
  const names: string[] = [];
  let batch = redis.pipeline();
  const fields = { name: bucket, uuid: bucket, bucket, blockSize: 4 * MIB, chunkSize: 64 * MIB, objectPrefix: 0 };
  batch.hset(`${bucket}:{${FS_ID}}`, { ...fields, nextChunkId: inodes * PIECES });
  let chunkId = 0;
  for (let inode = 1; inode <= inodes; inode++) {
    const key = `${bucket}:{${FS_ID}:${inode}}`;
    const records: string[] = [];
    for (let n = 0; n < PIECES; n++) {
      chunkId++;
      records.push(`${chunkId},0,${n * PIECE_BYTES},${PIECE_BYTES},${PIECE_BYTES},0`);
      const object = { chunkId: BigInt(chunkId), compaction: 0n, blockIndex: 0 };
      names.push(objectName({ fsId: FS_ID, inodeId: BigInt(inode) }, object, 0));
    }
    batch.hset(key, { length: PIECES * PIECE_BYTES, nlink: 1, mtimeMs: 1, type: 's3' });
    batch.sadd(`${key}:chunks`, 0).rpush(`${key}:0`, ...records);
    if (inode % INODES_AT_ONCE > 0) continue;
    await batch.exec();
    batch = redis.pipeline();
  }
  await batch.exec();
  await makePublicBucket(server, bucket);
  await fillBucket(server, bucket, { names, bytes: PIECE_BYTES });
}
