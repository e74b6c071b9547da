/**
 * A file system of its own on the run's servers, a client that writes to it, and the product beside it: clients built
 * from settings as the worker builds them, commands run as an operator runs them, worker processes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { run } from '../../src/cli/main.ts';
import { loadSettings, type Settings } from '../../src/config/index.ts';
import { createLogger, type Logger } from '../../src/observe/log.ts';
import { type Clients, openClients } from '../../src/wiring/clients.ts';
import { reaperOfBlocks } from '../../src/wiring/reaper.ts';
import type { RunReport } from '../../src/wiring/run-inode.ts';
import { drainReapQueue, type ReapSummary } from '../../workers/drain-reap.ts';
import type { OracleGeometry } from '../kit/oracle/types.ts';
import type { FileClient } from '../kit/support/file-client.ts';
import { RedisFiles } from '../kit/support/redis-files.ts';
import { freshBucket, testS3Client, uniquePrefix } from '../setup/isolation.ts';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
/** Longer than any lock and grace period of these worlds. */
const REAP_DEADLINE_MS = 600_000;
const REAP_PAUSE_MS = 10;
export const SMALL: OracleGeometry = { blockSize: 4096, chunkSize: 65_536 };

export interface CommandEnding {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface E2eOptions {
  readonly geometry?: OracleGeometry;
  readonly objectPrefix?: 0 | 1 | 2;
  readonly env?: Readonly<Record<string, string>>;
  /** Absent: by the settings. */
  readonly log?: Logger;
}

/** The S3 server and the queue of this run, and what every world sets. */
export function commonEnv(prefix: string): Record<string, string> {
  const s3 = inject('s3');
  // The SDK reads its own names from the process.
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey });
  return {
    REDIS_URL: inject('redisUrl'),
    QUEUE_PREFIX: `q-${prefix}`,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    // Due at once: what waiting does is shown on the virtual clock (test/compact) and by the worker tests.
    S3COMPACT_GRACE: '2ms',
    S3COMPACT_READER_CACHE_LIFE: '1ms',
    S3COMPACT_LOG_LEVEL: 'error',
  };
}

export async function clientsOf(env: Readonly<Record<string, string>>, log?: Logger): Promise<Clients> {
  const settings = loadSettings({ flags: {}, env });
  return openClients(settings, log ?? createLogger({ level: settings.logLevel }));
}

/** The product beside a client of the file system, whatever keeps the metadata. */
export abstract class ProductWorld<Writer extends FileClient = FileClient> {
  readonly writer: Writer;
  readonly env: Record<string, string>;
  readonly settings: Settings;
  readonly clients: Clients;
  readonly #workers: ChildProcess[] = [];

  constructor(parts: { writer: Writer; env: Record<string, string>; clients: Clients }) {
    this.writer = parts.writer;
    this.env = parts.env;
    this.clients = parts.clients;
    this.settings = parts.clients.settings;
  }

  /** An attempt has left a fence behind that stands in a commit's way. */
  abstract fenced(inodeId: bigint): Promise<boolean>;

  /** Runs a command in this process. */
  async command(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandEnding> {
    const out = { stdout: '', stderr: '' };
    const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text) });
    const exitCode = await run(argv, { ...this.env, ...env }, { stdout: stream('stdout'), stderr: stream('stderr') });
    return { exitCode, ...out };
  }

  /** `s3compact inode --inline --json` for one inode. */
  async compactInline(inodeId: bigint, flags: readonly string[] = []): Promise<RunReport> {
    const { stdout, stderr } = await this.command(['inode', '1', `${inodeId}`, '--inline', '--json', ...flags]);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as RunReport;
  }

  /** Runs inline until nothing is left to do; returns the reports. */
  async compactFully(inodeId: bigint, flags: readonly string[] = []): Promise<RunReport[]> {
    const reports: RunReport[] = [];
    for (let runs = 0; runs < 100; runs++) {
      const report = await this.compactInline(inodeId, flags);
      if (report.outcome === 'nothing') return reports;
      reports.push(report);
      if (report.ending !== 'done') throw new Error(`run ended as ${report.ending}: ${report.message}`);
    }
    throw new Error('compaction never ends');
  }

  /** Works the reap queue off until no record is left; with another grace period than the settings', if given. */
  async reapAll(graceMs = this.clients.reap.graceMs): Promise<ReapSummary[]> {
    const clients = { ...this.clients, reaper: reaperOfBlocks({ ...this.clients.reap, graceMs }) };
    if (graceMs !== this.clients.reap.graceMs) await this.#setGrace(graceMs);
    const summaries: ReapSummary[] = [];
    const endMs = performance.now() + REAP_DEADLINE_MS;
    while (performance.now() < endMs) {
      const summary = await drainReapQueue(clients, createLogger({ level: 'error' }));
      summaries.push(summary);
      if (summary.doubts.length > 0) throw new Error(summary.doubts.join('; '));
      // A record whose time has come while the worker stopped is not delayed any more.
      const left = await this.clients.ledger.queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed');
      if (left === 0) return summaries;
      // Not due yet, or held by a worker that lost the queue: until its lock has run out.
      await delay(REAP_PAUSE_MS);
    }
    throw new Error('reaping never ends');
  }

  /** In the records, of which each carries its own, and the longer one counts. */
  async #setGrace(graceMs: number): Promise<void> {
    for (const job of await this.clients.ledger.queue.getJobs()) await job.updateData({ ...job.data, graceMs });
  }

  /** A worker process; ends with the world. `base` is the environment that it starts from. */
  startWorker(
    env: Readonly<Record<string, string>> = {},
    base: NodeJS.ProcessEnv = { ...process.env, ...this.env },
  ): ChildProcess {
    const worker = spawn(process.execPath, [COMMAND, 'worker'], {
      env: { ...base, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#workers.push(worker);
    return worker;
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) {
      if (worker.exitCode !== null || worker.signalCode !== null) continue;
      const ended = once(worker, 'exit');
      worker.kill('SIGKILL');
      await ended;
    }
    await this.clients.close();
    this.writer.options.s3.destroy();
  }
}

/** How tests for whatever keeps the metadata get theirs. */
export type OpenWorld = (name: string, options?: E2eOptions) => Promise<ProductWorld>;

/** With the metadata in Redis. */
export class E2eWorld extends ProductWorld<RedisFiles> {
  static async open(name: string, options: E2eOptions = {}): Promise<E2eWorld> {
    const prefix = uniquePrefix(name);
    const metadataUrl = options.env?.['METADATA_URL'] ?? inject('redisUrl');
    const writer = new RedisFiles({
      redis: new Redis(metadataUrl),
      prefix,
      s3: testS3Client(),
      fsId: 1,
      geometry: options.geometry ?? SMALL,
      bucket: await freshBucket(name),
      objectPrefix: options.objectPrefix ?? 0,
    });
    await writer.createFilesystem();
    const env = { ...commonEnv(prefix), METADATA_PREFIX: prefix, ...options.env };
    return new E2eWorld({ writer, env, clients: await clientsOf(env, options.log) });
  }

  override async fenced(inodeId: bigint): Promise<boolean> {
    return (await this.writer.options.redis.hexists(this.writer.inodeKey(inodeId), 'attempt')) === 1;
  }

  override async close(): Promise<void> {
    await super.close();
    this.writer.options.redis.disconnect();
  }
}
