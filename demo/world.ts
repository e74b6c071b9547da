/**
 * The demo's surroundings: its own Redis and S3 server, a file system on them, a worker process, and the command line
 * run as an operator runs it. Everything is thrown away at the end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { run } from '../src/cli/main.ts';
import { ReapQueue } from '../src/queue/reap-queue.ts';
import type { RunReport } from '../src/wiring/run-inode.ts';
import { type RedisService, startRedis } from '../test/kit/servers/redis.ts';
import { clientFor, type S3Service, startS3 } from '../test/kit/servers/s3.ts';
import { FsWriter } from '../test/kit/support/writer.ts';

/** Short enough to watch, long enough that a reader with the old list can be shown to be right. */
export const GRACE_MS = 5_000;
const REAP_DEADLINE_MS = 40_000;
const WORKER_DEADLINE_MS = 20_000;
const BUCKET = 'demo';
const QUEUE_PREFIX = 's3compact';
const COMMAND = fileURLToPath(new URL('../bin/s3compact.js', import.meta.url));

export class DemoWorld {
  readonly writer: FsWriter;
  readonly #redisService: RedisService;
  readonly #s3Service: S3Service;
  readonly #redis: Redis;
  readonly #worker: ChildProcess;
  readonly #env: Record<string, string>;

  private constructor(parts: {
    redis: RedisService;
    s3: S3Service;
    connection: Redis;
    writer: FsWriter;
    env: Record<string, string>;
  }) {
    this.#redisService = parts.redis;
    this.#s3Service = parts.s3;
    this.#redis = parts.connection;
    this.writer = parts.writer;
    this.#env = parts.env;
    this.#worker = spawn(process.execPath, [COMMAND, 'worker'], {
      env: { ...process.env, ...parts.env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  static async start(): Promise<DemoWorld> {
    const [redis, s3] = await Promise.all([startRedis(), startS3({ prefer: 'embedded' })]);
    await s3.createBucket(BUCKET);
    const connection = new Redis(redis.url);
    const writer = new FsWriter({
      redis: connection,
      s3: clientFor(s3),
      bucket: BUCKET,
      prefix: 'fs',
      fsId: 1,
      geometry: { blockSize: 4096, chunkSize: 65_536 },
    });
    await writer.createFilesystem();
    const env = {
      REDIS_URL: redis.url,
      QUEUE_PREFIX,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_REGION: s3.region,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      S3COMPACT_GRACE: `${GRACE_MS}ms`,
      S3COMPACT_READER_CACHE_LIFE: '1s',
      S3COMPACT_LOG_LEVEL: 'warn',
    };
    const world = new DemoWorld({ redis, s3, connection, writer, env });
    await world.#workerReady();
    return world;
  }

  get services(): string {
    const { kind, version } = this.#redisService;
    return `${kind} ${version}, ${this.#s3Service.kind} ${this.#s3Service.version}`;
  }

  get workerPid(): number | undefined {
    return this.#worker.pid;
  }

  /** Runs a command that prints one JSON document and returns it. */
  async command(argv: readonly string[]): Promise<RunReport> {
    let out = '';
    const stdout = { write: (text: string) => (out += text) };
    await run(argv, this.#env, { stdout, stderr: process.stderr });
    return JSON.parse(out) as RunReport;
  }

  async #workerReady(): Promise<void> {
    const ledger = new ReapQueue({ connection: this.#redis, prefix: QUEUE_PREFIX });
    try {
      await until(
        'the worker is connected',
        WORKER_DEADLINE_MS,
        async () => (await ledger.queue.getWorkersCount()) > 0,
      );
    } finally {
      await ledger.close();
    }
  }

  /** Waits until the worker has worked off every reap record. */
  async reapRecordsGone(): Promise<void> {
    const ledger = new ReapQueue({ connection: this.#redis, prefix: QUEUE_PREFIX });
    try {
      await until('the reap records are worked off', REAP_DEADLINE_MS, async () => {
        return (await ledger.queue.getJobCountByTypes('delayed', 'waiting', 'active', 'prioritized')) === 0;
      });
    } finally {
      await ledger.close();
    }
  }

  async stop(): Promise<void> {
    if (this.#worker.exitCode === null) {
      const ended = once(this.#worker, 'exit');
      this.#worker.kill('SIGTERM');
      await Promise.race([ended, delay(10_000)]);
      this.#worker.kill('SIGKILL');
    }
    this.writer.options.s3.destroy();
    this.#redis.disconnect();
    await Promise.allSettled([this.#redisService.stop(), this.#s3Service.stop()]);
  }
}

async function until(what: string, deadlineMs: number, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(100);
  }
}
