/**
 * Servers that are away, full, read-only or too busy for a while, and a worker that waits: it says what is wrong, loses
 * nothing, sends little meanwhile, and goes on within seconds when they are back. The queue's Redis is one of the test's own.
 */
import { mkdtemp, rm, writeFile as writeText } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import type { RunningWorker } from '../../workers/running.ts';
import { startWorker } from '../../workers/worker.ts';
import { E2eWorld } from '../e2e/world.ts';
import { type KeptRedis, startKeptRedis } from '../kit/servers/kept.ts';
import { findRedis, type RedisService, startRedis } from '../kit/servers/redis.ts';
import { eventually } from '../queue/world.ts';
import { S3Proxy } from './s3-proxy.ts';

const INODE = 900n;
const KEY = { fsId: 1, inodeId: INODE };
const BLOCK = 4096;
const QUICK = {
  S3COMPACT_MAX_SECONDS: '1s',
  S3COMPACT_S3_TIMEOUT: '2s',
  S3COMPACT_S3_PATIENCE: '1s',
  S3COMPACT_REDIS_TIMEOUT: '2s',
  S3COMPACT_LOCK_DURATION: '5s',
  S3COMPACT_LEASE: '16s',
  S3COMPACT_RETRY_DELAY: '100ms',
  S3COMPACT_FRAGMENT_THRESHOLD: '3',
  S3COMPACT_CONCURRENCY: '2',
  S3COMPACT_JOB_TRIES: '3',
};
/** Servers that answer again are noticed within this, on a busy machine. */
const BACK_WITHIN_MS = 30_000;
let world: E2eWorld;
let worker: RunningWorker | undefined;

/** A file whose first blocks each lie in two objects. */
async function writeFile(inodeId: bigint): Promise<void> {
  await world.writer.createInode(inodeId);
  await world.writer.write(inodeId, 0, 8 * BLOCK);
  for (let block = 0; block < 8; block++) await world.writer.write(inodeId, block * BLOCK + 100, 200);
}

function work(): RunningWorker {
  worker = startWorker(world.clients, createLogger({ level: 'silent' }));
  return worker;
}

async function notReady(): Promise<string> {
  return (await worker?.snapshots())?.flatMap((one) => one.notReady.map(({ what }) => what)).join('; ') ?? '';
}

async function untilReady(): Promise<void> {
  await eventually('the worker is ready', async () => (await notReady()) === '', BACK_WITHIN_MS);
}

async function untilCompacted(inodeIds: readonly bigint[]): Promise<void> {
  const { queue } = world.clients.queue;
  await eventually(
    'the queue is worked off',
    async () => (await queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed')) === 0,
    BACK_WITHIN_MS,
  );
  for (const inodeId of inodeIds) {
    expect(await world.writer.readFault(inodeId)).toBeNull();
    expect((await world.compactInline(inodeId)).outcome).toBe('nothing');
  }
  expect(await queue.getFailedCount()).toBe(0);
}

/** All wait or are being tried, and none of them has lost a try. */
async function expectNoTryCharged(jobs: number): Promise<void> {
  const { queue } = world.clients.queue;
  expect(await queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed')).toBe(jobs);
  for (const job of await queue.getJobs()) expect(job.attemptsMade).toBe(0);
}

async function expectNothingLeaked(inodeIds: readonly bigint[]): Promise<void> {
  await worker?.stop();
  worker = undefined;
  await world.reapAll();
  expect(await world.writer.bucketNames()).toEqual(await world.writer.referencedNames(inodeIds));
}

afterEach(async () => {
  await worker?.stop();
  worker = undefined;
  await world.close();
});

describe('the object store', () => {
  let proxy: S3Proxy;
  let lines: string;
  beforeEach(async () => {
    proxy = await S3Proxy.start(inject('s3').endpoint);
    lines = '';
    const log = createLogger({ level: 'info', destination: { write: (line) => (lines += line) } });
    world = await E2eWorld.open('outage', { env: { ...QUICK, AWS_ENDPOINT_URL_S3: proxy.url }, log });
    await writeFile(INODE);
  });
  afterEach(() => proxy.away());

  it('away: the worker says so and waits, no job loses a try, and all is done soon after', async () => {
    await proxy.away();
    const others = [901n, 902n, 903n, 904n, 905n];
    for (const inodeId of others) await writeFile(inodeId);
    work();
    for (const inodeId of [INODE, ...others]) await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
    await eventually('it is reported', async () => (await notReady()).includes('S3 does not answer'));
    // Most wait in the queue: they are not taken one after the other only to fail.
    const { queue } = world.clients.queue;
    expect(await queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed')).toBe(6);
    for (const job of await queue.getJobs()) expect(job.attemptsMade).toBe(0);
    await eventually('it is in the log', async () => lines.includes('store.lost'), BACK_WITHIN_MS);
    expect(lines).not.toContain('store.back');
    await proxy.back();
    await untilReady();
    await untilCompacted([INODE, ...others]);
    expect(lines.match(/"store\.(?:lost|back)"/g)).toEqual(['"store.lost"', '"store.back"']);
    await expectNothingLeaked([INODE, ...others]);
  });

  it('too busy (503 SlowDown): fewer requests at a time, and none before the time it names; then more again', async () => {
    const busyUntilMs = performance.now() + 2_500;
    proxy.answer = () =>
      performance.now() < busyUntilMs ? { status: 503, code: 'SlowDown', headers: { 'retry-after': '1' } } : undefined;
    work();
    await world.clients.queue.enqueue(KEY, 'scan');
    const flight = () => world.clients.pace.snapshot().inFlight[0];
    await eventually('it gives way', async () => (flight()?.lowered ?? 0) > 0);
    expect(flight()?.limit).toBeLessThanOrEqual(16);
    await untilCompacted([INODE]);
    // A second between the waves: 32 tries would fit into one of them.
    expect(proxy.seen.filter(({ atMs }) => atMs < busyUntilMs).length).toBeLessThan(100);
  });

  it.each([
    ['full (quota)', { status: 403, code: 'QuotaExceeded' }],
    ['read-only', { status: 403, code: 'AccessDenied' }],
  ])('%s: told, no job is charged a try; with room again all is done by itself', async (_, canned) => {
    const others = [901n, 902n, 903n, 904n, 905n];
    for (const inodeId of others) await writeFile(inodeId);
    proxy.answer = ({ method }) => (method === 'PUT' ? canned : undefined);
    const before = await world.writer.state(INODE);
    work();
    for (const inodeId of [INODE, ...others]) await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
    await eventually('it is reported', async () => /S3 refuses: Writing .*answered 403/.test(await notReady()));
    await expectNoTryCharged(6);
    expect(await world.clients.quarantine.get(KEY)).toBeNull();
    expect(await world.writer.readFault(INODE, before)).toBeNull();
    proxy.answer = () => undefined;
    await untilCompacted([INODE, ...others]);
    await untilReady();
    await expectNothingLeaked([INODE, ...others]);
  });

  it('keys in a shared file are replaced: reported with the answer of the server, no job fails, then it goes on', async () => {
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = process.env;
    const file = join(await mkdtemp(join(tmpdir(), 's3compact-keys-')), 'credentials');
    const write = (key: string | undefined) =>
      writeText(file, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = ${secret}\n`);
    try {
      await write('REVOKED');
      delete process.env['AWS_ACCESS_KEY_ID'];
      delete process.env['AWS_SECRET_ACCESS_KEY'];
      process.env['AWS_SHARED_CREDENTIALS_FILE'] = file;
      const others = [901n, 902n, 903n, 904n, 905n];
      for (const inodeId of others) await writeFile(inodeId);
      work();
      for (const inodeId of [INODE, ...others]) await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
      await eventually('it is reported', async () => /S3 refuses: .*(?:InvalidAccessKeyId|403)/.test(await notReady()));
      await expectNoTryCharged(6);
      // Longer than the tries of a job would take.
      const beganMs = performance.now();
      await eventually('a while', async () => performance.now() - beganMs > 3_000);
      await expectNoTryCharged(6);
      await write(id);
      const { queue } = world.clients.queue;
      await eventually(
        'all are done',
        async () => (await queue.getCompletedCount()) === 6 || (await queue.getFailedCount()) > 0,
        BACK_WITHIN_MS,
      );
      expect(await queue.getFailedCount()).toBe(0);
      await untilReady();
    } finally {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret });
      delete process.env['AWS_SHARED_CREDENTIALS_FILE'];
      await rm(dirname(file), { recursive: true });
    }
    await expectNothingLeaked([INODE, 901n, 902n, 903n, 904n, 905n]);
  });

  it("one inode's objects are refused: its job ends with a clear reason, the others are not held", async () => {
    const [first = ''] = await world.writer.referencedNames([INODE]);
    proxy.answer = ({ method, url = '' }) =>
      method === 'GET' && url.includes(first) ? { status: 403, code: 'AccessDenied' } : undefined;
    const others = [901n, 902n, 903n];
    for (const inodeId of others) await writeFile(inodeId);
    work();
    for (const inodeId of [INODE, ...others]) await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
    const { queue } = world.clients.queue;
    await eventually('the others are done', async () => (await queue.getCompletedCount()) === 3, BACK_WITHIN_MS);
    // Work of others goes on while it is tried again, so that the fault is known to be its own.
    let next = 910n;
    await eventually(
      'its job is given up',
      async () => {
        await writeFile(next);
        await world.clients.queue.enqueue({ fsId: 1, inodeId: next++ }, 'scan');
        return (await queue.getFailedCount()) === 1;
      },
      2 * BACK_WITHIN_MS,
    );
    const [failed] = await queue.getFailed();
    expect(failed?.data.inodeId).toBe(`${INODE}`);
    expect(failed?.failedReason).toContain('AccessDenied');
    expect(await world.clients.quarantine.get(KEY)).toBeNull();
  });

  it('full (507): it may be emptied, so the job waits for it', async () => {
    proxy.answer = ({ method }) => (method === 'PUT' ? { status: 507, code: 'InsufficientStorage' } : undefined);
    work();
    await world.clients.queue.enqueue(KEY, 'scan');
    const { queue } = world.clients.queue;
    await eventually('it has been tried', async () => {
      const [job] = await queue.getJobs(['delayed', 'active']);
      return (job?.attemptsStarted ?? 0) >= 2 && job?.attemptsMade === 0;
    });
    proxy.answer = () => undefined;
    await untilCompacted([INODE]);
    await expectNothingLeaked([INODE]);
  });
});

describe.runIf(findRedis() !== undefined)("the queue's Redis", () => {
  let service: RedisService;
  let admin: Redis;
  beforeAll(async () => {
    service = await startRedis();
    admin = new Redis(service.url);
  });
  afterAll(async () => {
    admin.disconnect();
    await service.stop();
  });
  afterEach(async () => {
    await admin.config('SET', 'maxmemory', '0');
    await admin.replicaof('NO', 'ONE');
  });
  beforeEach(async () => {
    const env = { ...QUICK, REDIS_URL: service.url, METADATA_URL: inject('redisUrl') };
    world = await E2eWorld.open('outage', { env });
    await writeFile(INODE);
  });

  async function commandsServed(): Promise<number> {
    return Number(/total_commands_processed:(\d+)/.exec(await admin.info('stats'))?.[1]);
  }

  it.each([
    ['full', ['maxmemory', '1'], ['maxmemory', '0']],
    ['read-only', null, null],
  ] as const)('%s: told, no hot loop, and the work goes on soon after', async (_, full, empty) => {
    work();
    await eventually('it is at work', async () => (await world.clients.queue.queue.getWorkersCount()) > 0);
    await world.clients.queue.enqueue(KEY, 'scan');
    if (full === null) await admin.replicaof('127.0.0.1', 1);
    else await admin.config('SET', ...full);
    await eventually('it is reported', async () => (await notReady()).includes('queue is not reachable'));
    const [before, beganMs] = [await commandsServed(), performance.now()];
    await eventually('a while', async () => performance.now() - beganMs > 2_000);
    const perSecond = ((await commandsServed()) - before) / ((performance.now() - beganMs) / 1_000);
    expect(perSecond).toBeLessThan(200);
    if (empty === null) await admin.replicaof('NO', 'ONE');
    else await admin.config('SET', ...empty);
    await untilReady();
    await untilCompacted([INODE]);
    await expectNothingLeaked([INODE]);
  });

  it('came back empty: what is queued from now on is done', async () => {
    work();
    await eventually('it is at work', async () => (await world.clients.queue.queue.getWorkersCount()) > 0);
    await admin.flushall();
    await world.clients.queue.enqueue(KEY, 'scan');
    await eventually(
      'it is compacted',
      async () => (await world.clients.queue.queue.getCompletedCount()) === 1,
      BACK_WITHIN_MS,
    );
    await untilCompacted([INODE]);
  });
});

describe.runIf(findRedis() !== undefined)("the queue's Redis is stopped and started again", () => {
  let kept: KeptRedis;
  beforeAll(async () => {
    kept = await startKeptRedis();
  });
  afterAll(() => kept.stop());

  it('told while it is away; then the queue is worked off, with nothing lost', async () => {
    const env = { ...QUICK, REDIS_URL: kept.url, METADATA_URL: inject('redisUrl') };
    world = await E2eWorld.open('outage', { env });
    const inodeIds = [INODE, 901n, 902n, 903n];
    for (const inodeId of inodeIds) await writeFile(inodeId);
    work();
    for (const inodeId of inodeIds) await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
    await kept.server.end('SIGTERM');
    await eventually('it is reported', async () => (await notReady()).includes('queue is not reachable'));
    await kept.server.start();
    await untilReady();
    await untilCompacted(inodeIds);
    await expectNothingLeaked(inodeIds);
  });
});
