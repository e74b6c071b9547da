/**
 * `s3compact scan` on real servers: what it queues against the worker's own judgement, twice at once, killed, and with a
 * Redis that is out of memory, read-only or away.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { planPolicy, worthwhileChunks } from '../../src/compact/choose-chunks.ts';
import { loadSettings } from '../../src/config/index.ts';
import { inodeKeys } from '../../src/metadata/port.ts';
import { RedisMetadata } from '../../src/metadata/redis/redis.ts';
import { COMPACT_QUEUE } from '../../src/queue/compact-queue.ts';
import { connectRedis } from '../../src/redis/client.ts';
import type { Backlog } from '../../src/scan-port.ts';
import { MetadataFixture, record, runCli } from '../cli/fixture.ts';
import { findRedis, type RedisService, startRedis } from '../kit/servers/redis.ts';
import { startProxy } from '../metadata/proxy.ts';
import { eventually } from '../queue/world.ts';
import { uniquePrefix } from '../setup/isolation.ts';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
const POLICY = planPolicy(loadSettings({ flags: {}, env: {} }));

interface ScanJson {
  readonly ending: string;
  readonly queued: number;
  readonly resumedInodes: number;
  readonly backlog: Backlog;
  readonly top: readonly {
    readonly key: { readonly inodeId: string };
    readonly score: number;
    readonly backlog: Backlog;
  }[];
}

let fixture: MetadataFixture;
let queuePrefix: string;
const services: RedisService[] = [];

/** Of its own: SCAN passes over the keys of everybody on a server. */
let main: RedisService;
beforeAll(async () => {
  main = await startRedis();
  services.push(main);
});
beforeEach(() => {
  fixture = new MetadataFixture(main.url);
  queuePrefix = uniquePrefix('scan-q');
});
afterEach(() => fixture.close());
afterAll(() => Promise.all(services.map((service) => service.stop())));

/** Files of many shapes: small, fragmented, cut off, covered, of several chunks, and what is no linked S3 file. */
async function fill(inodes: number): Promise<void> {
  await fixture.filesystem(1);
  const batch = fixture.redis.pipeline();
  for (let n = 0; n < inodes; n++) {
    const key = `${fixture.prefix}:{1:${n}}`;
    const kind = n % 8;
    const length = kind === 3 ? 20 : 64 * (kind === 5 ? 3 : 1);
    batch.hset(key, { length, nlink: kind === 6 ? 0 : 1, mtimeMs: 1, type: kind === 7 ? 'directory' : 's3' });
    const chunks = kind === 5 ? 3 : 1;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const versions = kind === 0 ? 1 : kind === 1 || kind === 5 ? 21 + (n % 30) : kind === 2 ? 3 : 8;
      const at = (v: number) => (kind === 4 ? 0 : chunk * 64 + ((v * 5) % 60));
      const records = Array.from({ length: versions }, (_, v) => record(v + 1, at(v), 4));
      batch.rpush(`${key}:${chunk}`, ...records).sadd(`${key}:chunks`, chunk);
    }
  }
  await batch.exec();
}

/** What the worker itself would find something to do in, read one by one through the port. */
async function worthIt(): Promise<Set<string>> {
  const metadata = new RedisMetadata({
    redis: connectRedis(main.url, { profile: 'metadata' }),
    keyPrefix: fixture.prefix,
  });
  const found = new Set<string>();
  const filesystem = await metadata.getFilesystem(1);
  if (filesystem === null) throw new Error('no file system');
  for await (const key of inodeKeys(metadata, 1)) {
    const inode = await metadata.getInode(key);
    if (inode === null || inode.type !== 's3' || inode.nlink === 0) continue;
    const { chunks } = await worthwhileChunks(key, { metadata, filesystem, policy: POLICY, chunksMax: 10 });
    if (chunks.length > 0) found.add(`${key.inodeId}`);
  }
  await metadata.close();
  return found;
}

const env = (more: Readonly<Record<string, string>> = {}) => ({
  REDIS_URL: main.url,
  METADATA_URL: main.url,
  METADATA_PREFIX: fixture.prefix,
  QUEUE_PREFIX: queuePrefix,
  S3COMPACT_LOG_LEVEL: 'error',
  ...more,
});

async function scan(flags: readonly string[] = [], more: Readonly<Record<string, string>> = {}) {
  const ending = await runCli(['scan', '1', '--json', ...flags], env(more));
  return { ...ending, json: (ending.stdout === '' ? {} : JSON.parse(ending.stdout)) as ScanJson };
}

/** Inode ids of all jobs in the queue, in the order in which workers get them; one that is queued twice is there twice. */
async function queued(redis: Redis): Promise<string[]> {
  const key = (rest: string) => `${queuePrefix}:${COMPACT_QUEUE}:${rest}`;
  const lists = [await redis.lrange(key('wait'), 0, -1), await redis.lrange(key('active'), 0, -1)];
  const ids = [...lists.flat(), ...(await redis.zrange(key('prioritized'), 0, '-1'))];
  const data = await Promise.all(ids.map((id) => redis.hget(key(id), 'data')));
  return data.map((text) => (JSON.parse(text ?? '{}') as { inodeId: string }).inodeId);
}

describe('a scan', () => {
  test('leaves what was written lately, and the next one finds it when it has come to rest; looking notes nothing', async () => {
    await fixture.filesystem(1, { nextChunkId: 9 });
    const pieces = Array.from({ length: 8 }, (_, n) => record(n + 1, 8 * n, 8));
    await fixture.inode(1, { id: 5, length: 64, chunks: { 0: pieces } });
    const { uuid } = await fixture.redis.hgetall(`${fixture.prefix}:{1}`);
    const notes = `${queuePrefix}:ids:${uuid}`;
    const dial = ['--aggressiveness', '24'];
    expect((await scan(['--dry-run', ...dial])).json.backlog.inodesWorthIt).toBe(1);
    expect(await fixture.redis.exists(notes)).toBe(0);
    const old = (id: number) => fixture.redis.rpush(notes, `${Date.now() - 3_600_000} ${id}`);
    await old(0);
    expect((await scan(dial)).json).toMatchObject({ queued: 0, backlog: { inodes: 1, inodesWorthIt: 0 } });
    // What it noted, an hour later.
    expect((await fixture.redis.lrange(notes, 0, -1)).map((note) => note.split(' ')[1])).toEqual(['0', '9']);
    await fixture.redis.del(notes);
    await old(9);
    expect((await scan(dial)).json).toMatchObject({ queued: 1, backlog: { inodesWorthIt: 1 } });
  });

  test("queues what the worker's own look finds work in, the best first, once; --top and --dry-run change nothing", async () => {
    await fill(1_000);
    const expected = await worthIt();
    expect(expected.size).toBeGreaterThan(300);
    const top = await scan(['--top', '10']);
    const dry = await scan(['--dry-run']);
    // BullMQ notes its version wherever a queue is looked at.
    const kept = (await fixture.redis.keys(`${queuePrefix}:*`)).filter((key) => !key.endsWith(':meta'));
    expect(kept).toEqual([]);
    const { json, exitCode } = await scan();
    expect(exitCode).toBe(0);
    expect(json).toMatchObject({ ending: 'done', queued: expected.size });
    expect(json.backlog).toEqual(dry.json.backlog);
    expect(json.backlog).toMatchObject({ inodes: 1_000, inodesWorthIt: expected.size, unreadable: 0 });
    const order = await queued(fixture.redis);
    expect(order.toSorted()).toEqual([...expected].toSorted());
    // Nobody took a job meanwhile: behind the few that were fed while the walk went on the whole queue is in order.
    const all = await scan(['--top', '10000']);
    const scores = new Map(all.json.top.map(({ key, score }) => [key.inodeId, score]));
    const inOrder = order.slice(100).map((id) => scores.get(id) ?? -1);
    expect(inOrder.length).toBeGreaterThan(200);
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => b - a));
    expect(top.json.top).toEqual(all.json.top.slice(0, 10));
    expect(json.backlog.storedBytes).toBeGreaterThan(json.backlog.visibleBytes);
    const byWaste = await scan(['--top', '10000', '--sort', 'waste']);
    const waste = byWaste.json.top.map(({ backlog }) => backlog.storedBytes - backlog.visibleBytes);
    expect(waste).toEqual(waste.toSorted((a, b) => b - a));
    expect(waste.reduce((sum, bytes) => sum + bytes, 0)).toBe(json.backlog.storedBytes - json.backlog.visibleBytes);
    const again = await scan();
    expect(again.json).toMatchObject({ ending: 'done', queued: 0, backlog: json.backlog });
    const status = await runCli(['status', '--json'], env());
    expect(JSON.parse(status.stdout)).toMatchObject({
      queues: [{ name: 'compact', waiting: expected.size }, { name: 'reap' }],
      scans: [{ fsId: 1, backlog: json.backlog }],
    });
  });

  test('a file system that does not exist: told at once', async () => {
    const { exitCode, stderr } = await scan();
    expect(exitCode).toBe(4);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'filesystem-missing' } });
    expect((await runCli(['pause', '1', '--json'], env())).exitCode).toBe(4);
  });

  test('a paused file system is not scanned, and is after its resume', async () => {
    await fill(100);
    const paused = await runCli(['pause', '1', '--json'], env());
    expect(JSON.parse(paused.stdout)).toEqual({ paused: true, fsId: 1, reap: false, already: false });
    expect(await scan()).toMatchObject({ exitCode: 3, json: { ending: 'paused', queued: 0 } });
    expect((await runCli(['status'], env())).stdout).toMatch(/paused: file system 1 \(for [^)]+, by [^)]+:\d+\)/);
    expect((await runCli(['resume', '1'], env())).stdout).toBe('file system 1 is resumed\n');
    expect((await runCli(['pause'], env())).stdout).toBe('everything but deleting is paused\n');
    expect(await scan()).toMatchObject({ exitCode: 3, json: { ending: 'paused', queued: 0 } });
    await runCli(['resume'], env());
    expect(await scan()).toMatchObject({ exitCode: 0, json: { ending: 'done' } });
  });
});

const servers = [['the run’s own', 'given'] as const, ['embedded Valkey', 'embedded'] as const];

describe.each(servers)('two scans at once (%s)', (_name, kind) => {
  test('never make two jobs of one inode, waiting or in work', async () => {
    await fill(1_500);
    const expected = await worthIt();
    const own = kind === 'embedded' ? await startRedis({ prefer: 'embedded' }) : null;
    if (own !== null) services.push(own);
    const url = own?.url ?? main.url;
    const redis = new Redis(url);
    const runs = await Promise.all([
      scan([], { REDIS_URL: url }),
      scan([], { REDIS_URL: url }),
      scan([], { REDIS_URL: url }),
    ]);
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(runs.reduce((sum, { json }) => sum + json.queued, 0)).toBe(expected.size);
    expect((await queued(redis)).toSorted()).toEqual([...expected].toSorted());
    redis.disconnect();
  });
});

describe('a scan that is killed', () => {
  test('at any moment: the next one goes on, and every inode is queued once', async () => {
    await fill(1_200);
    const expected = await worthIt();
    let kills = 0;
    for (let n = 0; n < 2; n++) {
      const child = spawn(process.execPath, [COMMAND, 'scan', '1'], {
        env: { ...process.env, ...env({ S3COMPACT_SCAN_QUEUE_MAX: `${200 * (n + 1)}` }) },
        stdio: 'ignore',
      });
      const ended = once(child, 'exit');
      const feeding = async () => child.exitCode !== null || (await queued(fixture.redis)).length >= 100 * (2 * n + 1);
      await eventually('it feeds the queue', feeding);
      if (child.kill('SIGKILL')) kills++;
      await ended;
    }
    expect(kills).toBeGreaterThan(0);
    const { json } = await scan();
    expect(json).toMatchObject({ ending: 'done', backlog: { inodes: 1_200, inodesWorthIt: expected.size } });
    expect((await queued(fixture.redis)).toSorted()).toEqual([...expected].toSorted());
  });
});

describe('a Redis in trouble', () => {
  async function ownQueue(): Promise<{ readonly service: RedisService; readonly redis: Redis }> {
    const service = await startRedis();
    services.push(service);
    return { service, redis: new Redis(service.url) };
  }

  test('out of memory: a clear error, nothing lost; when there is room again the scan does the rest', async () => {
    await fill(800);
    const expected = await worthIt();
    const { service, redis } = await ownQueue();
    await redis.config('SET', 'maxmemory', '1');
    const flags = { REDIS_URL: service.url, S3COMPACT_SCAN_PATIENCE: '1s' };
    const failed = await scan([], flags);
    expect(failed.exitCode).toBe(3);
    expect(JSON.parse(failed.stderr)).toMatchObject({ error: { code: 'queue-unavailable', kind: 'retry' } });
    expect(failed.stderr).toContain('OOM');
    await redis.config('SET', 'maxmemory', '0');
    expect((await scan([], flags)).json).toMatchObject({ ending: 'done', queued: expected.size });
    expect((await queued(redis)).toSorted()).toEqual([...expected].toSorted());
    redis.disconnect();
  });

  test('out of memory for a while: the scan waits and ends well', async () => {
    await fill(800);
    const expected = await worthIt();
    const { service, redis } = await ownQueue();
    await redis.config('SET', 'maxmemory', '1');
    const running = scan([], { REDIS_URL: service.url, S3COMPACT_SCAN_PATIENCE: '1m' });
    await eventually('it was refused', async () => /errorstat_OOM:count=[1-9]/.test(await redis.info('errorstats')));
    await redis.config('SET', 'maxmemory', '0');
    expect((await running).json).toMatchObject({ ending: 'done', queued: expected.size });
    redis.disconnect();
  });

  test.runIf(findRedis() !== undefined)('a read-only replica as the queue is refused at the start', async () => {
    await fill(8);
    const { service, redis } = await ownQueue();
    await redis.replicaof('127.0.0.1', '1');
    const { exitCode, stderr } = await scan([], { REDIS_URL: service.url });
    expect(exitCode).toBe(4);
    expect(stderr).toContain('replica');
    redis.disconnect();
  });

  test.runIf(findRedis() !== undefined)(
    'metadata on a read-only replica can be scanned: a scan writes none',
    async () => {
      await fill(200);
      const expected = await worthIt();
      const { service, redis } = await ownQueue();
      const [, port] = new URL(main.url).host.split(':');
      await redis.replicaof('127.0.0.1', Number(port));
      const seen = async () => (await redis.exists(`${fixture.prefix}:{1:0}`).catch(() => 0)) === 1;
      await eventually('the replica has the data', seen);
      expect((await scan([], { METADATA_URL: service.url })).json).toMatchObject({
        ending: 'done',
        queued: expected.size,
      });
      redis.disconnect();
    },
  );

  test('the queue goes away in the middle and comes back: the scan goes on; away for good: it ends, and the next goes on', async () => {
    await fill(1_500);
    const expected = await worthIt();
    const { service, redis } = await ownQueue();
    const proxy = await startProxy(Number(new URL(service.url).port));
    const through = { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, S3COMPACT_REDIS_TIMEOUT: '1s' };
    const feeding = (least: number) => async () => (await queued(redis)).length >= least;
    const running = scan([], { ...through, S3COMPACT_SCAN_QUEUE_MAX: '100', S3COMPACT_SCAN_PATIENCE: '2s' });
    await eventually('it feeds', feeding(50));
    proxy.set('refuse');
    const failed = await running;
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toContain('queue-unavailable');
    proxy.set('pass');
    const next = scan([], { ...through, S3COMPACT_SCAN_PATIENCE: '1m', S3COMPACT_SCAN_QUEUE_MAX: '600' });
    await eventually('it feeds again', feeding(300));
    proxy.set('refuse');
    await new Promise((resolve) => setImmediate(resolve));
    proxy.set('pass');
    const key = `${queuePrefix}:${COMPACT_QUEUE}:prioritized`;
    const taken = async () => {
      // A worker that takes away what waits, so that there is room.
      for (const id of await redis.zrange(key, 0, '99')) await redis.zrem(key, id);
      return (await redis.keys(`${queuePrefix}:${COMPACT_QUEUE}:de:*`)).length === expected.size;
    };
    await eventually('every inode was queued', taken, 40_000);
    expect((await next).json.ending).toBe('done');
    redis.disconnect();
    await proxy.close();
  });
});
