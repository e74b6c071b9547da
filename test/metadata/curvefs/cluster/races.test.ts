/**
 * The races that a metaserver cannot exclude (facts §2, §7), one after the other: what keeps each out is a rule, and each
 * rule has a test that fails without it. The runs are the real ones, on records that behave as a metaserver's; what
 * happens at every step, and in worlds made from seeds, is in test/compact and test/sim/seeded; other compactors are in
 * compactors.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { SEVERAL_WRITERS_TIMES } from '../../../../src/compact/quiet-period.ts';
import { Boundary } from '../../../sim/boundary.ts';
import { endOf, expectWhole, finish, QUIET_MS, worldOf } from '../../../sim/scenes.ts';
import { KEY } from '../../../sim/world.ts';
import { InodeTables, OK } from './records.ts';
import { atCrossing, one, smallFile, tablesOf, versionsOf } from './scene.ts';

describe('a file that is being written is left alone', () => {
  it('until nobody has written to it for the quiet period', async () => {
    const world = smallFile();
    await expect(world.compact()).rejects.toMatchObject({ kind: 'retry', code: 'inode-busy' });
    world.ledger.nowMs += QUIET_MS - 1;
    await expect(world.compact()).rejects.toMatchObject({ code: 'inode-busy' });
    expect(world.ledger.records.size).toBe(0);
    world.ledger.nowMs += 1;
    expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
  });

  it('for ten times as long where a list does not ascend: several clients write to it', async () => {
    const world = worldOf('time-bound');
    const late = world.writeLate(4, 4);
    for (const offset of [0, 2, 6]) world.write(offset, 3);
    world.ledger.nowMs += QUIET_MS;
    world.appendLate({ ...late });
    const merged = new Map([[0n, [...(tablesOf(world).lists(KEY).get(0n) ?? [])].toReversed()]]);
    // As one update that brings entries of two flushes in the order of their coming.
    const remove = tablesOf(world).lists(KEY);
    expect(tablesOf(world).modify(KEY, { add: merged, remove })).toBe(OK);
    const ids = versionsOf(world).map(({ chunkId }) => chunkId);
    expect(ids).not.toEqual(ids.toSorted());
    world.ledger.nowMs += QUIET_MS + 1;
    await expect(world.compact()).rejects.toMatchObject({ code: 'inode-busy' });
    world.ledger.nowMs += SEVERAL_WRITERS_TIMES * QUIET_MS;
    expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
  });

  it('also when somebody begins to write while it is merged: it might hold a lower id', async () => {
    const world = smallFile();
    const late = world.writeLate(4, 4);
    world.write(10, 2);
    world.rest();
    let [putting, appended] = [false, false];
    const boundary = new Boundary(undefined, (name) => {
      if (name === 'objects.put' && !putting) {
        putting = true;
        world.write(0, 2);
        world.write(3, 2);
      }
      // The second writer's append would come between the last look at the list and the commit, and be removed unseen.
      if (name !== 'metadata.commit' || appended) return;
      appended = true;
      world.appendLate(late);
    });
    await expect(world.compact(boundary)).rejects.toMatchObject({ code: 'inode-busy' });
    expect({ putting, appended }).toEqual({ putting: true, appended: false });
    world.appendLate(late);
    await finish(world);
    expectWhole(world);
  });
});

describe('a client whose clock is wrong, and who writes while its file is merged', () => {
  it.each([
    ['just behind the quiet period', QUIET_MS + 1],
    ['a day behind', 24 * 3_600_000],
    ['just more than an hour ahead', -3_600_001],
  ])('%s: what it has held back is not lost', async (_, behindMs) => {
    const world = smallFile();
    const late = world.writeLate(4, 4);
    world.write(10, 2);
    world.rest();
    const skew = () => world.metadata.change(KEY, { mtimeMs: world.ledger.nowMs - behindMs });
    let [putting, appended] = [false, false];
    const boundary = new Boundary(undefined, (name) => {
      if (name === 'objects.put' && !putting) {
        putting = true;
        world.write(0, 2);
        skew();
      }
      if (name !== 'metadata.commit' || appended) return;
      appended = true;
      world.appendLate(late);
      skew();
    });
    await expect(world.compact(boundary)).rejects.toMatchObject({ code: 'inode-busy' });
    expect({ putting, appended }).toEqual({ putting: true, appended: false });
    world.appendLate(late);
    await finish(world);
    expectWhole(world);
  });
});

describe('what lies beyond the length', () => {
  it('is trimmed only after two looks that saw the same: a length may be older than the list', async () => {
    const world = smallFile();
    world.rest();
    // Its client has sent the entry alone; the length, and the time of the write, come with the next update.
    const ahead = world.writeLate(20, 8);
    world.metadata.append(KEY, 0, ahead);
    world.history.append(ahead);
    const arrives = atCrossing('metadata.readChunk', () => world.truncate(28), 'ledger.nowMs');
    const second = atCrossing('metadata.readChunk', () => undefined);
    await endOf(world.compact(new Boundary(undefined, (name, n) => act(name, n))));
    function act(name: string, n: number): Promise<void> {
      // The first look of the run; from the second on the length is there.
      return n > 6 ? arrives.cross(name, () => undefined) : second.cross(name, () => undefined);
    }
    expect(versionsOf(world).some(({ chunkId }) => chunkId === ahead.chunkId)).toBe(true);
    await finish(world);
    expectWhole(world);
    expect(world.snapshot().length).toBe(28);
  });

  it('stays when the list grew between two looks, though neither length nor time did: its writer is still there', async () => {
    const world = smallFile();
    world.rest();
    const ahead = [world.writeLate(20, 8), world.writeLate(24, 8)];
    const append = (n: number): void => {
      const version = ahead[n];
      if (version === undefined) return;
      world.metadata.append(KEY, 0, version);
      world.history.append(version);
    };
    append(0);
    const startedMs = world.ledger.nowMs;
    let grown = false;
    const boundary = new Boundary(undefined, (name) => {
      if (grown || name !== 'metadata.readChunk' || world.ledger.nowMs - startedMs < QUIET_MS) return;
      grown = true;
      append(1);
    });
    await expect(world.compact(boundary)).rejects.toMatchObject({ code: 'inode-busy' });
    world.truncate(32);
    await finish(world);
    expectWhole(world);
  });

  it('goes when both looks saw the same, a quiet period apart', async () => {
    const world = smallFile();
    world.write(20, 8);
    world.truncate(10);
    world.rest();
    const startedMs = world.ledger.nowMs;
    expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
    expect(world.ledger.nowMs - startedMs).toBeGreaterThanOrEqual(QUIET_MS);
    expect(versionsOf(world).every(({ offset, len }) => offset + len <= 10)).toBe(true);
  });
});

describe('a slow writer', () => {
  it.each([
    ['lower than all that was merged', true],
    ['between those that were merged', false],
  ])('whose id is %s, and comes after the commit, stays visible', async (_, first) => {
    const world = worldOf('time-bound');
    const early = first ? world.writeLate(6, 2) : undefined;
    for (const [offset, len] of [
      [0, 4],
      [2, 4],
      [8, 4],
    ] as const)
      world.write(offset, len);
    const late = early ?? world.writeLate(6, 2);
    for (const [offset, len] of [
      [1, 2],
      [9, 2],
    ] as const)
      world.write(offset, len);
    world.rest();
    // The hole at 6 is filled with zeros in the merged object.
    expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
    world.appendLate(late);
    expect(versionsOf(world).at(-1)?.chunkId).toBe(late.chunkId);
    await finish(world);
    expectWhole(world);
  });
});

describe('a client that sends an append again after the commit', () => {
  it('loses nothing, whichever append it was and whether or not a reap has begun', async () => {
    for (let n = 0; n < 5; n++) {
      for (const looks of [0, 1]) {
        const world = smallFile();
        const again = versionsOf(world)[n];
        if (again === undefined) throw new Error('there are five versions');
        world.rest();
        expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
        for (let look = 0; look < looks; look++) await world.reapFirst();
        world.appendAgain(again);
        expect(world.violations).toEqual([]);
        await finish(world);
        expectWhole(world);
      }
    }
  });

  it('would take all that was merged with it, were the merged version to have the lowest id (ADR 10)', () => {
    const tables = new InodeTables();
    for (const chunkId of [5n, 6n, 7n]) tables.modify(KEY, { add: one(chunkId), remove: new Map() });
    tables.modify(KEY, { add: one(5n, 9n), remove: tables.lists(KEY) });
    tables.modify(KEY, { add: one(5n), remove: new Map() });
    expect(tables.lists(KEY)).toEqual(one(5n));
  });
});
