/**
 * Makes a file system in your Redis and writes a file into your bucket as a client does: objects first, then versions.
 * In a checkout: `REDIS_URL=… AWS_ENDPOINT_URL_S3=… node examples/write-a-file.ts BUCKET 7 4711`. The bucket must be there,
 * the file system must not. The format is described in docs/format.md.
 */
import { randomUUID } from 'node:crypto';
import { connectRedis, FsWriter, S3ObjectStores, storesWithRetries, systemClock } from '../src/index.ts';

const [bucket = '', fsId = '', inodeId = ''] = process.argv.slice(2);
const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const redis = connectRedis(url, { profile: 'metadata', timeoutMs: 10_000 });
const endpoint = process.env['AWS_ENDPOINT_URL_S3'];
const stores = new S3ObjectStores(endpoint === undefined ? {} : { endpoint });
const files = new FsWriter({ redis, objects: storesWithRetries(stores, { clock: systemClock }) });
try {
  const key = { fsId: Number(fsId), inodeId: BigInt(inodeId) };
  await files.createFilesystem(key.fsId, { name: 'mine', bucket, uuid: randomUUID() });
  await files.createInode(key);
  // A line at a time, as a log grows: a version and an object each.
  for (let n = 0; n < 10; n++) await files.write(key, n * 16, Buffer.from(`line ${n}`.padEnd(15).concat('\n')));
  console.log(`wrote 10 lines to inode ${inodeId} of file system ${fsId}; now: s3compact inspect ${fsId} ${inodeId}`);
} finally {
  stores.close();
  redis.disconnect();
}
