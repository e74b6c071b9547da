/**
 * What `s3compact doctor` finds about a bucket and, with --write, about the store: on the run's S3 server with the bucket
 * set as operators set theirs, and on a server of the test that refuses or lies about one thing at a time.
 */
import type { ServerResponse } from 'node:http';
import {
  CreateBucketCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { settingsChecks, writeChecks } from '../../src/cli/doctor-store.ts';
import type { BucketSettings, LifecycleRule, ObjectStore, StoreDiagnosis } from '../../src/objects/port.ts';
import { useFaultBench } from '../objects/fault-bench.ts';
import { type SeenRequest, sendDeleted, sendError, sendRange, sendStored } from '../objects/fault-server.ts';
import { filesystemOn } from '../objects/s3/bench.ts';
import { freshBucket, testS3Client, uniquePrefix } from '../setup/isolation.ts';
import { MetadataFixture } from './fixture.ts';

interface JsonCheck {
  readonly check: string;
  readonly status: string;
  readonly found: string;
  readonly advice?: string;
}

describe('on the S3 server of this run', () => {
  const client = testS3Client();
  let fixture: MetadataFixture;
  beforeEach(() => {
    fixture = new MetadataFixture();
    const { accessKeyId, secretAccessKey } = inject('s3');
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  });
  afterEach(() => fixture.close());

  async function doctor(
    bucket: string,
    ...args: string[]
  ): Promise<{ exitCode: number; of(check: string): JsonCheck }> {
    await fixture.filesystem(1, { bucket });
    const { endpoint, region } = inject('s3');
    const env = { AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: region };
    const ending = await fixture.cli(['doctor', '1', '--json', ...args], env);
    const { checks } = JSON.parse(ending.stdout) as { checks: JsonCheck[] };
    const of = (check: string): JsonCheck => {
      const found = checks.find((one) => one.check === check);
      if (found === undefined) throw new Error(`no check ${check} in ${ending.stdout}`);
      return found;
    };
    return { exitCode: ending.exitCode, of };
  }

  it('writes nothing without --write, and leaves nothing with it', async () => {
    const bucket = await freshBucket('doctor');
    const looked = await doctor(bucket);
    expect(() => looked.of('put')).toThrow('no check');
    const { exitCode, of } = await doctor(bucket, '--write');
    expect(exitCode).toBe(0);
    const sure = ['put', 'range', 'head', 'list', 'delete'];
    expect(sure.map((check) => of(check).status)).toEqual(sure.map(() => 'ok'));
    expect(of('condition').status).toBe(inject('s3').kind === 's3rver' ? 'warning' : 'ok');
    const left = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    expect(left.Contents ?? []).toEqual([]);
  });

  describe.runIf(inject('s3').kind === 'radosgw')('radosgw', () => {
    it('warns of versions that nothing takes, and not where a rule does', async () => {
      const bucket = await freshBucket('doctor');
      expect((await doctor(bucket)).of('versioning')).toMatchObject({ status: 'ok' });
      const VersioningConfiguration = { Status: 'Enabled' } as const;
      await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
      const { exitCode, of } = await doctor(bucket, '--write');
      expect(exitCode).toBe(0);
      expect(of('versioning')).toMatchObject({
        status: 'warning',
        advice: expect.stringContaining('NoncurrentVersionExpiration'),
      });
      expect(of('delete').status).toBe('ok');
      const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
      expect(Versions.length).toBeGreaterThan(0);
      const rule = { ID: 'old', Status: 'Enabled', Filter: { Prefix: '' } } as const;
      const LifecycleConfiguration = { Rules: [{ ...rule, NoncurrentVersionExpiration: { NoncurrentDays: 1 } }] };
      await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration }));
      const ruled = await doctor(bucket);
      expect(ruled.of('versioning').status).toBe('ok');
      expect(ruled.of('lifecycle').status).toBe('ok');
    });

    it.each([
      ['all names', '', 'Enabled', 'failed'],
      ['names of the file system', '1_', 'Enabled', 'failed'],
      ['other names', 'logs/', 'Enabled', 'ok'],
      ['all names, and is off', '', 'Disabled', 'ok'],
    ] as const)('a rule that deletes %s', async (_, Prefix, Status, status) => {
      const bucket = await freshBucket('doctor');
      const LifecycleConfiguration = { Rules: [{ ID: 'tidy', Status, Filter: { Prefix }, Expiration: { Days: 30 } }] };
      await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration }));
      const { exitCode, of } = await doctor(bucket);
      expect(of('lifecycle')).toMatchObject({ status });
      expect(exitCode).toBe(status === 'failed' ? 4 : 0);
    });

    it('tells a bucket that locks its objects from one that can', async () => {
      const bucket = uniquePrefix('doctor');
      await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
      expect((await doctor(bucket)).of('object lock').status).toBe('ok');
      const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } as const;
      const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule } as const;
      await client.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration }));
      const { of } = await doctor(bucket);
      expect(of('object lock')).toMatchObject({ status: 'warning' });
      expect(of('versioning')).toMatchObject({ status: 'warning' });
    });
  });
});

describe('what a bucket is set to', () => {
  const RULE: LifecycleRule = {
    id: 'tidy',
    prefix: '',
    tagged: false,
    expires: false,
    moves: false,
    expiresOldVersions: false,
  };
  const PLAIN: BucketSettings = { versioning: 'off', lock: 'off', lifecycle: [] };
  async function statusesOf(settings: Partial<BucketSettings>): Promise<readonly string[]> {
    const diagnosis = { settings: async () => ({ ...PLAIN, ...settings }) } as unknown as StoreDiagnosis;
    const store = { diagnosis: () => diagnosis } as unknown as ObjectStore;
    return (await settingsChecks(filesystemOn('bkt'), store)).map(({ status }) => status);
  }

  it.each([
    ['nothing', {}, ['ok', 'ok', 'ok']],
    [
      'what the store does not say',
      { versioning: 'unknown', lock: 'unknown', lifecycle: 'unknown' },
      ['unknown', 'unknown', 'unknown'],
    ],
    ['versions', { versioning: 'on' }, ['warning', 'ok', 'ok']],
    ['versions that were kept once', { versioning: 'suspended' }, ['warning', 'ok', 'ok']],
    [
      'versions, and it is not known whether a rule takes them',
      { versioning: 'on', lifecycle: 'unknown' },
      ['warning', 'ok', 'unknown'],
    ],
    [
      'versions that a rule takes',
      { versioning: 'on', lifecycle: [{ ...RULE, expiresOldVersions: true }] },
      ['ok', 'ok', 'ok'],
    ],
    ['locks for each new object', { versioning: 'on', lock: 'retains' }, ['warning', 'warning', 'ok']],
  ] as const)('%s', async (_, settings, expected) => {
    expect(await statusesOf(settings)).toEqual(expected);
  });

  it.each([
    ['all names', { prefix: '', expires: true }, 'failed'],
    ['names of the file system', { prefix: '2', expires: true }, 'failed'],
    ['its names in folders', { prefix: '2/', expires: true }, 'failed'],
    ['some of its inodes', { prefix: '2_77', expires: true }, 'failed'],
    ['the name of its owner', { prefix: 's3compact-owner-', expires: true }, 'failed'],
    ['its holds', { prefix: 's3compact-owner-2_hold-', expires: true }, 'failed'],
    ["another's holds", { prefix: 's3compact-owner-21_hold-', expires: true }, 'ok'],
    ["another file system's", { prefix: '21_', expires: true }, 'ok'],
    ["another owner's name", { prefix: 's3compact-owner-7', expires: true }, 'ok'],
    ['objects with tags', { prefix: '', tagged: true, expires: true }, 'ok'],
    ['names of the file system, to another class', { prefix: '2_', moves: true }, 'warning'],
  ] as const)('a rule for %s', async (_, rule, expected) => {
    expect((await statusesOf({ lifecycle: [{ ...RULE, ...rule }] })).at(-1)).toBe(expected);
  });
});

describe('on a store that differs in one thing', () => {
  const bench = useFaultBench();

  /** Keeps what is put, unless the test answers first. */
  function play(first: (seen: SeenRequest, names: Map<string, Buffer>) => [number, string] | undefined): void {
    const kept = new Map<string, Buffer>();
    bench().server.answer((request, response) => {
      const name = decodeURIComponent(new URL(request.url, 'http://x').pathname.split('/').slice(2).join('/'));
      const refused = first(request, kept);
      const body = kept.get(name);
      if (refused !== undefined) return sendError(response, ...refused);
      if (request.method === 'PUT') {
        if (body !== undefined && request.headers['if-none-match'] === '*')
          return sendError(response, 412, 'PreconditionFailed');
        kept.set(name, request.body);
        return sendStored(response);
      }
      if (request.method === 'POST') {
        for (const [, key = ''] of request.body.toString().matchAll(/<Key>(.*?)<\/Key>/g)) kept.delete(key);
        return sendDeleted(request, response);
      }
      if (request.method === 'DELETE') {
        kept.delete(name);
        return response.writeHead(204).end();
      }
      if (name === '') return sendListing(request, response, kept);
      if (body === undefined) return sendError(response, 404, 'NoSuchKey');
      if (request.method === 'HEAD')
        return response.writeHead(200, { etag: '"e"', 'content-length': body.length }).end();
      return sendRange(request, response, body);
    });
  }
  function sendListing(request: SeenRequest, response: ServerResponse, kept: ReadonlyMap<string, Buffer>): void {
    const after = new URL(request.url, 'http://x').searchParams.get('start-after') ?? '';
    const names = [...kept.keys()].filter((name) => name > after).sort();
    const entries = names.map(
      (name) =>
        `<Contents><Key>${name}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`,
    );
    const text = `<ListBucketResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListBucketResult>`;
    response.writeHead(200, { 'content-type': 'application/xml' }).end(text);
  }
  const statuses = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await writeChecks(bench().open())).map(({ check, status }) => [check, status]));
  const fine = { put: 'ok', condition: 'ok', range: 'ok', list: 'ok', delete: 'ok' };

  it('one that keeps no metadata and compares no checksum', async () => {
    play(() => undefined);
    expect(await statuses()).toEqual({ ...fine, head: 'warning', checksum: 'warning', forms: 'ok' });
  });

  it('one that ignores the condition', async () => {
    play((seen) => {
      delete seen.headers['if-none-match'];
      return undefined;
    });
    expect(await statuses()).toMatchObject({ ...fine, condition: 'warning' });
  });

  it('one that refuses the condition', async () => {
    play((seen) => (seen.headers['if-none-match'] === undefined ? undefined : [501, 'NotImplemented']));
    expect(await statuses()).toMatchObject({ ...fine, condition: 'warning', forms: 'warning' });
  });

  it('one that refuses checksum headers, and one that refuses batch deletes', async () => {
    play((seen) => (seen.headers['x-amz-checksum-crc32'] === undefined ? undefined : [501, 'NotImplemented']));
    expect(await statuses()).toMatchObject({ ...fine, checksum: 'ok', forms: 'warning' });
    play((seen) => (seen.method === 'POST' ? [501, 'NotImplemented'] : undefined));
    expect(await statuses()).toMatchObject({ ...fine, forms: 'warning' });
  });

  it('one that lists from the beginning, whatever it is asked', async () => {
    play((seen) => {
      Object.assign(seen, { url: seen.url.replace(/start-after=[^&]*/, '') });
      return undefined;
    });
    expect(await statuses()).toMatchObject({ range: 'ok', list: 'failed' });
  });

  it('one that does not list what was written', async () => {
    play((seen, kept) => {
      const isListing = seen.url.includes('list-type=2');
      if (isListing) Object.assign(kept, { keys: () => [][Symbol.iterator]() });
      return undefined;
    });
    expect(await statuses()).toMatchObject({ range: 'ok', list: 'failed' });
  });

  it('one that gives other bytes', async () => {
    play((seen, kept) => {
      if (seen.method === 'GET') for (const body of kept.values()) body.fill(0);
      return undefined;
    });
    expect(await statuses()).toEqual({ put: 'ok', condition: 'ok', range: 'failed' });
  });

  it('one that says that it deleted, and did not', async () => {
    play((_, kept) => {
      kept.delete = () => false;
      return undefined;
    });
    expect(await statuses()).toMatchObject({ ...fine, delete: 'failed' });
  });

  it('what it wrote is deleted whatever failed', async () => {
    let names: Map<string, Buffer> | undefined;
    play((seen, kept) => {
      names = kept;
      return seen.method === 'HEAD' ? [403, 'AccessDenied'] : undefined;
    });
    expect(await statuses()).toEqual({ put: 'ok', condition: 'ok', range: 'ok', head: 'failed' });
    expect(names?.size).toBe(0);
  });

  it('one whose keys may not delete: the names are given to whoever has to', async () => {
    play(({ method }) => (method === 'POST' || method === 'DELETE' ? [403, 'AccessDenied'] : undefined));
    const checks = await writeChecks(bench().open());
    expect(checks.some(({ status }) => status === 'failed')).toBe(true);
    expect(checks.at(-1)).toMatchObject({
      check: 'left',
      advice: expect.stringMatching(/s3compact-doctor-[0-9a-f]{16}/),
    });
  });

  it('answers to other questions are no answers', async () => {
    bench().server.answer((_, response) => response.writeHead(200).end('<ListBucketResult></ListBucketResult>'));
    const settings = await bench().open().diagnosis?.()?.settings();
    expect(settings).toEqual({ versioning: 'unknown', lock: 'unknown', lifecycle: 'unknown' });
  });
});
