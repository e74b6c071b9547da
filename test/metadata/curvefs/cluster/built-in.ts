/**
 * CurveFS's built-in compactor over one chunk, as its source has it (s3compact_inode.cpp): it makes one version of all
 * that is visible, under the highest chunkId that is seen there, the last in file order where several have it, with that
 * version's `compaction` + 1. It overwrites what has that name, compares nothing, and deletes the old objects at once.
 */

import { blockExtents, HOLE, ownersOf, referencedObjects } from '../../../kit/oracle/layout.ts';
import { oracleName } from '../../../kit/oracle/names.ts';
import { readRange } from '../../../kit/oracle/reader.ts';
import { KEY, type World } from '../../../sim/world.ts';
import { type Lists, OK } from './records.ts';
import { tablesOf } from './scene.ts';
import { toVersion } from './writer.ts';

/** The names that it wrote. */
export function builtInCompacts(world: World, chunkIndex: number): readonly string[] {
  const file = world.snapshot();
  const old = file.lists.get(chunkIndex) ?? [];
  if (old.length === 0) return [];
  const bucket = world.stores.bucket('world');
  const begin = chunkIndex * file.geometry.chunkSize;
  const owners = ownersOf(old, begin, Math.min(begin + file.geometry.chunkSize, file.length));
  let newest = { chunkId: 0n, compaction: 0n };
  for (const owner of owners) {
    const seen = old[owner];
    if (seen !== undefined && !seen.zero && seen.chunkId >= newest.chunkId) newest = seen;
  }
  const first = owners.findIndex((owner) => owner !== HOLE);
  const len = owners.findLastIndex((owner) => owner !== HOLE) + 1 - first;
  const { chunkId, compaction } = newest;
  const made = { chunkId, compaction: compaction + 1n, offset: begin + first, len, size: len, zero: false };
  const names: string[] = [];
  for (const part of first < 0 ? [] : blockExtents(made, file.geometry)) {
    const name = oracleName(file, made, part.blockIndex);
    const bytes = readRange(file, part.begin, part.end, (source) => bucket.get(source)?.bytes);
    names.push(name);
    world.stores.write('world', name, bytes);
  }
  const index = BigInt(chunkIndex);
  const add: Lists = first < 0 ? new Map() : new Map([[index, [toVersion(made)]]]);
  const status = tablesOf(world).modify(KEY, { add, remove: new Map([[index, old.map(toVersion)]]) });
  const unwanted = status === OK ? referencedObjects({ ...file, lists: new Map([[chunkIndex, old]]) }).keys() : names;
  for (const name of unwanted) bucket.delete(name);
  world.metadata.changed();
  return names;
}
