/**
 * Everything that planning wants to know of a chunk list as a whole, in one pass that also checks it: in a list of a
 * million versions the passes over it are a good part of the work. It judges nothing but the format.
 */

import type { S3ChunkInfo } from '../model.ts';
import { outside } from '../outside.ts';
import { blockSpan, type ChunkInput, objectsEnd } from './blocks.ts';
import { checkVersion, chunkWindow } from './check.ts';

export interface Survey {
  /** Some version reaches beyond the inode's length. */
  readonly beyond: boolean;
  readonly lowestChunkId: bigint;
  /** Objects that the list references. */
  readonly objects: number;
  /** Bytes of these objects. */
  readonly storedBytes: number;
}

/** Throws `list-invalid` (halt) for a list that breaks the format. */
export function surveyList(input: ChunkInput): Survey {
  const { versions, chunkIndex, geometry, length } = input;
  const window = chunkWindow(chunkIndex, geometry);
  let beyond = false;
  let lowest: S3ChunkInfo | undefined;
  let objects = 0;
  let storedBytes = 0;
  for (let position = 0; position < versions.length; position++) {
    const version = versions[position] ?? outside();
    checkVersion(version, position, { chunkIndex, window });
    if (version.offset + version.len > length) beyond = true;
    if (lowest === undefined || version.chunkId < lowest.chunkId) lowest = version;
    if (version.zero) continue;
    const { first, last } = blockSpan(version, geometry);
    objects += last - first + 1;
    storedBytes += objectsEnd(version, geometry) - version.offset;
  }
  return { beyond, lowestChunkId: lowest?.chunkId ?? 0n, objects, storedBytes };
}
