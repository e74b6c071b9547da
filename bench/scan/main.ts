/**
 * Scan and enqueue speed against bare Redis and bare BullMQ, in one run on one server: pipelined reads of the same keys
 * with nothing done to them, and `addBulk` of the same jobs. Each figure is the best of some rounds, in turns, so that a
 * busy moment of the machine meets both alike. `npm run bench:scan -- --inodes 100000 [--rounds 3] [--memory]`.
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { systemClock } from '../../src/clock.ts';
import { RedisMetadata } from '../../src/metadata/redis/redis.ts';
import { CompactQueue } from '../../src/queue/compact-queue.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { scanFilesystem } from '../../src/scan/scan.ts';
import type { ScanDeps, ScanReport } from '../../src/scan/types.ts';
import { ledgerMs } from '../../src/time.ts';
import { startRedis } from '../../test/kit/servers/redis.ts';
import { FS_ID, fill, PREFIX } from './fill.ts';

const POLICY = { fragmentThreshold: 20, readGapBytes: 131_072 };
const BATCH = 500;
const JOBS = 20_000;
/** A bounded heap: what is shown is what is needed, not what the machine has to give. */
const HEAP = ['--max-semi-space-size=4', '--max-old-space-size=60'];

const { values } = parseArgs({
  options: {
    inodes: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    memory: { type: 'boolean', default: false },
  },
});

interface Best {
  readonly ms: number;
  readonly of: readonly number[];
}

/** What a scan reads, and nothing else: SCAN, then hash, set and list of every inode, each page in two pipelines. */
async function bareReads(redis: Redis): Promise<number> {
  let cursor = '0';
  let inodes = 0;
  let running: Promise<void> = Promise.resolve();
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${PREFIX}:{${FS_ID}:*}`, 'COUNT', 1000);
    await running;
    running = readAll(redis, keys);
    inodes += keys.length;
    cursor = next;
  } while (cursor !== '0');
  await running;
  return inodes;
}

async function readAll(redis: Redis, keys: readonly string[]): Promise<void> {
  const first = redis.pipeline();
  for (const key of keys) first.hmget(key, 'length', 'nlink', 'mtimeMs', 'type', 'attempt').sscan(`${key}:chunks`, 0);
  const replies = (await first.exec()) ?? [];
  const second = redis.pipeline();
  for (const [n, key] of keys.entries()) {
    const [, members] = (replies[2 * n + 1]?.[1] ?? ['0', []]) as [string, string[]];
    for (const index of members) second.lrange(`${key}:${index}`, 0, 1000);
  }
  await second.exec();
}

function scanOf(metadata: RedisMetadata): Promise<ScanReport> {
  const deps: ScanDeps = {
    metadata,
    clock: systemClock,
    nowMs: async () => ledgerMs(0),
    queue: { enqueueBest: async () => 0, waitingCount: async () => 0 },
    control: { isPaused: async () => false },
    quarantine: { among: async () => new Set() },
    book: { position: async () => null, setPosition: async () => undefined, setResult: async () => undefined },
  };
  const options = { policy: POLICY, queueMax: 1, concurrency: 4, patienceMs: 0, by: 'bench', dryRun: true };
  return scanFilesystem(FS_ID, deps, options);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

function best(of: readonly number[]): Best {
  return { ms: Math.min(...of), of };
}

async function inTurns(rounds: number, a: () => Promise<unknown>, b: () => Promise<unknown>): Promise<[Best, Best]> {
  const times: [number[], number[]] = [[], []];
  for (let n = 0; n < rounds; n++) {
    times[0].push(await timed(a));
    times[1].push(await timed(b));
  }
  return [best(times[0]), best(times[1])];
}

function tell(name: string, things: number, bare: Best, ours: Best): void {
  const rate = (one: Best) => Math.round(things / (one.ms / 1000)).toLocaleString('en-US');
  const rounds = (one: Best) => one.of.map((ms) => Math.round(ms)).join(', ');
  console.log(`${name}: bare ${rate(bare)}/s (${rounds(bare)} ms), ours ${rate(ours)}/s (${rounds(ours)} ms)`);
  console.log(`${name}: ${(ours.ms / bare.ms).toFixed(2)} times the bare time`);
}

async function scanBench(redis: Redis, url: string, rounds: number): Promise<void> {
  const metadata = new RedisMetadata({ redis: connectRedis(url, { profile: 'metadata' }), keyPrefix: PREFIX });
  const report = await scanOf(metadata);
  const { inodes, inodesWorthIt } = report.backlog;
  console.log(`${inodes} inodes, ${inodesWorthIt} worth a run`);
  const [bare, ours] = await inTurns(
    rounds,
    () => bareReads(redis),
    () => scanOf(metadata),
  );
  tell('scan', inodes, bare, ours);
  await metadata.close();
}

/** The same jobs, once by addBulk alone, once as a scan queues them. */
async function enqueueBench(url: string, rounds: number): Promise<void> {
  const batches = Array.from({ length: JOBS / BATCH }, (_, b) =>
    Array.from({ length: BATCH }, (_, n) => ({
      key: { fsId: FS_ID, inodeId: BigInt(b * BATCH + n) },
      score: JOBS - (b * BATCH + n),
    })),
  );
  const withQueue = async (work: (queue: CompactQueue) => Promise<void>): Promise<void> => {
    const connection = connectRedis(url, { profile: 'producer' });
    const queue = new CompactQueue({
      connection,
      prefix: `bench${crypto.randomUUID()}`,
      jobTries: 3,
      retryDelayMs: 1_000,
    });
    await queue.queue.waitUntilReady();
    await work(queue);
    await queue.close();
    connection.disconnect();
  };
  const bare = () =>
    withQueue(async ({ queue }) => {
      for (const batch of batches) await (queue as Queue).addBulk(batch.map(jobOf));
    });
  const ours = () =>
    withQueue(async (queue) => {
      for (const batch of batches) await queue.enqueueBest(FS_ID, batch);
    });
  const [a, b] = await inTurns(rounds, bare, ours);
  tell('enqueue, best first', JOBS, a, b);
}

function jobOf({ key }: { readonly key: { readonly fsId: number; readonly inodeId: bigint } }) {
  const data = { fsId: key.fsId, inodeId: `${key.inodeId}`, origin: 'scan' };
  const opts = {
    jobId: crypto.randomUUID(),
    priority: 1_000,
    attempts: 3,
    stackTraceLimit: 1,
    deduplication: { id: `${key.fsId}/${key.inodeId}`, keepLastIfActive: true },
    backoff: { type: 'exponential', delay: 1_000 },
    removeOnComplete: { age: 3600, count: 1_000 },
    removeOnFail: { age: 3600, count: 1_000 },
  };
  return { name: 'compact', data, opts };
}

function memoryTable(): void {
  const child = fileURLToPath(new URL('../../test/scan/memory-child.ts', import.meta.url));
  console.log('inodes     seconds  peak RSS, MiB');
  for (const inodes of [10_000, 100_000, 1_000_000]) {
    const startedMs = performance.now();
    const { stdout } = spawnSync(process.execPath, [...HEAP, child, `${inodes}`], { encoding: 'utf8' });
    const { peakBytes } = JSON.parse(stdout) as { readonly peakBytes: number };
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(
      `${String(inodes).padEnd(9)}  ${seconds.padStart(7)}  ${(peakBytes / 2 ** 20).toFixed(0).padStart(13)}`,
    );
  }
}

const service = await startRedis();
try {
  if (values.memory) memoryTable();
  const redis = new Redis(service.url);
  console.log(`${service.kind} ${service.version}`);
  await fill(redis, Number(values.inodes));
  await scanBench(redis, service.url, Number(values.rounds));
  await redis.flushall();
  await enqueueBench(service.url, Number(values.rounds));
  redis.disconnect();
} finally {
  await service.stop();
}
