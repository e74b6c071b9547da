/**
 * The least that any policy must move in a life so that in the end one object serves each block: a block that is read from
 * more than one object is written once, and its bytes are read once. A bound, not a policy: it reads badly until the end.
 */
import type { Geometry, S3ChunkInfo } from '../../src/model.ts';
import { visibleBlocks } from '../../src/plan/index.ts';
import type { Life } from './life.ts';

/** Bytes to read and write once at the end of the life. */
export function lowerBoundBytes({ events, geometry }: Life): number {
  const chunks = new Map<number, S3ChunkInfo[]>();
  let length = 0;
  for (const event of events) {
    if (event.kind === 'length') length = event.length;
    if (event.kind !== 'append') continue;
    const versions = chunks.get(event.chunkIndex);
    if (versions === undefined) chunks.set(event.chunkIndex, [event.version]);
    else versions.push(event.version);
  }
  let bytes = 0;
  for (const [chunkIndex, versions] of chunks) bytes += mixedBytes({ geometry, chunkIndex, versions, length });
  return bytes;
}

function mixedBytes(input: {
  readonly geometry: Geometry;
  readonly chunkIndex: number;
  readonly versions: readonly S3ChunkInfo[];
  readonly length: number;
}): number {
  let bytes = 0;
  for (const { mixed, data } of visibleBlocks(input)) {
    const [first] = data;
    const last = data.at(-1);
    if (!mixed || first === undefined || last === undefined) continue;
    bytes += last.end - first.begin;
    for (const { begin, end } of data) bytes += end - begin;
  }
  return bytes;
}
