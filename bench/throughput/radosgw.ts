/**
 * A radosgw that holds the objects of a case, in a bucket that anybody may read and write: the bare loop signs nothing, and
 * so does what fills it, since the SDK would take longer than the bench.
 */
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { request } from 'undici';
import { clientFor, type S3Service, startS3 } from '../../test/kit/servers/s3.ts';
import { BUCKET, type Case, worldOf } from './cases.ts';
import { tasksOf } from './tasks.ts';

const WRITES_IN_FLIGHT = 32;

export async function startFilledRadosgw(one: Case): Promise<S3Service> {
  const server = await startS3({ prefer: 'real' });
  await makePublicBucket(server, BUCKET);
  const names = new Set<string>();
  for (const tasks of tasksOf(one, worldOf(one).state, 1n)) {
    for (const { reads } of tasks) for (const { name } of reads) names.add(name);
  }
  await fillBucket(server, BUCKET, { names: [...names], bytes: one.pieceBytes });
  return server;
}

/** A bucket that anybody may read and write. */
export async function makePublicBucket(server: S3Service, bucket: string): Promise<void> {
  await server.createBucket(bucket);
  const client = clientFor(server);
  const resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const statement = { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: resource };
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policy }));
  client.destroy();
}

/** Objects of the same size in a public bucket. */
export async function fillBucket(
  { endpoint }: S3Service,
  bucket: string,
  { names, bytes }: { readonly names: readonly string[]; readonly bytes: number },
): Promise<void> {
  const body = Buffer.alloc(bytes, 'piece of the bench ');
  await pLimit(WRITES_IN_FLIGHT).map(names, async (name) => {
    const answer = await request(`${endpoint}/${bucket}/${name}`, { method: 'PUT', body });
    if (answer.statusCode !== 200) throw new Error(`PUT ${name}: ${answer.statusCode} ${await answer.body.text()}`);
    await answer.body.dump();
  });
}
