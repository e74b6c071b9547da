/** A volume as it is, whole: every key with its value and every object with its hash, to see that nothing was changed. */
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import type { Redis } from 'ioredis';

export interface StoredName {
  readonly name: string;
  readonly bytes: number;
  readonly etag: string;
}

/** All keys of a database with their serialized values, and their time to live. */
export async function dumpKeys(redis: Redis): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const key of (await redis.keys('*')).toSorted()) {
    const [value, ttl] = await Promise.all([redis.dumpBuffer(key), redis.ttl(key)]);
    found[key] = `${value?.toString('base64')} ${ttl}`;
  }
  return found;
}

export async function listObjects(client: S3Client, bucket: string): Promise<readonly StoredName[]> {
  const found: StoredName[] = [];
  for (let after: string | undefined; ; ) {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, ...(after === undefined ? {} : { StartAfter: after }) }),
    );
    for (const { Key = '', Size = 0, ETag = '' } of page.Contents ?? [])
      found.push({ name: Key, bytes: Size, etag: ETag });
    if (page.IsTruncated !== true) return found;
    after = found.at(-1)?.name;
  }
}
