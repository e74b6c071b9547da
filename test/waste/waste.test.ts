/** The walk and the report over volumes made key by key: every kind of file and list, and every kind of damage. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { SliceFsck } from '../../src/fsck/check-slices.ts';
import { sliceObject } from '../../src/layout/slices/index.ts';
import { type WasteOptions, type WasteReport, wasteOf } from '../../src/waste/waste.ts';
import { RawVolume, wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { uniquePrefix } from '../setup/isolation.ts';

const MIB = 1024 * 1024;
const CHUNK = 64 * MIB;
const TRASH = 0x7fff_ffff_1000_0000n;

let redis: Redis;
let raw: RawVolume;

beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
});

afterAll(() => redis.quit());

beforeEach(async () => {
  raw = new RawVolume(redis, `{${uniquePrefix('waste')}}`);
  await raw.format('vol');
});

async function report(options: Partial<WasteOptions> = {}): Promise<WasteReport> {
  return wasteOf(raw.volume, { geometry: await raw.volume.setting(), top: 10, order: 'waste', ...options });
}

describe('the waste report', () => {
  it('of an empty volume is empty', async () => {
    const { live, storedBytes, otherInodes, damaged } = await report();
    expect({ files: live.files, storedBytes, otherInodes, damaged }).toEqual({
      files: 0,
      storedBytes: 0,
      otherInodes: 1,
      damaged: 0,
    });
    await raw.volume.close();
  });

  it('counts live, trashed, open and gone files apart, and each slice once', async () => {
    await raw.inode(2, { length: 10 * MIB });
    await raw.list(2, 0, [wholeSlice(1, 0, 10 * MIB), wholeSlice(2, MIB, 2 * MIB)]);
    await raw.inode(3, { length: MIB, parent: TRASH + 5n });
    await raw.list(3, 0, [wholeSlice(3, 0, MIB)]);
    await raw.inode(4, { length: MIB, nlink: 0 });
    await raw.list(4, 0, [wholeSlice(4, 0, MIB)]);
    await raw.list(5, 0, [wholeSlice(5, 0, 3 * MIB)]);
    // Two files show one slice; a third reference is a delayed delete.
    for (const inode of [6, 7]) {
      await raw.inode(inode, { length: 6 * MIB });
      await raw.list(inode, 0, [wholeSlice(6, 0, 6 * MIB)]);
    }
    await raw.references(6, 6 * MIB, 3);
    await raw.delayed(9, 1_000, [{ id: 6, size: 6 * MIB }]);
    await raw.references(8, 5 * MIB, 0);
    const found = await report();
    expect(found.live).toMatchObject({ files: 3, length: 22 * MIB, hiddenBytes: 2 * MIB, sharedBytes: 4 * MIB });
    expect(found.live.storedBytes).toBe(16 * MIB);
    expect(found.trash).toMatchObject({ files: 1, storedBytes: MIB });
    expect(found.unlinked).toMatchObject({ files: 1, storedBytes: MIB });
    expect(found.gone).toMatchObject({ storedBytes: 3 * MIB, visibleBytes: 0 });
    expect(found.waiting.delayed).toMatchObject({ slices: 1, bytes: 6 * MIB, overdueSlices: 1 });
    expect(found.waiting.pending).toMatchObject({ slices: 1, bytes: 5 * MIB });
    expect(found.storedBytes).toBe((10 + 2 + 1 + 1 + 3 + 6 + 5) * MIB);
    expect(found.top.map(({ inodeId }) => inodeId)).toEqual([2n]);
    await raw.volume.close();
  });

  it('finds lists behind the end of a file, and of files too large to ask for each chunk', async () => {
    await raw.inode(2, { length: 1000 });
    await raw.list(2, 0, [wholeSlice(1, 0, 1000)]);
    await raw.list(2, 3, [wholeSlice(2, 0, 5 * MIB)]);
    await raw.inode(3, { length: 2 ** 50 });
    await raw.list(3, 9_999_999, [wholeSlice(3, 0, 4 * MIB), wholeSlice(4, 0, 4 * MIB)]);
    const found = await report();
    expect(found.behindEnd).toMatchObject({ storedBytes: 5 * MIB, hiddenBytes: 5 * MIB });
    expect(found.top.map(({ inodeId, hiddenBytes }) => [inodeId, hiddenBytes])).toEqual([
      [2n, 5 * MIB],
      [3n, 4 * MIB],
    ]);
    expect(found.live).toMatchObject({ files: 2, visibleBytes: 1000 + 4 * MIB });
    const file = (await raw.volume.inode(3n))?.file;
    expect(file && (await raw.volume.chunkIndexes(file))).toEqual([9_999_999]);
    await raw.volume.close();
  });

  it('reads lists of any length', async () => {
    await raw.inode(2, { length: CHUNK });
    const records = Array.from({ length: 2_500 }, (_, n) => wholeSlice(n + 1, n * 1_000, 1_500));
    await raw.list(2, 0, records);
    const found = await report({ order: 'gets' });
    expect(found.live).toMatchObject({ files: 1, records: 2_500, gets: 2_500, getsLeast: 1 });
    expect(found.top).toHaveLength(1);
    expect(await raw.volume.list(2n, 0)).toHaveLength(2_500);
    await raw.volume.close();
  });

  it('reports what is damaged with inode and place, and goes on', async () => {
    await redis.set(`${raw.prefix}i2`, 'short');
    await raw.inode(3, { length: 2 * CHUNK });
    await raw.list(3, 0, [wholeSlice(1, 0, 10), Buffer.alloc(23)]);
    await raw.list(3, 1, [wholeSlice(2, 0, 10)]);
    await raw.inode(4, { length: 10 });
    await redis.set(`${raw.prefix}c4_0`, 'no list');
    await raw.list(1, 0, [wholeSlice(3, 0, 10)]);
    await raw.inode(5, { length: 10 });
    await raw.list(5, 0, [wholeSlice(4, 0, 10)]);
    await redis.hset(`${raw.prefix}delSlices`, 'nonsense', 'x');
    const found = await report();
    expect(found.live).toMatchObject({ files: 3, storedBytes: 20 });
    expect(found.damages.map(({ message }) => message).toSorted()).toEqual([
      'inode 1 is a directory and has a list for chunk 0, as only files have',
      'inode 3, chunk 0, record 1: it has 23 bytes instead of 24; clients answer EIO for the whole chunk',
      'inode 4, chunk 0: its key is no list',
      'the attributes of inode 2 have 5 bytes instead of 72',
    ]);
    expect(found.waiting.delayed.malformed).toBe(1);
    await raw.volume.close();
  });

  it('stops where it is told to', async () => {
    const signal = AbortSignal.abort();
    await expect(report({ signal })).rejects.toThrow('the walk over the volume was stopped');
    await raw.volume.close();
  });
});

describe('paths', () => {
  it('are found both ways, through the trash and hard links too', async () => {
    await raw.name(1, 'a', 'directory', 2);
    await raw.inode(2, { kind: 'directory' });
    await raw.name(2, 'b c', 'file', 3);
    await raw.inode(3, { parent: 2n });
    await raw.inode(4, { parent: 0n, nlink: 2 });
    await redis.hset(`${raw.prefix}p4`, '2', '1', '1', '1');
    await raw.name(2, 'linked', 'file', 4);
    await raw.name(1, 'linked', 'file', 4);
    expect(await raw.volume.find('/a/b c')).toBe(3n);
    expect(await raw.volume.pathOf(3n)).toBe('/a/b c');
    expect(await raw.volume.pathOf(4n)).toMatch(/^(\/a)?\/linked$/);
    expect(await raw.volume.find('/a/no')).toBeNull();
    expect(await raw.volume.pathOf(99n)).toBeNull();
    expect(await raw.volume.pathOf(1n)).toBe('/');
    await raw.volume.close();
  });
});

describe('paths of many', () => {
  it('are where each was put, at any depth', async () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const expected = new Map<bigint, string>([[1n, '']]);
    const directories = [1];
    for (let inode = 2; inode < 200; inode++) {
      const parent = directories[random(directories.length)] ?? 1;
      const isDirectory = random(5) === 0;
      await raw.inode(inode, { parent: BigInt(parent), ...(isDirectory ? { kind: 'directory' } : {}) });
      await raw.name(parent, `n${inode}`, isDirectory ? 'directory' : 'file', inode);
      expected.set(BigInt(inode), `${expected.get(BigInt(parent))}/n${inode}`);
      if (isDirectory) directories.push(inode);
    }
    expected.delete(1n);
    expect(await raw.volume.pathsOf([...expected.keys(), 4_711n])).toEqual(expected);
    await raw.volume.close();
  });
});

describe('fsck', () => {
  it('reports missing and wrong objects, and what a client will delete, unless the list has changed', async () => {
    const geometry = await raw.volume.setting();
    await raw.inode(2, { length: 9 * MIB });
    await raw.list(2, 0, [wholeSlice(1, 0, 9 * MIB), wholeSlice(2, 0, MIB), wholeSlice(3, 0, MIB)]);
    await raw.references(3, MIB, 0);
    const sizes = new Map<string, number>();
    for (const n of [0, 1, 2]) sizes.set(sliceObject(1n, 9 * MIB, n, geometry).name, n === 2 ? MIB : 4 * MIB);
    sizes.set(sliceObject(3n, MIB, 0, geometry).name, MIB);
    sizes.delete(sliceObject(1n, 9 * MIB, 1, geometry).name);
    sizes.set(sliceObject(1n, 9 * MIB, 2, geometry).name, 7);
    const head = async (name: string) => {
      const bytes = sizes.get(name);
      return bytes === undefined ? null : { bytes };
    };
    const options = { geometry, store: { head }, requestsInFlight: 4, faultsMax: 10 };
    const fsck = new SliceFsck(raw.volume, options);
    await fsck.checkVolume();
    expect(fsck.findings).toMatchObject({ files: 1, lists: 1, objects: 5, faults: 4, visibleFaults: 3 });
    expect(fsck.findings.shown.map(({ reason, object, visible }) => [reason, object, visible])).toEqual([
      ['unreferenced', undefined, true],
      ['missing', 'vol/chunks/0/0/1_1_4194304', true],
      ['size', 'vol/chunks/0/0/1_2_1048576', true],
      ['missing', 'vol/chunks/0/0/2_0_1048576', false],
    ]);
    // A client compacts the list while its objects are asked for.
    const compacted = new SliceFsck(raw.volume, {
      ...options,
      store: {
        head: async () => {
          await redis.del(`${raw.prefix}c2_0`);
          return null;
        },
      },
    });
    await compacted.checkVolume();
    expect(compacted.findings).toMatchObject({ lists: 1, faults: 0 });
    await raw.volume.close();
  });
});
