/** A volume that the real program has written by all its ways, on a Redis of its own, and the commands that look at it. */
import { createCipheriv, createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { run } from '../../src/cli/main.ts';
import { loadSettings } from '../../src/config/index.ts';
import type { SliceVolume } from '../../src/metadata/slice-volume.ts';
import { openVolume } from '../../src/wiring/open-volume.ts';
import { ageIds } from '../kit/juicefs/aged-ids.ts';
import { dumpKeys, listObjects } from '../kit/juicefs/looks.ts';
import { canMount, RealVolume } from '../kit/servers/juicefs.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { clientFor } from '../kit/servers/s3.ts';
import { freshBucket, testS3Client } from '../setup/isolation.ts';
import type { CommandEnding } from './world.ts';

export const VOLUME = 'vol';
const DATABASE = 1;

/** For workers that are killed: a lease that ends soon, and what it demands of the rest; any two pieces are worth a run. */
export const HASTY_ENV = {
  S3COMPACT_MAX_SECONDS: '1s',
  S3COMPACT_S3_TIMEOUT: '10s',
  S3COMPACT_S3_PATIENCE: '0s',
  S3COMPACT_REDIS_TIMEOUT: '5s',
  S3COMPACT_LOCK_DURATION: '11s',
  S3COMPACT_LEASE: '30s',
  S3COMPACT_RETRY_DELAY: '100ms',
  S3COMPACT_FRAGMENT_THRESHOLD: '2',
  S3COMPACT_AGGRESSIVENESS: '1MiB',
};

/** Bytes that anybody can make again. */
export function contentOf(name: string, length: number): Buffer {
  const key = createHash('md5').update(name).digest();
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export class JuicefsWorld {
  readonly real: RealVolume;
  readonly redis: Redis;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly #service: RedisService;

  private constructor(parts: { real: RealVolume; service: RedisService; bucket: string }) {
    this.real = parts.real;
    this.#service = parts.service;
    this.bucket = parts.bucket;
    this.redis = new Redis(`${parts.service.url}/${DATABASE}`);
    this.s3 = testS3Client();
  }

  static async open(
    name: string,
    flags: readonly string[] = ['--trash-days', '1'],
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<JuicefsWorld> {
    const service = await startRedis();
    const bucket = await freshBucket(name);
    const metaUrl = `${service.url}/${DATABASE}`;
    const real = await RealVolume.format(metaUrl, { name: VOLUME, s3: inject('s3'), bucket, flags, env: secrets });
    // Kept by clients in memory for a while, and lost with those that are killed: counted afresh without.
    await real.run(['config', '--yes', metaUrl, '--dir-stats=false']);
    return new JuicefsWorld({ real, service, bucket });
  }

  /** As METADATA_URL; with the credentials of a Redis user. */
  url(user = ''): string {
    const { host } = new URL(this.#service.url);
    return `juicefs+redis://${user === '' ? '' : `${user}@`}${host}/${DATABASE}`;
  }

  async command(
    argv: readonly string[],
    {
      url = this.url(),
      env: more = {},
    }: { readonly url?: string; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<CommandEnding> {
    const out = { stdout: '', stderr: '' };
    const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text) });
    const env = { ...this.env, METADATA_URL: url, ...more };
    const exitCode = await run(argv, env, { stdout: stream('stdout'), stderr: stream('stderr') });
    return { exitCode, ...out };
  }

  /** Of commands and workers: a queue of its own, in another database, and a short grace. */
  get env(): Readonly<Record<string, string>> {
    const { host } = new URL(this.#service.url);
    return {
      METADATA_URL: this.url(),
      REDIS_URL: `redis://${host}/${DATABASE + 1}`,
      S3COMPACT_LOG_LEVEL: 'error',
      ...this.real.env,
      S3COMPACT_GRACE: '100ms',
      S3COMPACT_READER_CACHE_LIFE: '0s',
    };
  }

  ageIds(): Promise<void> {
    return ageIds(this.redis);
  }

  async json<T>(argv: readonly string[]): Promise<T> {
    const { stdout, stderr } = await this.command([...argv, '--json']);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as T;
  }

  async volume(): Promise<SliceVolume> {
    const settings = loadSettings({ flags: {}, env: { METADATA_URL: this.url() } });
    return openVolume(settings, { connectMs: 10_000 });
  }

  async everything(): Promise<unknown> {
    return { keys: await dumpKeys(this.redis), objects: await listObjects(this.s3, this.bucket) };
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    this.s3.destroy();
    await this.#service.stop();
  }
}

const MIB = 1024 * 1024;

/** Writes by webdav, sync, the gateway's multipart uploads, and a mount where there is FUSE. */
export async function writeByAllWays({ real }: JuicefsWorld): Promise<void> {
  await byWebdav(real);
  await bySync(real);
  await byGateway(real);
  if (canMount()) await byMount(real);
}

async function byWebdav(real: RealVolume): Promise<void> {
  const served = await real.serve('webdav');
  try {
    const put = (path: string, length: number) =>
      fetch(`${served.url}${path}`, { method: 'PUT', body: new Uint8Array(contentOf(path, length)) });
    await put('/dav-small.bin', 1_000);
    await put('/dav-large.bin', 70 * MIB);
    await put('/dav-empty.bin', 0);
    // The first content goes to the trash, or is cut off.
    await put('/dav-twice.bin', 6 * MIB);
    await put('/dav-twice.bin', 5 * MIB + 7);
    await put('/dav-gone.bin', 3 * MIB);
    await fetch(`${served.url}/dav-gone.bin`, { method: 'DELETE' });
  } finally {
    await served.stop();
  }
}

async function bySync(real: RealVolume): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 's3compact-juicefs-sync-'));
  try {
    writeFileSync(join(directory, 'sync-one.bin'), contentOf('sync-one', 9 * MIB + 1));
    writeFileSync(join(directory, 'sync-two.bin'), contentOf('sync-two', 77));
    await real.run(['sync', '--no-https', `${directory}/`, 'jfs://volume/synced/'], { volume: real.metaUrl });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function byGateway(real: RealVolume): Promise<void> {
  const served = await real.serve('gateway', ['--multi-buckets']);
  const keys = { accessKeyId: 'gatewayuser', secretAccessKey: 'gatewaypassword' };
  const client = clientFor({ endpoint: served.url, region: 'us-east-1', ...keys });
  try {
    await client.send(new CreateBucketCommand({ Bucket: 'uploads' }));
    for (const lengths of [
      [5 * MIB + 1, 5 * MIB + 3, 100],
      [24 * MIB, 24 * MIB, 24 * MIB],
    ]) {
      const at = { Bucket: 'uploads', Key: `parts-${lengths[0]}.bin` };
      const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand(at));
      const Parts: { ETag: string; PartNumber: number }[] = [];
      for (const [n, length] of lengths.entries()) {
        const part = { ...at, UploadId, PartNumber: n + 1 };
        const { ETag = '' } = await client.send(
          new UploadPartCommand({ ...part, Body: contentOf(`${at.Key} ${n}`, length) }),
        );
        Parts.push({ ETag, PartNumber: n + 1 });
      }
      await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));
    }
  } finally {
    client.destroy();
    await served.stop();
  }
}

/** Overwrites, holes, truncates, copies of ranges and clones, each write flushed so that it is a slice of its own. */
async function byMount(real: RealVolume): Promise<void> {
  await real.mounted(`
    w() { dd if=/dev/urandom of="$1" bs="$3" seek="$2" count=1 oflag=seek_bytes conv=notrunc,fsync status=none; }
    cd "$1"; mkdir deep; mkdir deep/er
    w over.bin 0 9M
    for n in $(seq 1 40); do w over.bin $(( (n * 7919 * 131) % 9000000 )) $(( 1000 + (n * 104729) % 200000 )); done
    truncate -s 8M over.bin; w over.bin 73400320 1M
    w deep/er/append.log 0 100K; for n in $(seq 1 30); do w deep/er/append.log $(( n * 102400 )) 100K; done
    w holes.bin 0 12M; fallocate --punch-hole -o 1000000 -l 5000000 holes.bin; fallocate --zero-range -o 9000000 -l 1000 holes.bin
    w cut.bin 0 1M; w cut.bin 69206016 3M; truncate -s 1000 cut.bin
    truncate -s 140M sparse.bin; w sparse.bin 135000000 1M
    w linked.bin 0 2M; ln linked.bin deep/also-linked.bin
    cp over.bin copied.bin; juicefs clone "$1/over.bin" "$1/cloned.bin" >/dev/null 2>&1
    w gone.bin 0 2M; rm gone.bin
    ln -s over.bin link; mkfifo pipe; sync`);
}
