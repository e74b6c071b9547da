/**
 * Back to CurveFS's built-in compactor, over lists that we wrote (ADR 17): it derives the names of its objects from ids
 * and numbers in the list. None of them may be one that another chunk reads, or that was ever used before.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PlanPolicy } from '../../../../src/model.ts';
import { RecordState } from '../../../sim/record-metadata.ts';
import { expectWhole, finish, QUIET_MS } from '../../../sim/scenes.ts';
import { LIMITS, World } from '../../../sim/world.ts';
import { builtInCompacts } from './built-in.ts';

const CHUNKS = 3;

/** Pieces of blocks are merged, so that chunks have many merged versions, some of which later runs keep. */
function newWorld(policy: PlanPolicy = { ...LIMITS.policy, bytesPerGet: 6 }): World {
  return new World(new RecordState(), { ...LIMITS, policy, quietMs: QUIET_MS });
}

const write = fc.record({
  act: fc.constant('write' as const),
  offset: fc.nat(190),
  len: fc.integer({ min: 1, max: 20 }),
});
const step = fc.oneof(
  { weight: 6, arbitrary: write },
  { weight: 2, arbitrary: fc.constant({ act: 'compact' as const }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('built-in' as const), chunk: fc.nat(CHUNKS - 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant('truncate' as const), length: fc.integer({ min: 1, max: 192 }) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Plays the steps; every name that the built-in compactor writes must be new where `onlyNew`. */
async function play(steps: readonly Step[], onlyNew: boolean): Promise<void> {
  const world = newWorld();
  const ever = new Set<string>();
  const note = (): void => {
    for (const name of world.objectNames()) ever.add(name);
  };
  /** Chunks that nobody has written to since the built-in compactor was there. */
  const passed = new Set<number>();
  for (const one of steps) {
    if (one.act === 'write') {
      const chunk = Math.floor(one.offset / 64);
      world.write(one.offset, Math.min(one.len, (chunk + 1) * 64 - one.offset));
      passed.delete(chunk);
    } else if (one.act === 'truncate') world.truncate(one.length);
    else if (one.act === 'compact') {
      world.rest();
      await world.compact();
      note();
      // As README has it: the workers are stopped and nothing is left to be deleted before the other is turned on.
      await world.reapAll();
      passed.clear();
    } else if (!onlyNew || !passed.has(one.chunk)) {
      note();
      const names = builtInCompacts(world, one.chunk);
      if (onlyNew) for (const name of names) expect(ever).not.toContain(name);
      note();
      passed.add(one.chunk);
    }
    expect(world.violations).toEqual([]);
    expect(world.readFault(world.snapshot())).toBeNull();
  }
  await finish(world);
  expectWhole(world);
}

it('I3: its first pass over what we wrote makes names that were never there', async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => play(steps, true));
  await fc.assert(property, { numRuns: 120 });
});

it('I1: pass after pass of it, no chunk reads what was written for another', async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => play(steps, false));
  await fc.assert(property, { numRuns: 120 });
});

it('I3: chunks whose first ids are neighbours: a second pass over one, after a truncate, leaves the other alone', async () => {
  const world = newWorld(LIMITS.policy);
  for (const [offset, len] of [
    [0, 6],
    [64, 6],
    [2, 3],
    [66, 3],
    [8, 4],
    [72, 4],
    [5, 2],
    [69, 2],
  ] as const) {
    world.write(offset, len);
  }
  world.rest();
  expect(await world.compact()).toMatchObject({ chunksCompacted: 2 });
  await world.reapAll();
  for (let pass = 0; pass < 4; pass++) {
    builtInCompacts(world, 0);
    expect(world.readFault(world.snapshot())).toBeNull();
    expect(world.violations).toEqual([]);
  }
});

it('I3: the number after that of a merged version that stayed was not given to one that has gone since', async () => {
  const world = newWorld(LIMITS.policy);
  const write = (offsets: readonly number[]): void => {
    for (const offset of offsets) world.write(offset, 4);
  };
  const compact = async (): Promise<void> => {
    world.rest();
    expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
    for (const name of world.objectNames()) ever.add(name);
    await world.reapAll();
  };
  const ever = new Set<string>();
  // Two merged versions, in blocks 0 and 2; then the second one is merged again.
  write([0, 2, 8, 32, 34, 40]);
  await compact();
  write([33, 36, 39, 41]);
  await compact();
  const ids = (world.lists().get(0) ?? []).map(({ chunkId }) => chunkId);
  expect(ids).toEqual([499_999n, 500_000n]);
  for (const name of builtInCompacts(world, 0)) expect(ever).not.toContain(name);
  await finish(world);
  expectWhole(world);
});
