/** Whose queue it is where files are a JuiceFS volume's, and what becomes of work when another volume stands at its address. */
import { randomUUID } from 'node:crypto';
import perfHooks from 'node:perf_hooks';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { createLogger } from '../../src/observe/log.ts';
import { ledgerMs } from '../../src/time.ts';
import { askCounts } from '../../src/view/ask-status.ts';
import { runInode } from '../../src/wiring/run-inode.ts';
import { openVolumeClients } from '../../src/wiring/volume-clients.ts';
import type { WorkClients } from '../../src/wiring/work-clients.ts';
import { RawVolume } from '../kit/juicefs/raw-volume.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { startProxy } from '../metadata/proxy.ts';

const INODE = 5;
const KEY = { fsId: 1, inodeId: BigInt(INODE) };

let service: RedisService;
let queue: Redis;
let volumes: Redis[];
let open: WorkClients[];

beforeEach(async () => {
  service = await startRedis();
  queue = new Redis(service.url);
  [volumes, open] = [[], []];
});
afterEach(async () => {
  await Promise.all(open.map((clients) => clients.close()));
  for (const redis of volumes) redis.disconnect();
  queue.disconnect();
  await service.stop();
});

/** A volume with one file that is worth a run, in a database of its own. */
async function format(database: number): Promise<{ readonly redis: Redis; readonly uuid: string }> {
  const redis = new Redis(`${service.url}/${database}`);
  volumes.push(redis);
  const uuid = randomUUID();
  const raw = new RawVolume(redis, '');
  await raw.format('vol', { UUID: uuid });
  await raw.fragmented(INODE);
  await raw.volume.close();
  return { redis, uuid };
}

async function clientsOf(
  database: number,
  queuePrefix = 's3compact',
  destination?: { write(line: string): void },
): Promise<WorkClients> {
  const { host } = new URL(service.url);
  const env = {
    METADATA_URL: `juicefs+redis://${host}/${database}`,
    REDIS_URL: service.url,
    QUEUE_PREFIX: queuePrefix,
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
  };
  const log = createLogger(destination === undefined ? { level: 'silent' } : { level: 'info', destination });
  const clients = await openVolumeClients(loadSettings({ flags: {}, env }), log);
  open.push(clients);
  return clients;
}

/** Everything that can be seen of a database. */
async function everything(redis: Redis): Promise<unknown> {
  const keys = (await redis.keys('*')).toSorted();
  return Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)]));
}

it('a queue serves one volume: another one is refused, and says whose it is', async () => {
  const [first, second] = [await format(1), await format(2)];
  await clientsOf(1);
  const before = await everything(second.redis);
  await expect(clientsOf(2)).rejects.toMatchObject({
    code: 'settings-invalid',
    kind: 'halt',
    message: expect.stringMatching(`(?=.*${first.uuid})(?=.*${second.uuid})`),
  });
  expect(await everything(second.redis)).toEqual(before);
  // The same one as often as it likes, and the other in a queue of its own.
  await clientsOf(1);
  await clientsOf(2, 'other');
});

it('a volume that was formatted anew is refused until the old queue is gone, as docs/juicefs.md says', async () => {
  const old = await format(1);
  const before = await clientsOf(1);
  await before.queue.enqueue(KEY, 'continuation');
  await before.close();
  await old.redis.flushdb();
  await format(1);
  await expect(clientsOf(1)).rejects.toMatchObject({ message: expect.stringContaining(old.uuid) });
  await queue.del(...(await queue.keys('s3compact:*')));
  expect(await queue.keys('*')).toEqual([]);
  const after = await clientsOf(1);
  expect(await after.queue.jobIdOf(KEY)).toBeNull();
});

it('a process that has worked on another volume at the address changes nothing there', async () => {
  const old = await format(1);
  const clients = await clientsOf(1);
  const record = {
    storeId: clients.metadata.storeId,
    fsUuid: old.uuid,
    bucket: 'bucket',
    key: KEY,
    chunkIndex: 0,
    attempt: 77n,
    incarnation: '',
    dueMs: ledgerMs(0),
    graceMs: 0,
    retired: [],
    merged: ['vol/chunks/0/0/1_0_1'],
  };
  await old.redis.flushdb();
  const { redis } = await format(1);
  const before = await everything(redis);
  const another = { kind: 'halt', code: 'filesystem-missing', message: expect.stringContaining(old.uuid) };
  await expect(clients.run.compact(KEY, { limits: clients.run.limits })).rejects.toMatchObject(another);
  const parts = { ...clients.run, book: clients.scans } as unknown as Parameters<WorkClients['scan']>[1];
  const signal = AbortSignal.timeout(60_000);
  await expect(
    clients.scan(1, parts, { signal } as unknown as Parameters<WorkClients['scan']>[2]),
  ).rejects.toMatchObject(another);
  expect(await clients.reaper.look(record)).toMatchObject({ kind: 'again', doubt: expect.stringContaining(old.uuid) });
  expect(await everything(redis)).toEqual(before);
});

it('a run that waits for ids to grow old says so, with the seconds that are left: to whoever looks, and once in the log', async () => {
  await format(1);
  const lines: string[] = [];
  const clients = await clientsOf(1, 's3compact', { write: (line: string) => lines.push(line) });
  const stop = new AbortController();
  const { observer, run } = clients;
  const watched = observer.watchRun({ fsId: 1, inodeId: `${INODE}` }, (record) =>
    runInode(KEY, run, { observer: record, signal: stop.signal }),
  );
  await expect.poll(() => observer.waits(), { timeout: 600_000 }).toMatchObject({ for: 'ids' });
  expect(observer.waits()?.what).toMatch(/^[1-6]?[0-9] s until the ids for new slices are old enough$/);
  stop.abort();
  expect(await watched).toMatchObject({ report: { code: 'cancelled' } });
  expect(observer.waits()).toBeNull();
  const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(logged.filter(({ event }) => event === 'ids.waiting')).toMatchObject([
    {
      level: 'info',
      fsId: 1,
      inodeId: `${INODE}`,
      ms: 60_000,
      msg: 'the run waits 60 s until the ids for new slices are old enough',
    },
  ]);
});

it('a volume that cannot be worked on leaves no connection open', async () => {
  const { redis } = await format(1);
  await redis.set('setting', 'no JSON');
  const mine = async () =>
    (await queue.client('LIST'))
      ?.toString()
      .split('\n')
      .filter((line) => / db=1 /.test(line)).length;
  const before = await mine();
  await expect(clientsOf(1)).rejects.toMatchObject({ code: 'filesystem-malformed' });
  await expect.poll(mine, { timeout: 600_000 }).toBe(before);
});

it('a try while the volume is away leaves nothing that runs: a worker tries again until it is there', async () => {
  const timers = vi.spyOn(perfHooks, 'monitorEventLoopDelay');
  const env = { REDIS_URL: service.url, S3COMPACT_METRICS_PORT: '9464', S3COMPACT_REDIS_TIMEOUT: '1s' };
  const settingsFor = (redis: string) => loadSettings({ flags: {}, env: { ...env, METADATA_URL: `juicefs+${redis}` } });
  const log = createLogger({ level: 'silent' });
  try {
    const away = settingsFor(`redis://127.0.0.1:${await freePort()}/1`);
    for (const _ of [1, 2]) {
      await expect(openVolumeClients(away, log, { connectMs: 50 })).rejects.toMatchObject({
        code: 'metadata-unavailable',
        kind: 'retry',
      });
    }
    expect(timers).not.toHaveBeenCalled();
    await format(1);
    open.push(await openVolumeClients(settingsFor(`${service.url}/1`), log));
    expect(timers).toHaveBeenCalledTimes(1);
  } finally {
    timers.mockRestore();
  }
});

it('a volume whose Redis went away is said to be away: by status, and by /readyz, which ask for file system 0', async () => {
  await format(1);
  const proxy = await startProxy(Number(new URL(service.url).port));
  try {
    const env = { METADATA_URL: `juicefs+redis://127.0.0.1:${proxy.port}/1`, S3COMPACT_REDIS_TIMEOUT: '1s' };
    const settings = loadSettings({ flags: {}, env: { ...env, REDIS_URL: service.url } });
    const clients = await openVolumeClients(settings, createLogger({ level: 'silent' }), { connectMs: 600_000 });
    open.push(clients);
    const seen = async () => (await askCounts(clients)).health.servers.find(({ name }) => /metadata/.test(name));
    await expect.poll(seen, { timeout: 600_000 }).toMatchObject({ state: 'ok' });
    await expect(clients.metadata.getFilesystem(0)).resolves.toBeNull();
    proxy.set('mute');
    await expect(clients.metadata.getFilesystem(0)).rejects.toMatchObject({ code: 'metadata-unavailable' });
    expect(await seen()).toMatchObject({ state: 'failing' });
  } finally {
    await proxy.close();
  }
});
