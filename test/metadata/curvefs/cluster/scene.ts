/**
 * What the tests of single races begin with: a small file on records that behave as a metaserver's, and a step at which
 * somebody else acts.
 */
import type { S3ChunkInfo } from '../../../../src/model.ts';
import { Boundary } from '../../../sim/boundary.ts';
import { RecordState } from '../../../sim/record-metadata.ts';
import { worldOf } from '../../../sim/scenes.ts';
import type { World } from '../../../sim/world.ts';
import type { InodeTables, Version } from './records.ts';

export function tablesOf(world: World): InodeTables {
  if (!(world.metadata instanceof RecordState)) throw new TypeError('a world of records is needed');
  return world.metadata.tables;
}

/** Does `act` once, right before the first crossing of this name that comes after `after`. */
export function atCrossing(name: string, act: () => void | Promise<void>, after = ''): Boundary {
  let armed = after === '';
  let done = false;
  return new Boundary(undefined, async (crossing) => {
    if (crossing === after) armed = true;
    if (done || !armed || crossing !== name) return;
    done = true;
    await act();
  });
}

/** Five pieces of one block, so that they become one merged version and nothing else. */
export function smallFile(): World {
  const world = worldOf('time-bound');
  for (const [offset, len] of [
    [0, 6],
    [2, 3],
    [8, 4],
    [5, 2],
    [1, 2],
  ] as const)
    world.write(offset, len);
  return world;
}

export const versionsOf = (world: World): readonly S3ChunkInfo[] => world.lists().get(0) ?? [];

/** A list of one version in chunk 0. */
export function one(chunkId: bigint, compaction = 0n): Map<bigint, Version[]> {
  return new Map([[0n, [{ chunkId, compaction, offset: 0n, len: 4n, size: 4n, zero: false }]]]);
}
