/**
 * What lets test files share one Redis and one S3 server and still run side by side: names that nobody else has.
 * It must not clean up: the servers are thrown away after the run.
 */
import { randomBytes } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { inject } from 'vitest';
import { clientFor, createBucket } from '../kit/servers/s3.ts';
import type {} from './provided.ts';

/** Bucket names have at most 63 characters; the rest is for the random part. */
const NAME_CHARS_MAX = 40;
/** 48 random bits: no two of the few thousand names of a run are ever equal. */
const RANDOM_BYTES = 6;

/**
 * A name that nobody else uses, for Redis key prefixes and BullMQ prefixes: `a-z`, `0-9` and `-` only (BullMQ and our
 * key format give meaning to `:` and braces), at most 54 characters, starting with `name`.
 */
export function uniquePrefix(name: string): string {
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, NAME_CHARS_MAX);
  return `t-${readable}-${randomBytes(RANDOM_BYTES).toString('hex')}`;
}

/** Creates an empty bucket that nobody else uses and returns its name. */
export async function freshBucket(name: string): Promise<string> {
  const bucket = uniquePrefix(name);
  await createBucket(inject('s3'), bucket);
  return bucket;
}

/** An SDK client for the run's S3 server; the caller destroys it. */
export function testS3Client(): S3Client {
  return clientFor(inject('s3'));
}
