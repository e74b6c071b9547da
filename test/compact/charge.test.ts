/**
 * What a run is charged for: blocks that were written, not blocks that were planned. A chunk whose object is missing
 * must not use up the budget of the chunks behind it, and the report must tell what was really moved.
 */
import { expect, it } from 'vitest';
import { Boundary } from '../sim/boundary.ts';
import { finish } from '../sim/scenes.ts';
import { LIMITS, World } from '../sim/world.ts';

/** Two chunks of one mixed block each; the first is worth a little more, so it is tried first. */
function twoChunks(): World {
  const world = new World();
  for (const [offset, len] of [
    [0, 16],
    [2, 2],
    [6, 2],
    [10, 2],
    [64, 16],
    [66, 2],
    [70, 2],
  ] as const) {
    world.write(offset, len);
  }
  return world;
}

const POLICY = { ...LIMITS.policy, fragmentThreshold: 2 };

it('a block that missed an object costs nothing; the chunk behind it has the whole budget', async () => {
  const planned = await twoChunks().compact(new Boundary(), { ...LIMITS, policy: POLICY });
  expect(planned.chunksCompacted).toBe(2);

  const world = twoChunks();
  const [lost = ''] = world.objectNames();
  const bucket = world.stores.bucket('world');
  const object = bucket.get(lost);
  bucket.delete(lost);
  // Enough for either chunk, not for both.
  const requestsMax = planned.cost.readRequests + planned.cost.writeRequests - 1;
  const result = await world.compact(new Boundary(), { ...LIMITS, policy: POLICY, requestsMax });
  expect(result.damage?.code).toBe('object-missing');
  expect(result).toMatchObject({ outcome: 'compacted', chunksCompacted: 1, chunksLeft: 1 });
  expect(result.cost).toMatchObject({ writeRequests: 1, writeBytes: 16 });

  // The upload arrives, and nothing of the run that missed it is left behind.
  if (object !== undefined) bucket.set(lost, object);
  await finish(world);
  expect(world.readFault(world.snapshot())).toBeNull();
  expect(world.objectNames()).toEqual(world.referencedNames());
});

it('a plan that was carried out is charged exactly what it said', async () => {
  const { cost } = await twoChunks().compact(new Boundary(), { ...LIMITS, policy: POLICY });
  expect(cost).toMatchObject({ writeRequests: 2, writeBytes: 32 });
});
