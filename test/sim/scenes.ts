/** Files that exercise every part of a plan, and what tests do with a world after a fault. */
import { expect } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import type { CommitForm } from '../../src/metadata/port.ts';
import { ProcessGone } from './boundary.ts';
import { RecordState } from './record-metadata.ts';
import { LIMITS, World } from './world.ts';

export const QUIET_MS = 60_000;

/** Both kinds of metadata service: everything that is true of runs is true on both. */
export const FORMS = ['fenced', 'time-bound'] as const satisfies readonly CommitForm[];

/** An empty file. */
export function worldOf(form: CommitForm): World {
  return form === 'fenced' ? new World() : new World(new RecordState(), { ...LIMITS, quietMs: QUIET_MS });
}

/** Two chunks with overlaps, a hole, a zero version, a covered version and bytes beyond the length. */
export function fragmentedWorld(form: CommitForm = 'fenced'): World {
  const world = worldOf(form);
  const first = [
    [0, 30],
    [8, 4],
    [10, 10],
    [24, 8],
    [0, 4],
    [48, 16],
    [50, 2],
  ] as const;
  const second = [
    [64, 20],
    [70, 4],
    [72, 8],
    [64, 16],
    [100, 28],
    [110, 4],
  ] as const;
  for (const [offset, len] of first) world.write(offset, len);
  world.write(26, 2, true);
  for (const [offset, len] of second) world.write(offset, len);
  world.truncate(120);
  world.rest();
  return world;
}

/** Lets a run end as it will: values, our errors and a dead process are all fine; anything else is a bug. */
export async function endOf(run: Promise<unknown>): Promise<void> {
  try {
    await run;
  } catch (error) {
    if (!(error instanceof CompactError) && !(error instanceof ProcessGone)) throw error;
  }
}

/** Compacts without faults until there is nothing to do, then works every reap record off. */
export async function finish(world: World): Promise<void> {
  world.rest();
  for (let runs = 0; runs < 10; runs++) {
    if ((await world.compact()).outcome === 'nothing') break;
  }
  await world.reapAll();
}

/** Every byte reads right and the bucket holds exactly what the lists reference (I1, I12). */
export function expectWhole(world: World): void {
  expect(world.violations).toEqual([]);
  expect(world.readFault(world.snapshot())).toBeNull();
  expect(world.objectNames()).toEqual(world.referencedNames());
}
