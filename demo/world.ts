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
import { RedisFiles } from '../test/kit/support/redis-files.ts';

/** Short enough to watch; a slow machine takes more, so that a reader with the old list can still be shown to be right. */
const GRACE_MIN_MS = 5_000;
const GRACE_MAX_MS = 120_000;
/** How much longer than storing and reading a file once the grace period is: compacting, and reading by the old list. */
const GRACE_TIMES = 4;
/** The demo waits for events; only something that is broken takes this long. */
const STUCK_MS = 15 * 60_000;
/** A line of what is waited for, this often. */
const TELL_EVERY_MS = 5_000;
const BUCKET = 'demo';
const QUEUE_PREFIX = 's3compact';
const COMMAND = fileURLToPath(new URL('../bin/s3compact.js', import.meta.url));

export class DemoWorld {
  readonly writer: RedisFiles;
  readonly #redisService: RedisService;
  readonly #s3Service: S3Service;
  readonly #redis: Redis;
  readonly #env: Record<string, string>;
  #worker: ChildProcess | undefined;

  private constructor(parts: {
    redis: RedisService;
    s3: S3Service;
    connection: Redis;
    writer: RedisFiles;
    env: Record<string, string>;
  }) {
    this.#redisService = parts.redis;
    this.#s3Service = parts.s3;
    this.#redis = parts.connection;
    this.writer = parts.writer;
    this.#env = parts.env;
  }

  static async start(): Promise<DemoWorld> {
    const [redis, s3] = await Promise.all([startRedis(), startS3({ prefer: 'embedded' })]);
    await s3.createBucket(BUCKET);
    const connection = new Redis(redis.url);
    const writer = new RedisFiles({
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
      S3COMPACT_READER_CACHE_LIFE: '1s',
      S3COMPACT_LOG_LEVEL: 'warn',
    };
    return new DemoWorld({ redis, s3, connection, writer, env });
  }

  /** Starts the worker with a grace period that suits this machine: `onceMs` is how long storing and reading a file took. */
  async startWorker(onceMs: number): Promise<void> {
    const graceMs = Math.ceil(Math.min(GRACE_MAX_MS, Math.max(GRACE_MIN_MS, GRACE_TIMES * onceMs)) / 1000) * 1000;
    this.#env['S3COMPACT_GRACE'] = `${graceMs}ms`;
    this.#worker = spawn(process.execPath, [COMMAND, 'worker'], {
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await this.#withLedger(async (ledger) => {
      await this.#until('the worker to connect', async () => (await ledger.queue.getWorkersCount()) > 0);
    });
  }

  get graceMs(): number {
    return Number.parseInt(this.#env['S3COMPACT_GRACE'] ?? '0', 10);
  }

  get services(): string {
    const { kind, version } = this.#redisService;
    return `${kind} ${version}, ${this.#s3Service.kind} ${this.#s3Service.version}`;
  }

  get workerPid(): number | undefined {
    return this.#worker?.pid;
  }

  /** Runs a command that prints one JSON document and returns it. */
  async command(argv: readonly string[]): Promise<RunReport> {
    let out = '';
    const stdout = { write: (text: string) => (out += text) };
    await run(argv, this.#env, { stdout, stderr: process.stderr });
    return JSON.parse(out) as RunReport;
  }

  /** Waits until the worker has worked off every reap record. */
  async reapRecordsGone(): Promise<void> {
    await this.#withLedger(async (ledger) => {
      const left = () => ledger.queue.getJobCountByTypes('delayed', 'waiting', 'active', 'prioritized');
      await this.#until('the reap records to be worked off', async () => (await left()) === 0);
    });
  }

  async #withLedger(use: (ledger: ReapQueue) => Promise<void>): Promise<void> {
    const ledger = new ReapQueue({ connection: this.#redis, prefix: QUEUE_PREFIX });
    try {
      await use(ledger);
    } finally {
      await ledger.close();
    }
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const startedAtMs = performance.now();
    let lineAtMs = startedAtMs + TELL_EVERY_MS;
    while (!(await holds())) {
      const nowMs = performance.now();
      const code = this.#worker?.exitCode ?? null;
      if (code !== null) throw new Error(`the worker ended with exit code ${code} while the demo waited for ${what}`);
      if (nowMs - startedAtMs > STUCK_MS) throw new Error(`nothing came of waiting for ${what}`);
      if (nowMs > lineAtMs) {
        process.stdout.write(`  … waits for ${what} (${Math.round((nowMs - startedAtMs) / 1000)} s)\n`);
        lineAtMs = nowMs + TELL_EVERY_MS;
      }
      await delay(100);
    }
  }

  async stop(): Promise<void> {
    if (this.#worker?.exitCode === null) {
      const ended = once(this.#worker, 'exit');
      this.#worker.kill('SIGTERM');
      await Promise.race([ended, delay(10_000, undefined, { ref: false })]);
      this.#worker.kill('SIGKILL');
    }
    this.writer.options.s3.destroy();
    this.#redis.disconnect();
    await Promise.allSettled([this.#redisService.stop(), this.#s3Service.stop()]);
  }
}
