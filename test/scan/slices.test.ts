/** A scan over a JuiceFS volume: what it queues is what a run compacts, what it counts, and what it cannot read. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { CompactError } from '../../src/errors.ts';
import type { Filesystem, InodeKey } from '../../src/model.ts';
import { scanWalk } from '../../src/scan/scan.ts';
import { walkOfSlices } from '../../src/scan/slices.ts';
import type { ScanParts, ScanReport } from '../../src/scan/types.ts';
import type { ScanPosition, ScoredInode } from '../../src/scan-port.ts';
import { LIMITS, SliceWorld } from '../compact/slice-world.ts';

let redis: Redis;

beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
});

afterAll(() => redis.quit());

interface Scanned {
  readonly report: ScanReport;
  readonly queued: readonly ScoredInode[];
  readonly unreadable: readonly InodeKey[];
}

async function scan(world: SliceWorld, position: ScanPosition | null = null): Promise<Scanned> {
  const queued: ScoredInode[] = [];
  const unreadable: InodeKey[] = [];
  const parts: ScanParts = {
    queue: {
      waitingCount: async () => 0,
      enqueueBest: async (_: number, best: readonly ScoredInode[]) => queued.push(...best) && best.length,
    },
    control: { isPaused: async () => false },
    quarantine: { among: async () => new Set<string>() },
    book: { position: async () => position, setPosition: async () => undefined, setResult: async () => undefined },
    clock: systemClock,
    nowMs: async () => world.now(),
  } as unknown as ScanParts;
  const walk = walkOfSlices(world.raw.volume, await world.raw.volume.setting());
  const filesystem = { fsId: 1, uuid: 'uuid' } as Filesystem;
  const report = await scanWalk(
    filesystem,
    { ...parts, walk },
    {
      ...{ policy: LIMITS.policy, queueMax: 1_000, concurrency: 2, patienceMs: 1_000, by: 'test' },
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

it('that was stopped begins anew, and counts nothing twice', async () => {
  const world = await SliceWorld.make(redis);
  await world.file(3);
  for (let n = 0; n < 20; n++) await world.write(3, n * 40, 60);
  const whole = await scan(world);
  const backlog = { ...whole.report.backlog, inodes: 77 };
  const stopped = { cursor: 'somewhere', backlog, by: 'another', savedMs: world.now(), startedMs: world.now() };
  const again = await scan(world, stopped);
  expect(again.report).toMatchObject({ backlog: whole.report.backlog, restarts: 1, queued: 1 });
});
