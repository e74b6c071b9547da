/**
 * A run over a file of a JuiceFS volume, on a real Redis: random files, every failure and death at every call, clients that
 * act between any two, what is refused, and what is not uploaded yet.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import type { SliceCommitRequest, SliceFence } from '../../src/metadata/slice-commits.ts';
import { reapSlices } from '../../src/reap/reap-slices.ts';
import { type RawSlice, settingJson } from '../kit/juicefs/encode.ts';
import { wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { Boundary, CALL_ENDINGS, ProcessGone } from '../sim/boundary.ts';
import { BLOCK, BUCKET, LIMITS, SliceWorld } from './slice-world.ts';

let redis: Redis;

beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
});

afterAll(() => redis.quit());

const FILE = 7;

/** A file in small pieces: writes over each other, a hole, a clone that shares all of it, and a record narrowed by hand. */
async function worn(setting: Readonly<Record<string, unknown>> = {}): Promise<SliceWorld> {
  const world = await SliceWorld.make(redis, setting);
  await world.file(FILE);
  await world.write(FILE, 0, 200);
  await world.clone(FILE, 8);
  await world.write(FILE, 0, 3 * BLOCK);
  for (let n = 0; n < 6; n++) await world.write(FILE, n * 700, 300);
  await world.append(FILE, { pos: 900, id: 0, size: 0, off: 0, len: 450 });
  await world.write(FILE, 9_000, 2_500);
  await world.append(FILE, { ...wholeSlice(world.lastId, 14_000, 2_500), off: 1_000, len: 700 });
  await redis.hset(world.key('sliceRef'), `k${world.lastId}_2500`, '1');
  return world;
}

describe('a run', () => {
  it('leaves every byte, fewer records and exact references; nothing is left when all is done', async () => {
    for (const TrashDays of [0, 1]) {
      const world = await worn({ TrashDays });
      const before = (await world.records(FILE)).length;
      const result = await world.compact(FILE);
      expect(result).toMatchObject({ outcome: 'compacted', chunksCompacted: 1, chunksLeft: 0, warnings: [] });
      expect((await world.records(FILE)).length).toBeLessThan(before);
      await world.reapAll();
      await world.check();
      // With a trash the clients delete, when its days are over.
      expect(await redis.hlen(world.key('delSlices'))).toBe(TrashDays);
      await world.hourly(1);
      await world.hourly(0);
      await world.check();
      expect(await world.compact(FILE)).toMatchObject({ outcome: 'nothing' });
    }
  });

  it('on a compressed volume reads and writes whole objects, and says what it has moved', async () => {
    const world = await worn({ Compression: 'zstd' });
    const reads: string[] = [];
    world.stores.before = ({ op, names: [name = ''], offset }) => {
      if (op === 'get') reads.push(`${name.split('/').at(-1)} from ${offset}`);
    };
    const known = new Set(world.stores.bucket(BUCKET).keys());
    const result = await world.compact(FILE);
    expect(result).toMatchObject({ outcome: 'compacted', warnings: [] });
    // Each block of a new slice reads an object once, whatever it shows of it.
    expect(reads.filter((read) => !read.endsWith(' from 0'))).toEqual([]);
    expect(result.cost.readRequests).toBe(reads.length);
    const blocks = reads.map((read) => Number(/_(\d+) /.exec(read)?.[1]));
    expect(result.cost.readBytes).toBe(blocks.reduce((sum, bytes) => sum + bytes, 0));
    const written = [...world.stores.bucket(BUCKET)].filter(([name]) => !known.has(name));
    expect(written.length).toBe(result.cost.writeRequests);
    for (const [name, { bytes }] of written)
      expect(zstdDecompressSync(bytes).length).toBe(Number(name.split('_').at(-1)));
    await world.reapAll();
    await world.hourly(0);
    await world.check();
  });

  it('of random files leaves every byte', async () => {
    const write = fc.record({
      pos: fc.nat({ max: 20_000 }),
      len: fc.integer({ min: 1, max: 3_000 }),
      kind: fc.constantFrom('write', 'write', 'write', 'zero', 'part', 'again'),
    });
    const files = fc.array(write, { minLength: 3, maxLength: 25 });
    let compacted = 0;
    await fc.assert(
      fc.asyncProperty(files, fc.constantFrom(0, 1), fc.nat({ max: 3 }), async (writes, TrashDays, cloned) => {
        const world = await SliceWorld.make(redis, { TrashDays });
        await world.file(FILE);
        await redis.set(world.key('nextchunk'), '0');
        for (const { pos, len, kind } of writes) {
          if (kind === 'zero') await world.append(FILE, { pos, id: 0, size: 0, off: 0, len });
          else if (kind === 'part') {
            const off = pos % 500;
            await world.append(FILE, { ...wholeSlice(await world.slice(len + 800), pos, len + 800), off, len });
          } else if (kind === 'again' && world.lastId > 0) {
            const [record] = (await world.records(FILE)).filter(({ id }) => id > 0);
            if (record === undefined) continue;
            await redis.hincrby(world.key('sliceRef'), `k${record.id}_${record.size}`, 1);
            await world.append(FILE, { ...record, pos });
          } else await world.write(FILE, pos, len);
        }
        if (cloned === 0) await world.clone(FILE, 8);
        const { outcome } = await world.compact(FILE);
        if (outcome === 'compacted') compacted++;
        const records = (await world.records(FILE)).toSorted((a, b) => a.pos - b.pos);
        for (const [n, { pos, len }] of records.entries())
          if (outcome === 'compacted')
            expect(pos + len).toBeLessThanOrEqual(records[n + 1]?.pos ?? Number.MAX_SAFE_INTEGER);
        await world.check({ fences: true });
        await world.reapAll();
        await world.hourly(0);
        await world.check();
      }),
      { numRuns: 100 },
    );
    expect(compacted).toBeGreaterThan(30);
  });

  it('of a long list replaces its head, again and again', async () => {
    const world = await SliceWorld.make(redis);
    await world.file(FILE);
    const records: RawSlice[] = [];
    for (let n = 0; n < 2_500; n++) records.push(wholeSlice(await world.slice(60), n * 60, 60));
    await world.raw.list(FILE, 0, records);
    const content = await world.read(FILE, 0);
    expect(await world.compact(FILE)).toMatchObject({ outcome: 'compacted', chunksLeft: 1 });
    expect(await world.records(FILE)).toHaveLength(1_501);
    for (let left = 1; left > 0; ) ({ chunksLeft: left } = await world.compact(FILE));
    expect((await world.records(FILE)).length).toBeLessThan(5);
    expect((await world.read(FILE, 0)).equals(content)).toBe(true);
    await world.reapAll();
    await world.check();
  });

  it('without a trash keeps what was replaced for the grace period', async () => {
    const world = await worn({ TrashDays: 0 });
    const objects = [...world.stores.bucket(BUCKET).keys()];
    await world.compact(FILE, world.process(), { graceMs: 3_600_000 });
    await expect(world.reapAll()).rejects.toThrow('not done after');
    expect([...world.stores.bucket(BUCKET).keys()]).toEqual(expect.arrayContaining(objects));
    await world.check({ fences: true });
  });

  it('finds out by the fence what became of a commit whose answer was lost', async () => {
    for (const [happened, outcome] of [
      [true, 'compacted'],
      [false, 'stale'],
    ] as const) {
      const world = await worn();
      const deps = world.process();
      const { commits } = deps;
      const commit = async (request: SliceCommitRequest) => {
        if (happened) await commits.commit(request);
        return { outcome: 'unknown', cause: new Error('lost') } as const;
      };
      Object.assign(deps, { commits: Object.assign(Object.create(commits), { commit }) });
      expect(await world.compact(FILE, deps)).toMatchObject({ outcome });
      await world.reapAll();
      await world.check();
    }
  });

  it('has twenty minutes at most', async () => {
    const world = await worn();
    const deps = world.process();
    const deadlines: number[] = [];
    const begin = async (fence: SliceFence) => {
      deadlines.push(fence.deadlineMs - Date.now());
      return 'late' as const;
    };
    Object.assign(deps, { commits: Object.assign(Object.create(deps.commits), { begin }) });
    const tried = world.compact(FILE, deps, { leaseMs: 6 * 3_600_000 });
    await expect(tried).rejects.toMatchObject({ kind: 'retry', code: 'lease-expired' });
    expect(deadlines).toHaveLength(1);
    expect(deadlines[0]).toBeLessThanOrEqual(20 * 60_000);
    await world.reapAll();
    await world.check();
  });

  it('leaves a file that was written lately, says so and when to come again, and compacts it then', async () => {
    const world = await SliceWorld.make(redis);
    const mtimeSeconds = Math.floor(world.ledger.nowMs / 1000) - 60;
    await world.file(7);
    await world.raw.inode(7, { length: 20_000, mtimeSeconds });
    for (let n = 0; n < 20; n++) await world.write(7, n * 60, 60);
    const policy = { ...LIMITS.policy, bytesPerGet: 64 };
    const left = await world.compact(7, world.process(), { policy });
    const againMs = mtimeSeconds * 1000 + 240_000;
    expect(left).toMatchObject({ outcome: 'nothing', resting: { chunks: 1, againMs } });
    expect(left.resting?.afterMs).toBe(world.ledger.nowMs - 240_000);
    world.ledger.nowMs = againMs;
    expect(await world.compact(7, world.process(), { policy })).toMatchObject({ outcome: 'compacted' });
    expect((await world.compact(7, world.process(), { policy })).resting).toBeUndefined();
  });

  it('within a budget does nothing that does not fit, and says what would', async () => {
    const world = await worn();
    const result = await world.compact(FILE, world.process(), { bytesMax: 1_000 });
    expect(result).toMatchObject({ outcome: 'over-budget', reason: expect.stringContaining('S3COMPACT_MAX_BYTES') });
    await world.check();
  });
});

describe('whatever fails or dies at whatever call', () => {
  it('leaves every byte, exact references, and nothing behind', async () => {
    for (const TrashDays of [0, 1]) {
      const whole = new Boundary();
      await (await worn({ TrashDays })).compact(FILE, undefined);
      const counted = await worn({ TrashDays });
      await counted.compact(FILE, counted.process(whole));
      const steps = whole.crossings.length;
      expect(steps).toBeGreaterThan(20);
      let died = 0;
      for (let at = 0; at < steps; at++) {
        for (const ending of CALL_ENDINGS) {
          const world = await worn({ TrashDays });
          const deps = world.process(new Boundary({ at, ending }));
          await world.compact(FILE, deps).catch((error: unknown) => {
            if (!(error instanceof ProcessGone) && !(error instanceof CompactError)) throw error;
            died++;
          });
          await world.reapAll();
          await world.check().catch((cause: unknown) => {
            throw new Error(`${whole.crossings[at]} ${ending} (${at}), trash of ${TrashDays} days`, { cause });
          });
          await world.compact(FILE);
          await world.reapAll();
          await world.check();
        }
      }
      expect(died).toBeGreaterThan(steps);
    }
  });

  it('is so for the look at a record, too', async () => {
    for (const committed of [true, false]) {
      const scene = async () => {
        const world = await worn({ TrashDays: 0 });
        const commit = committed ? undefined : { outcome: 'conflict' };
        const deps = world.process();
        if (commit)
          Object.assign(deps, { commits: Object.assign(Object.create(deps.commits), { commit: async () => commit }) });
        await world.compact(FILE, deps);
        return world;
      };
      const whole = new Boundary();
      const counted = await scene();
      expect(await counted.reapAll(counted.process(whole))).toBeGreaterThan(0);
      for (let at = 0; at < whole.crossings.length; at++) {
        for (const ending of CALL_ENDINGS) {
          const world = await scene();
          await world.reapAll(world.process(new Boundary({ at, ending }))).catch(() => undefined);
          await world.reapAll();
          await world.check().catch((cause: unknown) => {
            throw new Error(`${whole.crossings[at]} ${ending} (${at}), ${committed}`, { cause });
          });
        }
      }
    }
  });
});

describe('whatever clients do between any two calls', () => {
  const ACTS: Readonly<Record<string, (world: SliceWorld) => Promise<void>>> = {
    appends: (world) => world.write(FILE, 100, 3_000),
    punches: (world) => world.append(FILE, { pos: 0, id: 0, size: 0, off: 0, len: 2_000 }),
    clones: (world) => world.clone(FILE, 9),
    compacts: (world) => world.compactAsClient(FILE),
    removes: (world) => world.remove(FILE),
    'does its hourly jobs': (world) => world.hourly(0),
  };

  it.each(Object.entries(ACTS))('every byte stays where a client %s', async (name, act) => {
    const whole = new Boundary();
    const counted = await worn({ TrashDays: 0 });
    await counted.compact(FILE, counted.process(whole));
    let conflicts = 0;
    for (let at = 0; at < whole.crossings.length; at++) {
      const world = await worn({ TrashDays: 0 });
      const between = async (_name: string, n: number) => {
        if (n === at) await act(world);
      };
      const result = await world
        .compact(FILE, world.process(new Boundary(undefined, between)))
        .catch((error: unknown) => {
          if (error instanceof CompactError) return null;
          throw error;
        });
      if (result?.outcome === 'conflict') conflicts++;
      await world.reapAll();
      await world.hourly(0);
      await world.check();
    }
    if (name === 'compacts' || name === 'removes') expect(conflicts).toBeGreaterThan(0);
  });
});

describe('doubt', () => {
  async function unchanged(world: SliceWorld, inode = FILE): Promise<CompactError> {
    const keys = async () =>
      Object.fromEntries(
        await Promise.all(
          (await redis.keys(world.key('*')))
            .filter((key) => !key.includes('~s3compact') && !key.endsWith('nextchunk'))
            .map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('hex')] as const),
        ),
      );
    const before = [await keys(), [...world.stores.bucket(BUCKET).keys()]];
    const error = await world.compact(inode).catch((thrown: unknown) => thrown);
    if (!(error instanceof CompactError)) throw new Error('it did not refuse', { cause: error });
    await world.reapAll();
    expect([await keys(), [...world.stores.bucket(BUCKET).keys()]]).toEqual(before);
    return error;
  }

  it('refuses what is not known, by the name of the setting', async () => {
    for (const [setting, says] of [
      [{ MetaVersion: 2 }, 'MetaVersion 2'],
      [{ ChangeLog: true }, 'ChangeLog'],
      [{ Shards: 4 }, 'Shards 4'],
      [{ EncryptKey: 'key', EncryptAlgo: 'sm4gcm' }, 'EncryptAlgo sm4gcm'],
      [{ Compression: 'snappy' }, 'Compression snappy'],
      [{ Storage: 'gs' }, 'Storage gs'],
      [{ Tiers: { 0: {}, 1: {} } }, 'Tiers'],
    ] as const) {
      const world = await worn(setting);
      const error = await unchanged(world);
      expect(error).toMatchObject({ kind: 'halt', code: 'metadata-refused' });
      expect(error.message).toContain(says);
    }
  });

  it('in a count is told with inode and record', async () => {
    const world = await worn();
    const [, second] = await world.records(FILE);
    await redis.hset(world.key('sliceRef'), `k${second?.id}_${second?.size}`, '-1');
    const error = await unchanged(world);
    expect(error).toMatchObject({
      code: 'record-malformed',
      message: expect.stringContaining('inode 7, chunk 0, record 1'),
    });
  });

  it('in a record is told with inode and record', async () => {
    const world = await worn();
    const [first] = await world.records(FILE);
    await world.raw.list(FILE, 0, [{ ...wholeSlice(first?.id ?? 0, 0, 500) }]);
    expect((await unchanged(world)).message).toMatch(/inode 7, chunk 0, record 11: slice \d+ has 500 bytes here/);
    await world.raw.list(FILE, 0, [Buffer.from('short')]);
    expect(await unchanged(world)).toMatchObject({ code: 'record-malformed' });
  });

  it('about an object that is not uploaded yet changes nothing; later it goes on', async () => {
    const world = await worn();
    const size = 800;
    const id = await world.slice(size, { late: true });
    await world.raw.list(FILE, 0, [wholeSlice(id, 400, size)]);
    expect(await unchanged(world)).toMatchObject({ kind: 'retry', code: 'object-missing' });
    world.stores.write(BUCKET, `vol/chunks/0/0/${id}_0_${size}`, Buffer.alloc(size, 5));
    const content = await world.read(FILE, 0);
    expect(await world.compact(FILE)).toMatchObject({ outcome: 'compacted' });
    expect((await world.read(FILE, 0)).equals(content)).toBe(true);
  });

  it.each([
    ['of other bytes', (body: Uint8Array) => Buffer.from(body).fill(0)],
    ['cut off', (body: Uint8Array) => body.subarray(0, body.length - 1)],
    ['of another length', () => zstdCompressSync(Buffer.alloc(299))],
    ['of far too many bytes', () => Buffer.alloc(100_000)],
    ['of nothing', () => Buffer.alloc(0)],
  ])('in an object that is %s stops the file, and names it', async (_, damage) => {
    const world = await worn({ Compression: 'zstd' });
    const small = (await world.records(FILE)).find(({ size }) => size === 300);
    const name = `vol/chunks/0/0/${small?.id}_0_300`;
    const body = world.stores.bucket(BUCKET).get(name)?.bytes ?? new Uint8Array();
    world.stores.write(BUCKET, name, damage(body));
    const error = await unchanged(world);
    expect(error).toMatchObject({ kind: 'halt', code: 'object-damaged' });
    expect(error.message).toContain(name);
    expect(error.message).toContain('inode 1/7');
  });

  it('about what was written is told before the commit', async () => {
    const world = await worn();
    // A gc that thinks them leaked.
    world.stores.before = ({ op, names: [name = ''] }) => {
      if (op === 'head') world.stores.bucket(BUCKET).delete(name);
    };
    expect(await unchanged(world)).toMatchObject({ kind: 'retry', code: 'store-unavailable' });
  });

  it('after another server has come deletes nothing that was written in vain', async () => {
    const world = await worn({ TrashDays: 0 });
    const deps = world.process(new Boundary({ at: 1_000, ending: 'gone-before' }));
    Object.assign(deps, {
      commits: Object.assign(Object.create(deps.commits), {
        commit: async () => ({ outcome: 'conflict' }),
        incarnation: async () => 'another one',
      }),
    });
    const objects = world.stores.bucket(BUCKET).size;
    await world.compact(FILE, deps);
    expect(world.stores.bucket(BUCKET).size).toBeGreaterThan(objects);
    const kept = world.stores.bucket(BUCKET).size;
    expect(await world.reapAll()).toBe(0);
    expect(world.stores.bucket(BUCKET).size).toBe(kept);
  });

  it('about whose a record is deletes nothing', async () => {
    for (const other of [{ UUID: 'another' }, { Bucket: 'http://127.0.0.1:1/elsewhere' }]) {
      const world = await worn({ TrashDays: 0 });
      await world.compact(FILE);
      const objects = world.stores.bucket(BUCKET).size;
      const { record } = world.ledger.first() ?? {};
      if (record === undefined) throw new Error('there is no record');
      await redis.set(world.key('setting'), settingJson('vol', { BlockSize: 1, TrashDays: 0, ...other }));
      expect(await reapSlices(record, world.process())).toMatchObject({ kind: 'again', doubt: expect.any(String) });
      expect(world.stores.bucket(BUCKET).size).toBe(objects);
      expect(await redis.hlen(world.key('delSlices'))).toBe(1);
    }
  });

  it('about a directory, a deleted file or none changes nothing', async () => {
    const world = await worn();
    expect(await unchanged(world, 1)).toMatchObject({ code: 'inode-not-s3' });
    expect(await unchanged(world, 99)).toMatchObject({ code: 'inode-missing' });
    await world.raw.inode(FILE, { length: 10, nlink: 0 });
    expect(await unchanged(world)).toMatchObject({ code: 'inode-unlinked' });
  });
});
