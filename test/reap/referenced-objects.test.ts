/**
 * What records of one inode share: the reading of its lists, and nothing else. Whatever happens between two looks, a
 * record that uses another's reading deletes only what it could have deleted by a look of its own (I7, I10).
 */

import fc from 'fast-check';
import { beforeEach, expect, it } from 'vitest';
import type { ReapRecord } from '../../src/ledger.ts';
import { type ReapDeps, reapRecord } from '../../src/reap/reap-record.ts';
import { SharedLists } from '../../src/reap/referenced-objects.ts';
import { ledgerMs } from '../../src/time.ts';
import { Boundary } from '../sim/boundary.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';
import { reapDeps, recordIn } from './record.ts';

let world: World;
let deps: ReapDeps;
let reads = 0;
/** Called when a list is read, before it is. */
let onRead: () => void;

beforeEach(() => {
  world = new World();
  world.write(0, 20);
  reads = 0;
  onRead = () => undefined;
  const boundary = new Boundary(undefined, (name) => {
    if (name !== 'metadata.readChunk') return;
    reads++;
    onRead();
  });
  deps = {
    ...reapDeps(world),
    metadata: new MemoryMetadata(world.metadata, boundary),
    lists: new SharedLists(),
  };
});

/** The name of an object that no client ever wrote, which exists. */
function stale(n: number): string {
  const name = `${KEY.fsId}_${KEY.inodeId}_${1_000 + n}_0_0`;
  world.stores.write('world', name, Buffer.from('old'));
  return name;
}

function stamped(retired: readonly string[], changes: Partial<ReapRecord> = {}): ReapRecord {
  return recordIn(world, { retired, stampMs: ledgerMs(world.ledger.nowMs - LIMITS.graceMs), ...changes });
}

const referenced = (): readonly string[] => world.referencedNames();

it('records that are due together read the lists once, one after the other or at a time, and keep what is referenced', async () => {
  const records = Array.from({ length: 20 }, (_, n) => stamped([stale(n), ...referenced()]));
  const verdicts = [];
  for (const record of records.slice(0, 10)) verdicts.push(await reapRecord(record, deps));
  verdicts.push(...(await Promise.all(records.slice(10).map((record) => reapRecord(record, deps)))));
  for (const verdict of verdicts)
    expect(verdict).toEqual({ kind: 'done', deleted: 1, stillReferenced: referenced().length });
  expect(world.objectNames()).toEqual(referenced());
  expect(reads).toBe(world.metadata.at(KEY)?.lists.size);
});

/** Looks at one record, lets something happen, and counts the reads of a second look. */
async function readsAfter(between: () => void, second: () => ReapRecord): Promise<number> {
  await reapRecord(stamped([stale(0)]), deps);
  between();
  reads = 0;
  await reapRecord(second(), deps);
  return reads;
}

const nothing = (): void => undefined;

it('I7: a record that became due after the reading began reads for itself', async () => {
  expect(await readsAfter(nothing, () => stamped([stale(1)]))).toBe(0);
  expect(
    await readsAfter(
      () => (world.ledger.nowMs += 1),
      () => stamped([stale(2)]),
    ),
  ).toBeGreaterThan(0);
});

it('I7: what was read longer ago than a delete may take is not used', async () => {
  const dueMs = world.ledger.nowMs;
  expect(
    await readsAfter(
      () => (world.ledger.nowMs += 30_000),
      () => stamped([stale(1)], { dueMs: ledgerMs(dueMs) }),
    ),
  ).toBe(0);
  expect(
    await readsAfter(
      () => (world.ledger.nowMs += 30_001),
      () => stamped([stale(2)], { dueMs: ledgerMs(dueMs) }),
    ),
  ).toBeGreaterThan(0);
});

it("I7: what was read before the ledger's clock went back is not used", async () => {
  const dueMs = world.ledger.nowMs - 2;
  const back = () => stamped([stale(1)], { dueMs: ledgerMs(dueMs), stampMs: ledgerMs(0) });
  expect(await readsAfter(() => (world.ledger.nowMs -= 1), back)).toBeGreaterThan(0);
});

it('I7: what was read of a server that died since, or of another file system, is not used', async () => {
  const life2 = { incarnation: 'life-2' };
  expect(
    await readsAfter(
      () => (world.metadata.incarnation = 2),
      () => stamped([stale(1)], life2),
    ),
  ).toBeGreaterThan(0);
  const other = { ...world.filesystem, uuid: 'uuid-2' };
  const swap = (): void => void world.metadata.filesystems.set(KEY.fsId, other);
  const second = () => stamped([stale(2)], { ...life2, fsUuid: 'uuid-2' });
  expect(await readsAfter(swap, second)).toBeGreaterThan(0);
});

it("I10: a reading that failed is nobody's, and an unstamped record always reads for itself", async () => {
  let fails = true;
  onRead = () => {
    if (fails) throw new Error('no answer');
  };
  const both = await Promise.all([reapRecord(stamped([stale(1)]), deps), reapRecord(stamped([stale(2)]), deps)]);
  for (const verdict of both) expect(verdict).toMatchObject({ kind: 'again', doubt: expect.any(String) });
  expect(world.objectNames()).toEqual(expect.arrayContaining([stale(1), stale(2)]));
  fails = false;
  reads = 0;
  const { stampMs: _, ...unstamped } = stamped([stale(3)]);
  await reapRecord(stamped([stale(4)]), deps);
  const one = reads;
  expect(one).toBeGreaterThan(0);
  await reapRecord(unstamped, deps);
  expect(reads).toBe(2 * one);
});

it('an inode that is missing shares nothing with one that has come back', async () => {
  const saved = world.metadata.snapshot();
  world.metadata.inodes.clear();
  const missingSinceMs = world.ledger.nowMs - 24 * 60 * 60 * 1000;
  await reapRecord(stamped([stale(1)], { missingSinceMs: ledgerMs(missingSinceMs) }), deps);
  for (const [key, inode] of saved) world.metadata.inodes.set(key, inode);
  const verdict = await reapRecord(stamped([...referenced(), stale(2)]), deps);
  expect(verdict).toMatchObject({ kind: 'done', deleted: 1, stillReferenced: referenced().length });
});

it('a shared reading judges every name as a reading of its own does', async () => {
  const odd = ['x', '', '1_2_3', `${KEY.fsId}_${KEY.inodeId}_1_0`, `${KEY.fsId}_${KEY.inodeId}_01_0_0`, 'a/b'];
  const id = fc.nat(30);
  const made = fc
    .tuple(fc.constantFrom(0, KEY.fsId), fc.constantFrom(0n, KEY.inodeId), id, fc.nat(3), fc.constantFrom(0, 4096))
    .map((parts) => parts.join('_'));
  const names = fc.array(fc.oneof(made, fc.constantFrom(...odd), fc.constantFrom(...world.referencedNames())));
  const look = { key: KEY, filesystem: world.filesystem, incarnation: 'life-1' };
  await fc.assert(
    fc.asyncProperty(names, async (drawn) => {
      const unique = [...new Set(drawn)];
      const own = await new SharedLists().look(unique, look, deps);
      const shared = await new SharedLists().look(unique, { ...look, dueMs: ledgerMs(world.ledger.nowMs) }, deps);
      expect(shared).toEqual(own);
    }),
  );
});
