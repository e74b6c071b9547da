/**
 * One chunkId in two chunks of a file, as a write across the border may leave it (docs/reliability.md): a writer may do
 * so as long as no object name comes twice, and compaction must never make two objects under one name of it (I3).
 */
import { describe, expect, it } from 'vitest';
import type { S3ChunkInfo } from '../../src/model.ts';
import { originalObjects } from '../kit/oracle/layout.ts';
import { expectWhole, FORMS, finish, worldOf } from '../sim/scenes.ts';
import { GEOMETRY, KEY, type World } from '../sim/world.ts';

/** The lowest id of both chunks is one: all that is merged in either goes by it. */
function scene(form: (typeof FORMS)[number]): World {
  const world = worldOf(form);
  // An id of its own, with no object yet.
  const { chunkId } = world.writeLate(0, 1);
  for (const name of world.objectNames()) world.stores.bucket('world').delete(name);
  for (const offset of [48, 64]) put(world, { chunkId, compaction: 0n, offset, len: 16, size: 16, zero: false });
  for (const offset of [0, 3, 6, 9, 12]) world.write(offset, 4);
  for (const offset of [64, 67, 70, 73]) world.write(offset, 2);
  world.rest();
  return world;
}

function put(world: World, version: S3ChunkInfo): void {
  const lists = new Map([[Math.floor(version.offset / GEOMETRY.chunkSize), [version]]]);
  const state = { ...KEY, objectPrefix: 0 as const, geometry: GEOMETRY, length: 128, lists };
  for (const { name, bytes } of originalObjects(state)) world.stores.write('world', name, bytes);
  world.appendLate(version);
}

describe.each(FORMS)('%s: one chunkId in two chunks of a file', (form) => {
  it('I3: both are compacted in one attempt, under names of their own', async () => {
    const world = scene(form);
    expect(await world.compact()).toMatchObject({ outcome: 'compacted', chunksCompacted: 2, warnings: [] });
    await finish(world);
    expectWhole(world);
  });

  it('I3: also on a store that ignores If-None-Match', async () => {
    const world = scene(form);
    const forFilesystem = world.stores.forFilesystem.bind(world.stores);
    world.stores.forFilesystem = (filesystem) =>
      Object.assign(forFilesystem(filesystem), {
        putIfAbsent: async (name: string, body: Uint8Array) => {
          world.stores.write('world', name, Buffer.from(body));
          return 'created' as const;
        },
      });
    expect(await world.compact()).toMatchObject({ outcome: 'compacted', chunksCompacted: 2 });
    await finish(world);
    expectWhole(world);
  });
});
