/**
 * An S3 server for tests and the demo, on a free loopback port: Ceph's radosgw where it is installed, else s3rver.
 * It stands alone so that everyone gets the same settings and the same clean-up. It must not be used by src/ or
 * workers/: they are given an endpoint.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePorts } from './free-port.ts';
import { findProgram, type GuardedProcess, spawnGuarded, withAttempts } from './guarded.ts';

/**
 * Which server it is. What s3rver does differently from S3 (tests that need the real answer look at this):
 * - ignores `If-None-Match` on PUT: an existing object is overwritten;
 * - checks no signature (an unknown access key is refused, a wrong secret is not) and no checksum, and forgets the
 *   `x-amz-checksum-*` headers (`x-amz-meta-*` are kept);
 * - PUT is not atomic: who reads meanwhile may get the old bytes cut short, or new bytes with old metadata;
 * - does not understand `aws-chunked` bodies (what the SDK makes of streams): send plain ones;
 * - a suffix range (`bytes=-N`) or a list of ranges is misread; `bytes=A-B`, `bytes=A-` and 416 are right;
 * - lists by walking the whole bucket for every page: fine for thousands of objects, not for a million.
 */
export type S3Kind = 'radosgw' | 's3rver';

/** How to reach a server: everything a client needs. */
export interface S3Access {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3Service extends S3Access {
  readonly kind: S3Kind;
  /** The server's own version, e.g. `16.2.15`. */
  readonly version: string;
  createBucket(name: string): Promise<void>;
  /** Kills the server and removes its data; safe to call twice. */
  stop(): Promise<void>;
}

export interface StartS3Options {
  /** `real` fails where radosgw is not installed; unset takes it if it is. */
  readonly prefer?: 'real' | 'embedded';
}

/** What the cluster needs; all of it comes with the packages that scripts/install-services.sh installs. */
const CEPH_PROGRAMS = ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd', 'ceph', 'monmaptool', 'bash'] as const;
const CEPH_SCRIPT = fileURLToPath(new URL('radosgw/up.sh', import.meta.url));
const S3RVER_PROGRAM = fileURLToPath(new URL('s3rver-server.ts', import.meta.url));
/** The only account that s3rver knows. */
const S3RVER_KEY = 'S3RVER';
const S3RVER_VERSION = '4.0.4';
/** Both servers take any region; this one is also the SDK's customary default. */
const REGION = 'us-east-1';
/** The cluster needs about 3 s when the machine is idle, ten times that when everything starts at once. */
const CEPH_DEADLINE_MS = 120_000;
const S3RVER_DEADLINE_MS = 30_000;

/** The programs of Ceph that are not on PATH; empty means that a real server can be started. */
export function missingCephPrograms(): readonly string[] {
  return CEPH_PROGRAMS.filter((name) => findProgram(name) === undefined);
}

/**
 * Starts an S3 server of its own; about 3 s real, 0.5 s embedded. It ends with `stop()`, and also when this process
 * ends in whatever way.
 *
 * @throws Error when `prefer: 'real'` misses a program, or the server does not start (its last output is in the message).
 */
export async function startS3(options: StartS3Options = {}): Promise<S3Service> {
  const missing = missingCephPrograms();
  if (options.prefer === 'embedded') return startS3rver();
  if (missing.length === 0) return withAttempts(() => startCeph());
  if (options.prefer === 'real') {
    throw new Error(`not on PATH: ${missing.join(', ')}; scripts/install-services.sh installs them`);
  }
  return startS3rver();
}

/** Ceph with a gateway that may end and be started again, for kept.ts; `directory` is where keep.sh looks. */
export async function startKeptCeph(): Promise<S3Service & { readonly directory: string }> {
  const missing = missingCephPrograms();
  if (missing.length > 0) throw new Error(`not on PATH: ${missing.join(', ')}`);
  return withAttempts(async () => {
    let directory = '';
    const service = await startCeph((temporary) => {
      directory = temporary;
    });
    return { ...service, directory };
  });
}

/** `kept` asks for a gateway under keep.sh and is told the directory. */
async function startCeph(kept?: (directory: string) => void): Promise<S3Service> {
  const [monitorPort, s3Port] = await freePorts(2);
  // Keys of its own: with them, nobody can mistake another test's server for this one.
  const accessKeyId = `test-${randomBytes(6).toString('hex')}`;
  const secretAccessKey = randomBytes(12).toString('hex');
  const child = await spawnGuarded('radosgw', (directory) => {
    kept?.(directory);
    const args = [directory, String(monitorPort), String(s3Port), accessKeyId, secretAccessKey];
    return { command: 'bash', args: [CEPH_SCRIPT, ...args, ...(kept === undefined ? [] : ['kept'])] };
  });
  return serve(child, async () => {
    const ready = await child.printed(/^ready version (\S+)/m, CEPH_DEADLINE_MS);
    const endpoint = `http://127.0.0.1:${s3Port}`;
    return { kind: 'radosgw', version: ready[1] ?? '', endpoint, region: REGION, accessKeyId, secretAccessKey };
  });
}

async function startS3rver(): Promise<S3Service> {
  const child = await spawnGuarded('s3rver', (directory) => ({
    command: process.execPath,
    // It encrypts continuation tokens with a cipher that OpenSSL 3 has retired: without this, listings end at 1,000.
    args: ['--openssl-legacy-provider', S3RVER_PROGRAM, directory],
  }));
  return serve(child, async () => {
    const ready = await child.printed(/^ready (\d+)$/m, S3RVER_DEADLINE_MS);
    const endpoint = `http://127.0.0.1:${ready[1]}`;
    const keys = { accessKeyId: S3RVER_KEY, secretAccessKey: S3RVER_KEY };
    return { kind: 's3rver', version: S3RVER_VERSION, endpoint, region: REGION, ...keys };
  });
}

async function serve(
  child: GuardedProcess,
  ready: () => Promise<Omit<S3Service, 'createBucket' | 'stop'>>,
): Promise<S3Service> {
  try {
    const facts = await ready();
    child.detach();
    return { ...facts, createBucket: (name) => createBucket(facts, name), stop: () => child.stop() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** An SDK client for a server of this module: path-style, no checksums that it would not understand. The caller destroys it. */
export function clientFor(access: S3Access): S3Client {
  return new S3Client({
    endpoint: access.endpoint,
    region: access.region,
    credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

/** Creates a bucket on such a server. */
export async function createBucket(access: S3Access, name: string): Promise<void> {
  const client = clientFor(access);
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }));
  } finally {
    client.destroy();
  }
}
