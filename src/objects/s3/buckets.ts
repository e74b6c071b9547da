/**
 * Making and removing a bucket, for `s3compact example` only: compaction works in buckets that are there. It stands alone
 * because the port of the stores has neither, so that nothing else can. A bucket that holds anything is never removed.
 */
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3';
import type { S3Connection } from './connection.ts';
import { errorFacts } from './errors.ts';

export async function createBucket(connection: S3Connection, bucket: string): Promise<void> {
  await connection.request({ doing: 'Making the bucket', bucket }, (sdk, abort) =>
    sdk.send(new CreateBucketCommand({ Bucket: bucket }), { abortSignal: abort }),
  );
}

/** `false`: it holds something, and is as it was. */
export async function removeEmptyBucket(connection: S3Connection, bucket: string): Promise<boolean> {
  return connection.request({ doing: 'Removing the bucket', bucket }, async (sdk, abort) => {
    try {
      await sdk.send(new DeleteBucketCommand({ Bucket: bucket }), { abortSignal: abort });
      return true;
    } catch (thrown) {
      const { name } = errorFacts(thrown);
      if (name === 'NoSuchBucket') return true;
      if (name === 'BucketNotEmpty') return false;
      throw thrown;
    }
  });
}
