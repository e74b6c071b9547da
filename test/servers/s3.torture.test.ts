/**
 * Both kinds of S3 server come up, answer what the adapter relies on, and leave nothing behind. What s3rver does
 * differently is pinned down here, so that the list in test/kit/servers/s3.ts stays true.
 */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { clientFor, missingCephPrograms, type S3Service, startS3 } from '../kit/servers/s3.ts';
import { startElsewhere } from './processes.ts';

const KINDS = missingCephPrograms().length === 0 ? (['real', 'embedded'] as const) : (['embedded'] as const);
const NOTHING = { files: [], processes: [] };
const BUCKET = 'bucket';

describe.each(KINDS)('%s S3', (prefer) => {
  let service: S3Service;
  let client: S3Client;
  beforeAll(async () => {
    service = await startS3({ prefer });
    client = clientFor(service);
    await service.createBucket(BUCKET);
    return async () => {
      client.destroy();
      await service.stop();
    };
  });

  const put = (key: string, text: string, more = {}) =>
    client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: Buffer.from(text), ...more }));
  const get = async (key: string, more = {}) => {
    const answer = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key, ...more }));
    return answer.Body?.transformToString();
  };

  test('says what it is', () => {
    expect(service.kind).toBe(prefer === 'real' ? 'radosgw' : 's3rver');
    expect(service.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(service.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  test('keeps objects, answers ranges, metadata and what is missing', async () => {
    await put('some/where/object', '0123456789', { Metadata: { crc32: '7' } });
    expect(await get('some/where/object')).toBe('0123456789');
    expect(await get('some/where/object', { Range: 'bytes=0-0' })).toBe('0');
    expect(await get('some/where/object', { Range: 'bytes=3-5' })).toBe('345');
    expect(await get('some/where/object', { Range: 'bytes=8-20' })).toBe('89');
    expect(await get('some/where/object', { Range: 'bytes=9-9' })).toBe('9');
    const head = await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'some/where/object' }));
    expect([head.ContentLength, head.Metadata]).toEqual([10, { crc32: '7' }]);
    await expect(get('some/where/object', { Range: 'bytes=10-11' })).rejects.toMatchObject({ name: 'InvalidRange' });
    await expect(get('missing')).rejects.toMatchObject({ name: 'NoSuchKey' });
    await expect(get('missing', { Bucket: 'no-such-bucket' })).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(put('x', 'x', { Bucket: 'no-such-bucket' })).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });

  test('deletes many at once while others are put into the same directory', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `shared/directory/${index}`);
    await Promise.all(names.map((name) => put(name, name)));
    const half = (odd: number) => names.filter((_, index) => index % 2 === odd);
    const remove = (keys: readonly string[]) =>
      client.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
    const [answer] = await Promise.all([remove(half(1)), put('shared/directory/new', 'new')]);
    expect(answer.Errors ?? []).toEqual([]);
    const listed = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: 'shared/' }));
    expect(listed.Contents?.map((entry) => entry.Key).toSorted()).toEqual(
      [...half(0), 'shared/directory/new'].toSorted(),
    );
    await Promise.all([remove(half(0)), put('shared/directory/last', 'last')]);
    expect(await get('shared/directory/last')).toBe('last');
  });

  test('lists page by page, in order', async () => {
    const names = Array.from({ length: 25 }, (_, index) => `page/${index * 7}_${index}`).toSorted();
    await Promise.all(names.map((name) => put(name, '')));
    const seen: (string | undefined)[] = [];
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: BUCKET, Prefix: 'page/', MaxKeys: 10, ContinuationToken: token }),
      );
      seen.push(...(page.Contents ?? []).map((entry) => entry.Key));
      token = page.NextContinuationToken;
    } while (token !== undefined && seen.length <= names.length);
    expect(seen).toEqual(names);
  });

  test('create-if-absent: the real one refuses a taken name, s3rver overwrites it', async () => {
    await put('taken', 'first');
    const second = put('taken', 'second', { IfNoneMatch: '*' });
    if (service.kind === 's3rver') await second;
    else await expect(second).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
    expect(await get('taken')).toBe(service.kind === 's3rver' ? 'second' : 'first');
  });

  test('credentials: an unknown key is refused; a wrong secret only by the real one', async () => {
    const send = async (access: Partial<S3Service>) => {
      const other = clientFor({ ...service, ...access });
      onTestFinished(() => other.destroy());
      return other.send(new ListObjectsV2Command({ Bucket: BUCKET, MaxKeys: 1 }));
    };
    await expect(send({ accessKeyId: 'nobody' })).rejects.toMatchObject({ name: 'InvalidAccessKeyId' });
    const wrongSecret = send({ secretAccessKey: 'wrong' });
    if (service.kind === 's3rver') await wrongSecret;
    else await expect(wrongSecret).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
  });
});

describe.each(KINDS)('starting %s S3', (prefer) => {
  test('two at once are two servers, and stopping one leaves the other', async () => {
    const [one, two] = await Promise.all([startS3({ prefer }), startS3({ prefer })]);
    onTestFinished(() => two.stop());
    await one.createBucket('only-here');
    const client = clientFor(two);
    onTestFinished(() => client.destroy());
    const list = (bucket: string) => client.send(new ListObjectsV2Command({ Bucket: bucket }));
    await expect(list('only-here')).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await one.stop();
    await one.stop();
    await two.createBucket('still-here');
    expect((await list('still-here')).KeyCount).toBe(0);
    await expect(one.createBucket('too-late')).rejects.toThrow();
  });

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('it is gone after its starter got %s', async (signal) => {
    const elsewhere = await startElsewhere('s3', prefer, true);
    expect(elsewhere.look().files).toHaveLength(1);
    await elsewhere.kill(signal);
    await vi.waitFor(() => expect(elsewhere.look()).toEqual(NOTHING), { timeout: 600_000 });
  });
});
