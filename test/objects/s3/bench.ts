/**
 * The contract's bench on a real S3 server: a fresh bucket, our store on it, and a plain SDK client that looks at it
 * from outside. It stands alone so that both servers' suites and the special cases share it.
 */
import { randomBytes } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Filesystem } from '../../../src/model.ts';
import { S3ObjectStores, type S3Settings } from '../../../src/objects/s3/stores.ts';
import { clientFor, createBucket } from '../../kit/servers/s3.ts';
import type { TestS3 } from '../../setup/provided.ts';
import type { StoreBench } from '../contract.ts';

/** A file system that keeps its data in `bucket`. */
export function filesystemOn(bucket: string): Filesystem {
  return { fsId: 2, uuid: 'test', name: 'test', bucket, blockSize: 16, chunkSize: 64, objectPrefix: 0 };
}

/** Our stores on a server, with its keys. */
export function openStores(server: TestS3, settings: S3Settings = {}): S3ObjectStores {
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  return new S3ObjectStores({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, ...settings });
}

/** An empty bucket of its own name and everything the contract needs around it. */
export async function s3Bench(
  server: TestS3,
  settings: S3Settings = {},
): Promise<StoreBench & { readonly bucket: string }> {
  const bucket = server.bucket ?? `objects-${randomBytes(6).toString('hex')}`;
  if (server.bucket === undefined) await createBucket(server, bucket);
  const stores = openStores(server, settings);
  // A server that was given by the environment is taken for a full one; s3rver's gaps are known (test/kit/servers/s3.ts).
  const full = server.kind !== 's3rver';
  const client = clientFor(server);
  return {
    bucket,
    store: stores.forFilesystem(filesystemOn(bucket)),
    bucketless: stores.forFilesystem(filesystemOn(`${bucket}-missing`)),
    features: { ifNoneMatch: full, emptyRange: full },
    write: async (name, bytes) => {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: bytes }));
    },
    read: async (name) => {
      const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
      return (await answer.Body?.transformToByteArray()) ?? new Uint8Array(0);
    },
    names: () => listNames(client, bucket),
    close: async () => {
      if (server.bucket !== undefined)
        for (const Key of await listNames(client, bucket))
          await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
      stores.close();
      client.destroy();
    },
  };
}

async function listNames(client: S3Client, bucket: string): Promise<readonly string[]> {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const page: ListObjectsV2CommandOutput = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, ...(token === undefined ? {} : { ContinuationToken: token }) }),
    );
    names.push(...(page.Contents ?? []).map((object) => object.Key ?? ''));
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return names.sort();
}
