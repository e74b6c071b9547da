/** A scan over a JuiceFS volume: what it queues is what a run compacts, what it counts, and what it cannot read. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { CompactError } from '../../src/errors.ts';
import { REST_MS } from '../../src/ledger.ts';
import type { SliceVolume, WalkPage } from '../../src/metadata/slice-volume.ts';
import type { Filesystem, InodeKey, PlanPolicy } from '../../src/model.ts';
import { scanWalk } from '../../src/scan/scan.ts';
import { walkOfSlices } from '../../src/scan/slices.ts';
import type { ScanOptions, ScanParts, ScanProgress, ScanReport } from '../../src/scan/types.ts';
import type { ScanPosition, ScoredInode } from '../../src/scan-port.ts';
import { wallMs } from '../../src/time.ts';
import { LIMITS, SliceWorld } from '../compact/slice-world.ts';
import { encodeAttributes, encodeSlice } from '../kit/juicefs/encode.ts';
import { wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';

let server: RedisService;
let redis: Redis;

/** Of its own, so that all keys of a small volume are met in one page. */
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

interface Scanned {
  readonly report: ScanReport;
  readonly queued: readonly ScoredInode[];
  readonly unreadable: readonly InodeKey[];
}

interface ScanWish extends Pick<ScanOptions, 'signal' | 'onProgress'> {
  readonly policy?: PlanPolicy;
  readonly volume?: SliceVolume;
  readonly keep?: (position: ScanPosition | null) => void;
}

async function scan(
  world: SliceWorld,
  position: ScanPosition | null = null,
  { volume = world.raw.volume, keep, ...options }: ScanWish = {},
): Promise<Scanned> {
  const queued: ScoredInode[] = [];
  const unreadable: InodeKey[] = [];
  const parts: ScanParts = {
    queue: {
      waitingCount: async () => 0,
      enqueueBest: async (_: number, best: readonly ScoredInode[]) => queued.push(...best) && best.length,
    },
    control: { isPaused: async () => false },
    quarantine: { among: async () => new Set<string>() },
    book: {
      position: async () => position,
      setResult: async () => undefined,
      setPosition: async (_: string, at: ScanPosition | null) => keep?.(at),
    },
    clock: systemClock,
    nowMs: async () => world.now(),
  } as unknown as ScanParts;
  const walk = walkOfSlices(volume, await volume.setting());
  const filesystem = { fsId: 1, uuid: 'uuid' } as Filesystem;
  const report = await scanWalk(
    filesystem,
    { ...parts, walk },
    {
      policy: LIMITS.policy,
      queueMax: 1_000,
      concurrency: 2,
      patienceMs: 60_000,
      by: 'test',
      ...options,
      onUnreadable: (key: InodeKey, _: CompactError) => unreadable.push(key),
    },
  );
  return { report, queued, unreadable };
}

it('queues what a run compacts, the best first, and counts the rest', async () => {
  const world = await SliceWorld.make(redis);
  for (const inode of [2, 3, 4, 5, 6]) await world.file(inode);
  await world.write(2, 0, 5_000);
  for (let n = 0; n < 20; n++) await world.write(3, n * 40, 60);
  for (let n = 0; n < 6; n++) await world.write(4, n * 300, 400);
  for (let n = 0; n < 6; n++) await world.write(5, n * 900, 2_000);
  await world.raw.inode(5, { nlink: 0, length: 10_000 });
  await world.raw.list(6, 0, [Buffer.from('no record')]);
  // A list of a file that is gone.
  await world.write(9, 0, 100);
  const { report, queued, unreadable } = await scan(world);
  expect(report).toMatchObject({ ending: 'done', queued: 2, restarts: 0 });
  expect(report.backlog).toMatchObject({ inodes: 4, inodesWorthIt: 2, chunksWorthIt: 2, unreadable: 1 });
  expect(unreadable.map(({ inodeId }) => inodeId)).toEqual([6n]);
  expect(queued.map(({ key }) => Number(key.inodeId)).toSorted()).toEqual([3, 4]);
  expect(queued[0]?.score).toBeGreaterThan(queued[1]?.score ?? Number.POSITIVE_INFINITY);
  let [gets, bytes] = [0, 0];
  for (const { key } of queued) {
    const { outcome, gain } = await world.compact(Number(key.inodeId));
    expect(outcome).toBe('compacted');
    gets += gain.getsBefore - gain.getsAfter;
    bytes += gain.storedBytesBefore - gain.storedBytesAfter;
  }
  expect(report.backlog).toMatchObject({ getsSaved: gets, bytesReclaimed: bytes });
  expect(await world.compact(2)).toMatchObject({ outcome: 'nothing' });
  expect((await scan(world)).queued).toEqual([]);
});

it('with a place of another server begins anew, and counts nothing twice', async () => {
  const world = await SliceWorld.make(redis);
  await world.file(3);
  for (let n = 0; n < 20; n++) await world.write(3, n * 40, 60);
  const whole = await scan(world);
  const backlog = { ...whole.report.backlog, inodes: 77 };
  const stopped = { cursor: 'somewhere', backlog, by: 'another', savedMs: world.now(), startedMs: world.now() };
  const again = await scan(world, stopped);
  expect(again.report).toMatchObject({ backlog: whole.report.backlog, restarts: 1, queued: 1 });
});

/** The first page for which it is so. */
async function firstPage(walk: AsyncIterable<WalkPage>, isSo: (page: WalkPage) => boolean): Promise<WalkPage> {
  for await (const page of walk) if (isSo(page)) return page;
  throw new Error('the walk has no such page');
}

describe('of a volume with thousands of files', () => {
  const FILES = 2_000;
  let service: RedisService;
  let own: Redis;
  let world: SliceWorld;

  beforeAll(async () => {
    service = await startRedis();
    own = new Redis(service.url);
    world = await SliceWorld.make(own);
    const batch = own.pipeline();
    for (let inode = 2; inode < FILES + 2; inode++) {
      // Three chunks are asked for: several pages of lists for one page of keys.
      batch.set(world.key(`i${inode}`), encodeAttributes({ length: 3 * 64 * 1024 * 1024 }));
      const records = Array.from({ length: 6 }, (_, n) => encodeSlice(wholeSlice(inode * 10 + n, n * 100, 100)));
      batch.rpush(world.key(`c${inode}_0`), ...records);
    }
    await batch.exec();
  });
  afterAll(async () => {
    await world.raw.volume.close();
    own.disconnect();
    await service.stop();
  });

  const inodesIn = ({ parts }: WalkPage) => parts.flatMap((part) => (part.kind === 'file' ? [part.file.inodeId] : []));

  it('a walk goes on behind each of its places, and both halves have met every file', async () => {
    const all = Array.from({ length: FILES }, (_, n) => BigInt(n + 2));
    const pages: WalkPage[] = [];
    for await (const page of world.raw.volume.walk()) pages.push(page);
    const places = pages.flatMap(({ cursor }, n) => (typeof cursor === 'string' ? [{ cursor, n }] : []));
    expect(places.length).toBeGreaterThan(2);
    expect(new Set(pages.slice(0, places[0]?.n).flatMap(inodesIn)).size).toBeLessThan(FILES);
    expect(pages.length).toBeGreaterThan(2 * places.length);
    for (const { cursor, n } of places) {
      const met = new Set(pages.slice(0, n + 1).flatMap(inodesIn));
      for await (const page of world.raw.volume.walk(cursor)) {
        expect(page.restarted).toBe(false);
        for (const inodeId of inodesIn(page)) met.add(inodeId);
      }
      expect([...met].toSorted((a, b) => Number(a - b))).toEqual(all);
    }
  });

  it('a place in another life of the server is not used', async () => {
    const { volume } = world.raw;
    const first = await firstPage(volume.walk(), () => true);
    const { cursor } = await firstPage(volume.walk(), (page) => typeof page.cursor === 'string');
    const again = await firstPage(volume.walk(`${cursor}`.replace(/[0-9a-f]{40}/, '0'.repeat(40))), () => true);
    expect(again.restarted).toBe(true);
    expect(inodesIn(again)).toEqual(inodesIn(first));
  });

  it('a scan that was stopped goes on where it was, counts nothing twice, and queues every file once', async () => {
    const whole = await scan(world);
    expect(whole.report).toMatchObject({ backlog: { inodes: FILES, inodesWorthIt: FILES }, restarts: 0 });
    const stop = new AbortController();
    let position: ScanPosition | null = null;
    const onProgress = ({ backlog }: ScanProgress) => {
      if (backlog.inodes > FILES / 4) stop.abort();
    };
    const keep = (at: ScanPosition | null) => {
      position = at;
    };
    const before = await scan(world, null, { signal: stop.signal, onProgress, keep });
    expect(before.report.ending).toBe('stopped');
    const after = await scan(world, position);
    expect(after.report).toMatchObject({ ending: 'done', restarts: 0, backlog: whole.report.backlog });
    expect(after.report.resumedInodes).toBeGreaterThan(0);
    const keys = (queued: readonly ScoredInode[]) => new Set(queued.map(({ key }) => key.inodeId));
    expect(keys([...before.queued, ...after.queued])).toEqual(keys(whole.queued));
  });

  it('a failure in the middle of a page begins anew, since what was found would be found again', async () => {
    const { volume } = world.raw;
    const whole = await scan(world);
    let failures = 0;
    const walk = async function* (cursor?: string): AsyncGenerator<WalkPage> {
      for await (const page of volume.walk(cursor)) {
        yield page;
        if (page.cursor === undefined && failures++ === 0)
          throw new CompactError('away', { kind: 'retry', code: 'metadata-unavailable' });
      }
    };
    const failing = Object.assign(Object.create(volume) as typeof volume, { setting: () => volume.setting(), walk });
    const again = await scan(world, null, { volume: failing });
    expect(again.report).toMatchObject({ backlog: whole.report.backlog, restarts: 1 });
  });
});

it('takes a GET for worth four times as much in a file at rest, and so does a run', async () => {
  const world = await SliceWorld.make(redis);
  const nowMs = wallMs(world.now());
  // Five slices become three objects: two GETs for 6,000 bytes that are moved.
  const policy = { ...LIMITS.policy, bytesPerGet: 1_000 };
  const write = async (inode: number, mtimeMs: number) => {
    await world.file(inode);
    await world.raw.inode(inode, { length: 3_000, mtimeSeconds: mtimeMs / 1000 });
    for (let n = 0; n < 5; n++) await world.write(inode, n * 600, 600);
  };
  await write(2, nowMs - REST_MS);
  await write(3, nowMs - REST_MS + 1_000);
  // By a client whose clock is wrong.
  await write(4, nowMs + 3_600_000);
  const inodes = ({ queued }: Scanned) => queued.map(({ key }) => Number(key.inodeId));
  expect(inodes(await scan(world, null, { policy }))).toEqual([2]);
  expect(inodes(await scan(world, null, { policy: { ...policy, storagePrice: 0 } }))).toEqual([]);
  for (const inode of [3, 4])
    expect(await world.compact(inode, world.process(), { policy })).toMatchObject({ outcome: 'nothing' });
  expect(await world.compact(2, world.process(), { policy })).toMatchObject({ outcome: 'compacted' });
  expect(await world.compact(2, world.process(), { policy })).toMatchObject({ outcome: 'nothing' });
  expect(inodes(await scan(world, null, { policy }))).toEqual([]);
  // Four minutes later the others rest, too: the next scan finds them.
  world.ledger.nowMs = nowMs + REST_MS;
  expect(inodes(await scan(world, null, { policy }))).toEqual([3]);
  expect(await world.compact(3, world.process(), { policy })).toMatchObject({ outcome: 'compacted' });
});
