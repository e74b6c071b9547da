/**
 * `s3compact doctor`: what it finds and how it ends, on Redis and on the stand-in cluster, with what is wrong made wrong
 * one thing at a time. The texts are compared whole, with addresses put aside.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { asking } from '../../src/cli/doctor-check.ts';
import { CompactError } from '../../src/errors.ts';
import { CurveCluster } from '../metadata/curvefs/cluster/cluster.ts';
import { ROOT_INODE } from '../metadata/curvefs/cluster/state.ts';
import { freshBucket } from '../setup/isolation.ts';
import { type Ending, MetadataFixture, runCli } from './fixture.ts';

const KEY_NAMES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];

/** Addresses and the names of buckets differ from run to run; what a bucket is set to is doctor-store.test.ts's. */
function plain(text: string, bucket: string): string {
  const lines = text.split('\n').filter((line) => !/^ {2}(?:versioning|object lock|lifecycle) /.test(line));
  return lines
    .join('\n')
    .replaceAll(bucket, 'BUCKET')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST:PORT');
}

interface JsonCheck {
  readonly check: string;
  readonly status: string;
  readonly found: string;
}

function checksOf(ending: Ending): { readonly fit: boolean; readonly checks: readonly JsonCheck[] } {
  return JSON.parse(ending.stdout);
}

it('each question is told before it is asked, and one that throws is a failed check', async () => {
  const told: string[] = [];
  const ask = asking((check) => told.push(check));
  const away = new CompactError('it is away', { kind: 'retry', code: 'queue-unavailable' });
  const found = await ask('queue', () => {
    expect(told).toEqual(['queue']);
    throw away;
  });
  expect(found).toEqual({ check: 'queue', status: 'failed', found: 'it is away', mayPass: true });
});

describe('doctor with Redis metadata', () => {
  let fixture: MetadataFixture;
  let bucket: string;
  let env: Record<string, string>;
  beforeEach(async () => {
    fixture = new MetadataFixture();
    bucket = await freshBucket('doctor');
    const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
    env = { AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: region };
    // The SDK reads its own names from the process.
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  });
  afterEach(() => fixture.close());

  it('finds a fit file system fit', async () => {
    await fixture.filesystem(1, { bucket, blockSize: 4_194_304, chunkSize: 67_108_864 });
    const { exitCode, stdout, stderr } = await fixture.cli(['doctor', '1'], env);
    expect(stderr).toBe('');
    expect(exitCode, stdout).toBe(0);
    expect(plain(stdout, bucket)).toMatchInlineSnapshot(`
      "file system 1 is fit for compaction
        queue        ok       the queue's Redis answers, is recent enough and throws no keys away
        metadata     ok       the metadata Redis answers, is recent enough and throws no keys away
        file system  ok       photos in bucket BUCKET: blocks of 4 MiB in chunks of 64 MiB
        bucket       ok       bucket BUCKET can be listed and is empty
        owner        ok       the objects in the bucket are nobody's yet; the first run claims them
      no file was read: "s3compact fsck 1" tells whether all can be
      "
    `);
  });

  it('warns of tiny blocks, and fails where there is no file system or no bucket', async () => {
    await fixture.filesystem(1, { bucket });
    const tiny = checksOf(await fixture.cli(['doctor', '1', '--json'], env));
    expect(tiny.fit).toBe(true);
    expect(tiny.checks.find(({ check }) => check === 'file system')).toMatchObject({ status: 'warning' });

    const none = await fixture.cli(['doctor', '7', '--json'], env);
    expect(none.exitCode).toBe(4);
    expect(checksOf(none).checks.map(({ status }) => status)).toEqual(['ok', 'ok', 'failed', 'unknown', 'unknown']);
    expect(checksOf(none).checks.at(3)?.found).toBe('not asked: no file system to ask about was found');

    await fixture.filesystem(2, { bucket: `${bucket}-that-nobody-made` });
    const lost = await fixture.cli(['doctor', '2', '--json'], env);
    expect(lost.exitCode).toBe(4);
    expect(checksOf(lost).checks.at(3)).toMatchObject({ check: 'bucket', status: 'failed' });
  });

  it('reports that the store wants the bucket in the host name', async () => {
    const text = '<Error><Code>SecondLevelDomainForbidden</Code><Message>use virtual hosted style</Message></Error>';
    const store = createServer((_, response) => response.writeHead(403, { 'content-type': 'text/xml' }).end(text));
    store.listen(0, '127.0.0.1');
    await once(store, 'listening');
    try {
      await fixture.filesystem(1, { bucket });
      const AWS_ENDPOINT_URL_S3 = `http://127.0.0.1:${(store.address() as AddressInfo).port}`;
      const ending = await fixture.cli(['doctor', '1', '--write', '--json'], { ...env, AWS_ENDPOINT_URL_S3 });
      expect(ending.exitCode).toBe(4);
      const found = expect.stringContaining('S3COMPACT_FORCE_PATH_STYLE=false');
      expect(checksOf(ending).checks.at(3)).toMatchObject({ check: 'bucket', status: 'failed', found });
    } finally {
      store.closeAllConnections();
      store.close();
    }
  });

  it('ends with 3 when servers are away', async () => {
    const away = { ...env, METADATA_URL: 'redis://127.0.0.1:9', S3COMPACT_REDIS_TIMEOUT: '300ms' };
    const ending = await fixture.cli(['doctor', '1', '--json'], away);
    expect(ending.exitCode).toBe(3);
    expect(checksOf(ending).checks.map(({ status }) => status)).toEqual([
      'ok',
      'failed',
      'failed',
      'unknown',
      'unknown',
    ]);
  });

  it('waits two seconds for a server that never answers, whatever the work would, and says what it did not ask', async () => {
    const silent = createTcpServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      const METADATA_URL = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const patient = { S3COMPACT_REDIS_TIMEOUT: '4m', S3COMPACT_LOCK_DURATION: '10m' };
      const { stdout } = await fixture.cli(['doctor', '1'], { ...env, METADATA_URL, ...patient });
      expect(stdout).toContain('not ready within 2000 ms');
      expect(stdout).toMatch(/owner +- +not asked: the metadata Redis did not answer\n/);
      expect(stdout).not.toContain('fsck');
    } finally {
      silent.close();
    }
  });
});

describe('doctor with CurveFS', () => {
  let cluster: CurveCluster;
  let bucket: string;
  let env: Record<string, string>;
  const kept = new Map<string, string | undefined>();
  beforeEach(async () => {
    cluster = await CurveCluster.start();
    bucket = await freshBucket('doctor');
    const { endpoint, accessKeyId, secretAccessKey, region } = inject('s3');
    cluster.addFilesystem({ fsId: 3, name: 'films', bucket, endpoint, accessKeyId, secretAccessKey });
    env = { REDIS_URL: inject('redisUrl'), METADATA_URL: cluster.url, AWS_REGION: region };
    // The keys are to come from the MDS.
    for (const name of KEY_NAMES) {
      kept.set(name, process.env[name]);
      delete process.env[name];
    }
  });
  afterEach(async () => {
    for (const [name, value] of kept) if (value !== undefined) process.env[name] = value;
    await cluster.close();
  });

  it('finds a fit cluster fit, with the keys of the MDS, and says how the built-in compactor is turned off', async () => {
    cluster.state.create(3, ROOT_INODE, 'film');
    const { exitCode, stdout, stderr } = await runCli(['doctor', '3'], env);
    expect(stderr).toBe('');
    expect(exitCode, stdout).toBe(0);
    expect(plain(stdout, bucket)).toMatchInlineSnapshot(`
      "file system 3 is fit for compaction
        queue               ok       the queue's Redis answers, is recent enough and throws no keys away
        mds                 ok       an MDS leads and knows 1 file system: 3 (films)
        file system         ok       films in bucket BUCKET: blocks of 4 MiB in chunks of 64 MiB
        metaservers         ok       3 metaservers keep 1 copyset, 1 with a known leader
        built-in compactor  ok       no trace of it in 1 file; whether it is on, no server tells
                                     it must be off: put s3compactwq.enable=False into metaserver.conf of every metaserver and restart them one after the other: the two compactors would give new objects the same names
        bucket              ok       bucket BUCKET at HOST:PORT can be listed and is empty
        owner               ok       the objects in the bucket are nobody's yet; the first run claims them
      no file was read: "s3compact fsck 3" tells whether all can be
      "
    `);
    expect(stdout + stderr).not.toContain(inject('s3').secretAccessKey);
  });

  it.each([
    ['ours was merged', 1n << 60n, 'ok'],
    ['ours was replaced by the built-in compactor', (1n << 60n) + 1n, 'warning'],
  ])('a list in which %s', async (_, compaction, status) => {
    const inodeId = cluster.state.create(3, ROOT_INODE, 'film');
    const version = { chunkId: 9n, compaction, offset: 0n, len: 10n, size: 10n, zero: false };
    cluster.state.tables.modify({ fsId: 3, inodeId }, { add: new Map([[0n, [version]]]), remove: new Map() });
    const { checks } = checksOf(await runCli(['doctor', '3', '--json'], env));
    expect(checks.find(({ check }) => check === 'built-in compactor')).toMatchObject({ status });
  });

  it('tells the traces of the built-in compactor, and a metaserver that is away', async () => {
    const inodeId = cluster.state.create(3, ROOT_INODE, 'film');
    const version = { chunkId: 9n, compaction: 2n, offset: 0n, len: 10n, size: 10n, zero: false };
    cluster.state.tables.modify({ fsId: 3, inodeId }, { add: new Map([[0n, [version]]]), remove: new Map() });
    await cluster.metaservers[2]?.stop();
    const ending = await runCli(['doctor', '3', '--json'], env);
    const { fit, checks } = checksOf(ending);
    expect(fit).toBe(true);
    expect(checks.find(({ check }) => check === 'metaservers')).toMatchObject({ status: 'warning' });
    expect(checks.find(({ check }) => check === 'built-in compactor')).toMatchObject({
      status: 'warning',
      found: expect.stringContaining('1 of 1 file looked at'),
    });
  });

  it('fails where a copyset has no leader, as something that may pass', async () => {
    cluster.copyset(1).leader = null;
    const ending = await runCli(['doctor', '3', '--json'], { ...env, S3COMPACT_REDIS_TIMEOUT: '1s' });
    expect(ending.exitCode).toBe(3);
    expect(checksOf(ending).checks.find(({ check }) => check === 'metaservers')).toMatchObject({ status: 'failed' });
  });

  it('says so where an MDS is none, and where a file system is not kept in S3', async () => {
    const http = createServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const address = http.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const wrong = await runCli(['doctor', '3', '--json'], { ...env, METADATA_URL: `curvefs://127.0.0.1:${port}` });
    http.close();
    expect(wrong.exitCode).toBe(4);
    expect(checksOf(wrong).checks[1]).toMatchObject({ check: 'mds', status: 'failed' });
    expect(checksOf(wrong).checks[1]?.found).toMatch(/is an HTTP server/);

    cluster.addFilesystem({ fsId: 4, fsType: 1 });
    const volume = await runCli(['doctor', '4', '--json'], env);
    expect(volume.exitCode).toBe(4);
    expect(checksOf(volume).checks[2]?.found).toMatch(/TYPE_VOLUME, not TYPE_S3/);
  });
});
