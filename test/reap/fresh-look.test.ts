/**
 * Before the last copy of anything is deleted, what took its place must be in the store: stores that acknowledge a PUT and
 * keep nothing, on both kinds of metadata service, and how few requests the look takes (I7, I10, docs/adr/0014).
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { protocolOf } from '../../src/compact/protocol.ts';
import { objectName } from '../../src/format.ts';
import type { ReapRecord } from '../../src/ledger.ts';
import { deletable } from '../../src/reap/fresh-look.ts';
import { type ReapDeps, reapRecord } from '../../src/reap/reap-record.ts';
import { SharedLists } from '../../src/reap/referenced-objects.ts';
import { StoredObjects } from '../../src/reap/stored-objects.ts';
import { later, ledgerMs } from '../../src/time.ts';
import { storeFault } from '../objects/memory-store.ts';
import { MemoryMetadata, MetadataState } from '../sim/memory-metadata.ts';
import { RecordState } from '../sim/record-metadata.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';
import { recordIn } from './record.ts';

/** What a store that lies has kept of a merged object. */
const LIES: readonly [string, (bytes: Uint8Array) => Uint8Array | null][] = [
  ['nothing', () => null],
  ['too few bytes', (bytes) => bytes.slice(0, bytes.length - 1)],
];

for (const [form, make] of [
  ['fenced', () => new MetadataState()],
  ['time-bound', () => new RecordState()],
] as const) {
  describe(`${form}: a store that answers 200 to a PUT`, () => {
    it.each(LIES)(
      'and keeps %s: nothing is deleted, it is reported as unsafe, and the originals serve for a repair',
      async (_, kept) => {
        const world = new World(make(), { ...LIMITS, quietMs: 10_000 });
        for (let n = 0; n < 8; n++) world.write(n * 4, 8);
        const originals = world.objectNames();
        const before = world.snapshot();
        world.rest();
        let lies = 0;
        world.stores.after = ({ op, names: [name = ''] }) => {
          const bucket = world.stores.bucket('world');
          const found = bucket.get(name);
          if (op !== 'put' || found === undefined || lies++ > 0) return;
          const bytes = kept(found.bytes);
          if (bytes === null) bucket.delete(name);
          else bucket.set(name, { ...found, bytes });
        };
        expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
        world.violations.length = 0;
        let unsafe = 0;
        for (let looks = 0; looks < 30; looks++) {
          const verdict = await world.reapFirst();
          expect(verdict?.kind).toBe('again');
          if (verdict?.kind === 'again' && verdict.unsafe) unsafe++;
        }
        expect(unsafe).toBeGreaterThan(20);
        expect(world.objectNames()).toEqual(expect.arrayContaining(originals));
        expect(world.readFault(before)).toBe(null);
        const record = world.ledger.first()?.record;
        expect(record?.retired).toEqual(
          expect.arrayContaining(originals.filter((name) => !world.referencedNames().includes(name))),
        );
        expect(record?.replaced?.length).toBe(before.lists.get(0)?.length);
      },
    );
  });
}

let world: World;
let deps: ReapDeps;
const calls = { head: 0, list: 0 };

beforeEach(() => {
  world = new World();
  calls.head = 0;
  calls.list = 0;
  world.stores.after = ({ op }) => {
    if (op === 'head' || op === 'list') calls[op]++;
  };
  deps = {
    metadata: new MemoryMetadata(world.metadata),
    objects: world.stores,
    graceMs: LIMITS.graceMs,
    nowMs: async () => ledgerMs(world.ledger.nowMs),
    lists: new SharedLists(),
    stored: new StoredObjects(),
  };
});

function stale(n: number, blockIndex = 0): string {
  const name = objectName(KEY, { chunkId: BigInt(100_000 + n), compaction: 0n, blockIndex }, 0);
  world.stores.write('world', name, Buffer.from('old'));
  return name;
}

function stamped(chunkIndex: number, retired: readonly string[]): ReapRecord {
  return recordIn(world, { chunkIndex, retired, stampMs: ledgerMs(world.ledger.nowMs - LIMITS.graceMs) });
}

/** The object of the chunk's only version, in this block. */
function objectOf(chunkIndex: number, blockIndex: number): string {
  const [version] = world.lists().get(chunkIndex) ?? [];
  return objectName(KEY, { chunkId: version?.chunkId ?? 0n, compaction: 0n, blockIndex }, 0);
}

describe('what a look asks the store for', () => {
  it('the objects in the blocks of what is to be deleted, in the list of the record', async () => {
    world.write(0, 64);
    world.write(64, 64);
    world.stores.bucket('world').delete(objectOf(0, 2));
    world.stores.bucket('world').delete(objectOf(1, 1));
    expect(await reapRecord(stamped(0, [stale(1, 1)]), deps)).toMatchObject({ kind: 'done', deleted: 1 });
    const kept = stale(2, 2);
    const verdict = await reapRecord(stamped(0, [kept]), deps);
    expect(verdict).toMatchObject({ kind: 'again', unsafe: true, doubt: expect.stringContaining(objectOf(0, 2)) });
    expect(world.stores.bucket('world').has(kept)).toBe(true);
  });

  it('all lists, where it is not known whose list had the objects', async () => {
    world.write(0, 16);
    world.write(64, 16);
    world.stores.bucket('world').delete(objectOf(1, 0));
    const look = { key: KEY, filesystem: world.filesystem, incarnation: 'life-1', length: 80 };
    const store = world.stores.forFilesystem(world.filesystem);
    const all = { ...deps, store, lists: new SharedLists(), stored: new StoredObjects() };
    await expect(deletable([stale(1)], look, all)).rejects.toMatchObject({ kind: 'retry', code: 'object-missing' });
    expect(await deletable([stale(1)], { ...look, chunkIndex: 0 }, all)).toEqual([stale(1)]);
  });

  it('an object that another compaction has replaced, and its record deleted, meanwhile, is not missed', async () => {
    world.write(0, 16);
    const gone = objectOf(0, 0);
    world.write(0, 16);
    let heads = 0;
    world.stores.before = ({ op, names }) => {
      if (op !== 'head' || names[0] !== gone || heads++ > 0) return;
      world.stores.bucket('world').delete(gone);
      const lists = world.metadata.at(KEY)?.lists;
      lists?.set(0, lists.get(0)?.slice(1) ?? []);
    };
    expect(await reapRecord(stamped(0, [stale(1)]), deps)).toMatchObject({ kind: 'done', deleted: 1 });
  });

  it('a store that does not answer is doubt, and nothing unsafe', async () => {
    world.write(0, 16);
    world.stores.before = ({ op }) => {
      if (op === 'head') throw storeFault('store-unavailable');
    };
    const verdict = await reapRecord(stamped(0, [stale(1)]), deps);
    expect(verdict).toMatchObject({ kind: 'again', doubt: expect.any(String) });
    expect(verdict).not.toHaveProperty('unsafe');
  });

  it('once for records that are due together, and anew for one that became due later', async () => {
    world.write(0, 16);
    for (let n = 0; n < 10; n++) await reapRecord(stamped(0, [stale(n)]), deps);
    expect(calls).toEqual({ head: 1, list: 0 });
    world.ledger.nowMs += 1;
    await reapRecord(stamped(0, [stale(11)]), deps);
    expect(calls).toEqual({ head: 2, list: 0 });
    const { dueMs } = stamped(0, []);
    world.ledger.nowMs -= 1;
    // A clock that went back is not one to reckon with.
    await reapRecord({ ...stamped(0, [stale(12)]), dueMs: later(dueMs, -1) }, deps);
    expect(calls.head).toBe(3);
  });

  it('by a listing of the inode where that takes fewer requests, and by HEAD what that lacks', async () => {
    const chunks = 60;
    for (let n = 0; n < chunks; n++) world.write(64 * n, 64);
    for (let n = 0; n < chunks; n++) {
      expect(
        await reapRecord(
          stamped(
            n,
            [0, 1, 2, 3].map((block) => stale(4 * n + block, block)),
          ),
          deps,
        ),
      ).toMatchObject({
        kind: 'done',
      });
    }
    // 240 objects, one page; what is asked for by HEAD costs no more than two pages.
    expect(calls.list).toBe(1);
    expect(calls.head).toBeLessThanOrEqual(24);
    world.ledger.nowMs += 1;
    world.stores.bucket('world').delete(objectOf(59, 3));
    const kept = stale(1_000, 3);
    for (let n = 0; n < chunks - 1; n++) await reapRecord(stamped(n, [stale(2_000 + n, 3)]), deps);
    expect(await reapRecord(stamped(59, [kept]), deps)).toMatchObject({ kind: 'again', unsafe: true });
    expect(world.stores.bucket('world').has(kept)).toBe(true);
  });
});

it('I7: where the look at the store took long, the lists are read again, at the same server', async () => {
  world.write(0, 16);
  const name = stale(1);
  const referenced = { chunkId: 100_001n, compaction: 0n, offset: 0, len: 3, size: 3, zero: false };
  let slow = true;
  world.stores.before = ({ op }) => {
    if (op !== 'head' || !slow) return;
    slow = false;
    world.ledger.nowMs += 30_001;
    world.metadata.append(KEY, 0, referenced);
  };
  expect(await reapRecord(stamped(0, [name]), deps)).toEqual({ kind: 'done', deleted: 0, stillReferenced: 1 });
  expect(world.stores.bucket('world').has(name)).toBe(true);
  const other = stale(2);
  world.stores.before = ({ op }) => {
    if (op !== 'head') return;
    world.ledger.nowMs += 30_001;
    world.metadata.incarnation = 2;
  };
  expect(await reapRecord(stamped(0, [other]), deps)).toMatchObject({ kind: 'again', doubt: expect.any(String) });
  expect(world.stores.bucket('world').has(other)).toBe(true);
});

it('the grace period of a time-bound store is the same for whoever looks and whoever writes records', async () => {
  const long = new World(new RecordState(), { ...LIMITS, graceMs: 1, quietMs: 10_000 });
  for (let n = 0; n < 8; n++) long.write(n * 4, 8);
  long.rest();
  await long.compact();
  expect(long.ledger.first()?.record.graceMs).toBe(protocolOf({ commitForm: 'time-bound' }).graceMs(long.limits));
});
