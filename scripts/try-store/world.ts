/**
 * A file system on the server that is tried, its metadata in a Redis that is thrown away, and the product's commands on
 * both, run as an operator runs them. What is read back is compared by the tests' oracle, which shares no code with them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DeleteObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { Redis } from 'ioredis';
import type { Check } from '../../src/cli/doctor-check.ts';
import { run } from '../../src/cli/main.ts';
import { loadCase } from '../../test/kit/cases/load.ts';
import { fullReadGets } from '../../test/kit/oracle/reader.ts';
import { type RedisService, startRedis } from '../../test/kit/servers/redis.ts';
import { clientFor, type S3Access } from '../../test/kit/servers/s3.ts';
import { RedisFiles } from '../../test/kit/support/redis-files.ts';

const FS = '1';
const INODE = 1_000n;
/** 79 versions of a growing archive. */
const CASE = 'tar-append';
const RUNS_MAX = 20;
/** Looks at the reap records, a fifth of a second apart: each is due at once, and looked at twice. */
const REAPS_MAX = 300;
const REAP_PAUSE_MS = 200;

export class TrialWorld {
  readonly #redisService: RedisService;
  readonly #redis: Redis;
  readonly #s3: S3Client;
  readonly #bucket: string;
  readonly #files: RedisFiles;
  readonly #env: Record<string, string | undefined>;

  private constructor(access: S3Access, bucket: string, redisService: RedisService) {
    this.#redisService = redisService;
    this.#redis = new Redis(redisService.url);
    this.#s3 = clientFor(access);
    this.#bucket = bucket;
    this.#files = new RedisFiles({
      redis: this.#redis,
      s3: this.#s3,
      bucket,
      prefix: 'fs',
      fsId: Number(FS),
      geometry: { blockSize: 4096, chunkSize: 65_536 },
    });
    this.#env = {
      ...process.env,
      REDIS_URL: redisService.url,
      METADATA_PREFIX: 'fs',
      AWS_REGION: access.region,
      S3COMPACT_GRACE: '2ms',
      S3COMPACT_READER_CACHE_LIFE: '1ms',
      S3COMPACT_LOG_LEVEL: 'error',
    };
    withoutCondition(this.#s3);
  }

  static async open(access: S3Access, bucket: string): Promise<TrialWorld> {
    const world = new TrialWorld(access, bucket, await startRedis());
    await world.#files.createFilesystem();
    return world;
  }

  async isEmpty(): Promise<boolean> {
    return (await this.#names()).length === 0;
  }

  async doctor(): Promise<readonly Check[]> {
    const { checks } = (await this.#command(['doctor', FS, '--write'])) as { readonly checks: readonly Check[] };
    return checks.filter(({ check }) => !['queue', 'metadata', 'file system', 'owner'].includes(check));
  }

  /** What came of one fragmented file, in words: `done` only when every byte is right and nothing is left over. */
  async compaction(): Promise<string> {
    const files = this.#files;
    try {
      await files.createInode(INODE);
      await files.append(INODE, loadCase(CASE));
      const before = fullReadGets(await files.state(INODE));
      await this.#compactFully();
      const after = fullReadGets(await files.state(INODE));
      const wrong = await files.readFault(INODE);
      if (wrong !== null) return `reads wrong: ${wrong}`;
      const left = await this.#reaped();
      if (left !== undefined) return left;
      const { summary } = (await this.#command(['fsck', FS, '--read'])) as {
        readonly summary: { readonly faults: number };
      };
      if (summary.faults > 0 || (await files.readFault(INODE)) !== null) return 'reads wrong after the reap';
      return after < before ? `done: a full read takes ${after} GETs, not ${before}` : 'nothing was merged';
    } catch (error) {
      return `failed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  async #compactFully(): Promise<void> {
    for (let runs = 0; runs < RUNS_MAX; runs++) {
      const report = (await this.#command(['inode', FS, `${INODE}`, '--inline'])) as {
        readonly outcome: string;
        readonly ending: string;
        readonly message?: string;
      };
      if (report.ending !== 'done') throw new Error(`a run ended as ${report.ending}: ${report.message}`);
      if (report.outcome === 'nothing') return;
    }
    throw new Error(`there was still something to do after ${RUNS_MAX} runs`);
  }

  /** Until the bucket holds exactly what the lists reference. */
  async #reaped(): Promise<string | undefined> {
    const referenced = await this.#files.referencedNames([INODE]);
    for (let looks = 0; looks < REAPS_MAX; looks++) {
      await this.#command(['reap']);
      const stored = await this.#files.bucketNames();
      if (stored.length === referenced.length && stored.every((name, n) => name === referenced[n])) return undefined;
      await delay(REAP_PAUSE_MS);
    }
    const stored = await this.#files.bucketNames();
    return `${stored.length} objects are left in the bucket where the lists reference ${referenced.length}`;
  }

  /** The JSON that a command prints. */
  async #command(argv: readonly string[]): Promise<unknown> {
    const out = { stdout: '', stderr: '' };
    const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text) });
    await run([...argv, '--json'], this.#env, { stdout: stream('stdout'), stderr: stream('stderr') });
    if (out.stdout === '') throw new Error(`${argv.join(' ')}: ${out.stderr}`);
    return JSON.parse(out.stdout);
  }

  async #names(): Promise<readonly string[]> {
    const page = await this.#s3.send(new ListObjectsV2Command({ Bucket: this.#bucket }));
    return (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
  }

  /** One by one: whether the server knows batches is what was tried. */
  async empty(): Promise<void> {
    for (let names = await this.#names(); names.length > 0; names = await this.#names()) {
      for (const Key of names) await this.#s3.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }));
    }
  }

  async close(): Promise<void> {
    this.#s3.destroy();
    this.#redis.disconnect();
    await this.#redisService.stop();
  }
}

/** The file's own client need not know it; whether the server does is what was tried. */
function withoutCondition(s3: S3Client): void {
  s3.middlewareStack.add(
    (next) => (args) => {
      delete (args.request as { headers: Record<string, string> }).headers['if-none-match'];
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'withoutCondition' },
  );
}
