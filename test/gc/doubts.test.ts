/**
 * gc among things that go away under it: a file system, a metadata server, an object, the process itself. The real code
 * with ports in memory, over a small file system of one-block files. Nothing here waits.
 */

import { expect, it } from 'vitest';
import { objectName } from '../../src/format.ts';
import { collectGarbage, type GcOptions } from '../../src/gc/gc.ts';
import type { ReapRecord } from '../../src/ledger.ts';
import type { InodeKey } from '../../src/model.ts';
import { ledgerMs } from '../../src/time.ts';
import { MemoryObjectStores, storeFault } from '../objects/memory-store.ts';
import { lost } from '../sim/boundary.ts';
import { GcBookState, MemoryGcBook } from '../sim/memory-gc-book.ts';
import { MemoryMetadata, MetadataState } from '../sim/memory-metadata.ts';

const IDS = { fsId: 1, uuid: 'u', lastChunkId: 2n ** 63n } as const;
const FS = { ...IDS, name: 'n', bucket: 'b', objectPrefix: 0, blockSize: 16, chunkSize: 64 } as const;
const OPTIONS: GcOptions = { graceMs: 10, leaseMs: 20, minAgeMs: 40, delete: true, deletesMax: 1000 };

function world(inodes: number, versionsEach: number) {
  const metadata = new MetadataState();
  const stores = new MemoryObjectStores();
  const book = new GcBookState();
  const records: ReapRecord[] = [];
  const clock = { nowMs: 1_000_000, recordReads: 0 };
  stores.nowMs = () => clock.nowMs;
  metadata.filesystems.set(1, FS);
  const name = (key: InodeKey, chunkId: bigint) => objectName(key, { chunkId, compaction: 0n, blockIndex: 0 }, 0);
  for (let n = 0; n < inodes; n++) {
    const key = { fsId: 1, inodeId: BigInt(100 + n) };
    metadata.put({ key, length: 16, nlink: 1, mtimeMs: 0, type: 's3' });
    const list = Array.from({ length: versionsEach }, (_, v) => ({
      chunkId: BigInt(10 + v),
      compaction: 0n,
      offset: 0,
      len: 16,
      size: 16,
      zero: false,
    }));
    metadata.at(key)?.lists.set(0, list);
    for (const { chunkId } of list) stores.write('b', name(key, chunkId), new Uint8Array(16));
  }
  const gc = (options: Partial<GcOptions> = {}, boundary?: ConstructorParameters<typeof MemoryMetadata>[1]) =>
    collectGarbage(
      1,
      {
        metadata: new MemoryMetadata(metadata, boundary),
        objects: stores,
        records: {
          async *pending() {
            clock.recordReads++;
            yield* records;
          },
        },
        book: new MemoryGcBook(book),
        nowMs: async () => ledgerMs(clock.nowMs),
      },
      { ...OPTIONS, ...options },
    );
  return { metadata, stores, book, records, clock, gc, name };
}

const ORPHAN = { fsId: 1, inodeId: 100n };

it('a noted name that has gone from the bucket does not stay in the book', async () => {
  const w = world(3, 2);
  w.stores.write('b', w.name(ORPHAN, 99n), new Uint8Array(1));
  w.clock.nowMs += 50;
  await w.gc();
  expect(w.book.suspects.size).toBe(1);
  w.stores.bucket('b').delete(w.name(ORPHAN, 99n));
  w.clock.nowMs += 50;
  await w.gc();
  expect(w.book.suspects.size).toBe(0);
});

it('a metadata server that is away ends the pass, not one time-out for each inode', async () => {
  const w = world(500, 1);
  let calls = 0;
  const boundary = {
    gone: false,
    cross: async <T>(what: string, effect: () => T | Promise<T>): Promise<T> => {
      if (what === 'metadata.getFilesystem') return effect();
      calls++;
      throw lost(what);
    },
  };
  await w.gc({}, boundary).catch(() => undefined);
  expect(calls).toBeLessThan(200);
});

it('a list that is too long to look at is reported with its inode', async () => {
  const w = world(2, 2);
  const cross = async <T>(what: string, effect: () => T | Promise<T>): Promise<T> => {
    const answer = await effect();
    return what === 'metadata.readChunk' ? { ...answer, versionsTotal: 5_000_001 } : answer;
  };
  w.stores.bucket('b').delete(w.name(ORPHAN, 10n));
  w.clock.nowMs += 50;
  const report = await w.gc({}, { gone: false, cross });
  expect(JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? `${value}` : value))).toContain(
    'inode 1/100: chunk 0 has 5000001 versions, too many to look at',
  );
});

it('what the pass found is told although a delete fails', async () => {
  const w = world(3, 2);
  w.stores.write('b', w.name(ORPHAN, 99n), new Uint8Array(1));
  w.clock.nowMs += 50;
  await w.gc();
  w.clock.nowMs += 50;
  w.stores.before = (call) => {
    if (call.op === 'delete') throw storeFault('store-unavailable');
  };
  const report = await w.gc();
  expect(report.counts.leaked.objects).toBe(1);
});

it('the reap records are not read once for each page', async () => {
  const w = world(50, 2);
  w.stores.pageMax = 2;
  for (let n = 0; n < 50; n++)
    w.stores.write('b', w.name({ fsId: 1, inodeId: BigInt(100 + n) }, 99n), new Uint8Array(1));
  w.clock.nowMs += 50;
  await w.gc();
  expect(w.clock.recordReads).toBeLessThan(10);
});

it('I10: a file system that went away during the pass is doubt: nothing counts as a first look', async () => {
  const w = world(5, 2);
  w.clock.nowMs += 50;
  w.stores.before = (call) => {
    if (call.op !== 'list') return;
    w.metadata.filesystems.clear();
    w.metadata.inodes.clear();
  };
  await w.gc().catch(() => undefined);
  expect(w.book.suspects.size).toBe(0);
});

it('an object that is retired and reaped between the second reading and HEAD is no fault', async () => {
  const w = world(2, 3);
  // Written after the listing of its place, so it is looked at again.
  const key = { fsId: 1, inodeId: 100n };
  const late = { chunkId: 5n, compaction: 0n, offset: 0, len: 16, size: 16, zero: false };
  let listed = false;
  w.stores.after = (call) => {
    if (call.op !== 'list' || listed) return;
    listed = true;
    w.metadata.at(key)?.lists.get(0)?.push(late);
    w.stores.write('b', w.name(key, 5n), new Uint8Array(16));
  };
  w.stores.before = (call) => {
    if (call.op !== 'head') return;
    w.metadata.at(key)?.lists.get(0)?.pop();
    w.stores.bucket('b').delete(w.name(key, 5n));
  };
  w.clock.nowMs += 50;
  expect((await w.gc()).faults).toEqual([]);
});

it('a pass that goes on in the middle of an inode asks for no HEAD of what was judged before', async () => {
  const w = world(1, 30_000);
  w.stores.pageMax = 5_000;
  w.clock.nowMs += 50;
  let lists = 0;
  w.stores.before = (call) => {
    if (call.op === 'list' && ++lists === 6) throw storeFault('store-unavailable');
  };
  await w.gc().catch(() => undefined);
  let heads = 0;
  w.stores.before = (call) => {
    if (call.op === 'head') heads++;
  };
  const report = await w.gc();
  expect(report.resumed).toBe(true);
  expect(heads).toBe(0);
});

it('I10: an inode that was missing while the file system was gone is not deleted at the next look', async () => {
  const w = world(5, 2);
  w.clock.nowMs += 50;
  const inodes = new Map(w.metadata.inodes);
  w.stores.before = (call) => {
    if (call.op !== 'list') return;
    w.metadata.filesystems.clear();
    w.metadata.inodes.clear();
  };
  await w.gc({ delete: false }).catch(() => undefined);
  // It is being brought back: one inode is still to come.
  w.stores.before = undefined;
  w.metadata.filesystems.set(1, FS);
  for (const [key, inode] of inodes) if (key !== '1/100') w.metadata.inodes.set(key, inode);
  w.clock.nowMs += 50;
  expect((await w.gc()).deleted.objects).toBe(0);
});

it('an inode that has bytes and no list at all has lost its chunk indexes: what its lists reference stays', async () => {
  const w = world(3, 2);
  w.metadata.loseIndexes(ORPHAN);
  const before = [...w.stores.bucket('b').keys()];
  for (let pass = 0; pass < 3; pass++) {
    w.clock.nowMs += 50;
    await w.gc();
  }
  expect([...w.stores.bucket('b').keys()]).toEqual(before);
});

it('an inode whose list is gone, its index not, keeps its own orphans and stops no deletes of others', async () => {
  const w = world(3, 2);
  const other = { fsId: 1, inodeId: 101n };
  w.metadata.at(ORPHAN)?.lists.set(5, []);
  for (const key of [ORPHAN, other]) w.stores.write('b', w.name(key, 99n), new Uint8Array(1));
  w.clock.nowMs += 50;
  await w.gc();
  w.clock.nowMs += 50;
  expect(await w.gc()).toMatchObject({ deleted: { objects: 1 }, failures: 1 });
  expect(w.stores.bucket('b').has(w.name(ORPHAN, 99n))).toBe(true);
  expect(w.stores.bucket('b').has(w.name(other, 99n))).toBe(false);
});

it('a store that is away is not asked for the other objects of a part', async () => {
  const w = world(1, 500);
  w.stores.bucket('b').clear();
  w.stores.write('b', w.name(ORPHAN, 99_999n), new Uint8Array(1));
  let heads = 0;
  w.stores.before = (call) => {
    if (call.op !== 'head') return;
    heads++;
    throw storeFault('store-unavailable');
  };
  await w.gc();
  // What had been sent is answered before the pass is over.
  await new Promise((resolve) => setImmediate(resolve));
  expect(heads).toBeLessThan(50);
});

it('orphans of a file with more merged objects than are looked for at a time are deleted', async () => {
  const w = world(1, 1);
  const [blocks, chunks] = [1_024, 210];
  w.metadata.filesystems.set(1, { ...FS, blockSize: 1, chunkSize: blocks });
  w.metadata.put({ key: ORPHAN, length: blocks * chunks, nlink: 1, mtimeMs: 0, type: 's3' });
  w.stores.bucket('b').clear();
  w.stores.pageMax = 300_000;
  const named = (chunkId: bigint, compaction: bigint, blockIndex: number) =>
    objectName(ORPHAN, { chunkId, compaction, blockIndex }, 0);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const chunkId = BigInt(10 + chunk);
    const version = { chunkId, compaction: 4096n, offset: chunk * blocks, len: blocks, size: blocks, zero: false };
    w.metadata.at(ORPHAN)?.lists.set(chunk, [version]);
    for (let block = 0; block < blocks; block++) w.stores.write('b', named(chunkId, 4096n, block), new Uint8Array(1));
  }
  const orphans = Array.from({ length: blocks }, (_, block) => named(999n, 0n, block));
  for (const name of orphans) w.stores.write('b', name, new Uint8Array(1));
  w.clock.nowMs += 50;
  await w.gc({ deletesMax: 2_000 });
  w.clock.nowMs += 50;
  const report = await w.gc({ deletesMax: 2_000 });
  expect(report).toMatchObject({ failures: 0, ripe: blocks, deleted: { objects: blocks } });
  expect(w.stores.bucket('b').size).toBe(blocks * chunks);
});
