/**
 * What other compactors on the same inode, and a process that stands still, can do to a commit that nobody compares or
 * fences (facts §2): slow, never wrong (I9), by ids that keep an old commit out (ADR 10), a last look, and names that never
 * come twice. As races.test.ts, on records that behave as a metaserver's.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactInode } from '../../../../src/compact/compact-inode.ts';
import { monotonicMs } from '../../../../src/time.ts';
import { Boundary } from '../../../sim/boundary.ts';
import { endOf, expectWhole, finish, fragmentedWorld, worldOf } from '../../../sim/scenes.ts';
import { KEY, LIMITS, type World } from '../../../sim/world.ts';
import { InodeTables, OK, STORAGE_INTERNAL_ERROR } from './records.ts';
import { atCrossing, one, smallFile, tablesOf } from './scene.ts';

describe('two compactors at once (I9)', () => {
  it.each([1, 2, 3])('a commit that was overtaken by an append and %i later compactions is refused', async (later) => {
    const world = smallFile();
    world.rest();
    // Other chunks of the inode have entries enough for the counter to let everything pass.
    tablesOf(world).setCounter(KEY, 1_000);
    const boundary = atCrossing('metadata.commit', async () => {
      for (let n = 0; n < later; n++) {
        for (const offset of [3, 9, 0, 6]) world.write(offset + n, 3);
        world.rest();
        expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
      }
    });
    expect(await world.compact(boundary)).toMatchObject({ outcome: 'conflict', chunksCompacted: 0 });
    expect(world.violations).toEqual([]);
    await finish(world);
    expectWhole(world);
  });

  it('would lose the append, were the merged version to have the lowest id (ADR 10)', () => {
    const tables = new InodeTables();
    for (const chunkId of [5n, 6n]) tables.modify(KEY, { add: one(chunkId), remove: new Map() });
    const read = tables.lists(KEY);
    tables.modify(KEY, { add: one(7n), remove: new Map() });
    tables.setCounter(KEY, 100);
    tables.modify(KEY, { add: one(5n, 9n), remove: tables.lists(KEY) });
    expect(tables.modify(KEY, { add: one(5n, 8n), remove: read })).toBe(OK);
    expect(tables.lists(KEY)).toEqual(one(5n, 8n));
    // With an id below, the same request cuts the record.
    tables.modify(KEY, { add: one(2n, 9n), remove: tables.lists(KEY) });
    expect(tables.modify(KEY, { add: one(5n, 8n), remove: read })).toBe(STORAGE_INTERNAL_ERROR);
  });

  it('I3: chunks of one attempt whose ids come to the same number take different ids', async () => {
    const world = worldOf('time-bound');
    // Neighbours by id in neighbouring chunks: halved, they are equal.
    for (const [offset, len] of [
      [0, 6],
      [64, 6],
      [2, 3],
      [66, 3],
      [8, 4],
      [72, 4],
      [5, 2],
      [69, 2],
    ] as const)
      world.write(offset, len);
    world.rest();
    expect(await world.compact()).toMatchObject({ outcome: 'compacted', chunksCompacted: 2, warnings: [] });
    const [a, b] = [world.lists().get(0)?.[0], world.lists().get(1)?.[0]];
    // Halved, both are 500,000.
    expect([a?.chunkId, b?.chunkId].sort()).toEqual([499_999n, 500_000n]);
    expect(a?.compaction).not.toBe(b?.compaction);
    await finish(world);
    expectWhole(world);
  });

  it('I3: no object name is ever made twice, also by attempts that failed', async () => {
    const world = fragmentedWorld('time-bound');
    const names: string[] = [];
    const boundary = (): Boundary =>
      new Boundary({ at: probe.crossings.indexOf('metadata.commit'), ending: 'gone-before' });
    const probe = new Boundary();
    await fragmentedWorld('time-bound').compact(probe);
    for (let n = 0; n < 4; n++) {
      await endOf(world.compact(boundary()));
      names.push(...[...world.ledger.records.values()].flatMap(({ merged }) => merged));
      world.ledger.records.clear();
    }
    expect(names.length).toBeGreaterThan(8);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('a process that stands still between its last look and the commit', () => {
  it('does not send it', async () => {
    const world = smallFile();
    world.rest();
    let looks = 0;
    const boundary: Boundary = new Boundary(undefined, (name) => {
      if (boundary.crossings.includes('objects.put') && name === 'metadata.readChunk' && ++looks === 1) {
        world.ledger.nowMs += LIMITS.commitTimeoutMs + 1;
      }
    });
    await endOf(world.compact(boundary));
    expect(looks).toBe(1);
    expect(boundary.crossings).not.toContain('metadata.commit');
    await finish(world);
    expectWhole(world);
  });
});

describe('a machine that is suspended with its monotonic clock, until its records are done', () => {
  /** Lease and grace go by at `at`, after a PUT; the worker's own clock has stood still. */
  async function suspended(world: World, at: string): Promise<Boundary> {
    let frozenMs = 0;
    const boundary = atCrossing(
      at,
      async () => {
        const beforeMs = world.ledger.nowMs;
        await world.reapAll();
        frozenMs = world.ledger.nowMs - beforeMs;
      },
      'objects.put',
    );
    const deps = world.deps(boundary);
    const clock = { ...deps.clock, monotonicMs: () => monotonicMs(world.ledger.nowMs - frozenMs) };
    await endOf(compactInode(KEY, { ...deps, clock }, { limits: world.limits }));
    expect(frozenMs).toBeGreaterThan(LIMITS.leaseMs);
    return boundary;
  }

  it.each(['metadata.getInode', 'metadata.readChunk', 'ledger.nowMs'])(
    'does not commit objects that are gone: at %s',
    async (at) => {
      const world = smallFile();
      world.rest();
      const boundary = await suspended(world, at);
      expect(boundary.crossings).not.toContain('metadata.commit');
      expect(world.readFault(world.snapshot())).toBeNull();
      await finish(world);
      expectWhole(world);
    },
  );

  it('has no fence any more, where there is one', async () => {
    const world = worldOf('fenced');
    for (const offset of [0, 2, 8, 5, 1]) world.write(offset, 4);
    await suspended(world, 'metadata.commit');
    expect(world.readFault(world.snapshot())).toBeNull();
    await finish(world);
    expectWhole(world);
  });
});

describe('the counter of an inode', () => {
  it.each([1, 3])('that stands at %i, too low for the list, does not keep it from being compacted', async (counter) => {
    const world = smallFile();
    world.rest();
    tablesOf(world).setCounter(KEY, counter);
    expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
    await finish(world);
    expectWhole(world);
  });
});

describe('a kept version that begins later than it was written', () => {
  it('begins at a block border, or a client would read it shifted', async () => {
    const write = fc.tuple(fc.nat(120), fc.integer({ min: 1, max: 40 }));
    const property = fc.asyncProperty(
      fc.array(write, { minLength: 4, maxLength: 14 }),
      fc.nat(128),
      async (all, cut) => {
        const world = worldOf('time-bound');
        for (const [offset, len] of all) world.write(offset, Math.min(len, 64 - (offset % 64)));
        const written = new Map([...world.lists().values()].flat().map((version) => [version.chunkId, version]));
        world.truncate(Math.max(1, cut));
        await finish(world);
        for (const { chunkId, compaction, offset } of [...world.lists().values()].flat()) {
          if (compaction !== 0n) continue;
          expect(offset === written.get(chunkId)?.offset || offset % 16 === 0).toBe(true);
        }
        expectWhole(world);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });
});
