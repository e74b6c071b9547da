/**
 * Which version is read at which byte, and where that byte lies in which object: the rules of a CurveFS client
 * (client_s3_cache_manager.cpp), in the plainest form. Precedence is an array of owners that later versions paint over;
 * no sweep, no heap, so that nothing clever can be wrong in the same way as the planner.
 */
import { content } from './content.ts';
import { oracleName } from './names.ts';
import type { FileState, OracleGeometry, OracleVersion } from './types.ts';

export const HOLE = -1;

/** For each byte of `[begin, end)` the list position of the version that is read there, or HOLE. */
export function ownersOf(versions: readonly OracleVersion[], begin: number, end: number): Int32Array {
  const owners = new Int32Array(Math.max(0, end - begin)).fill(HOLE);
  for (let position = 0; position < versions.length; position++) {
    const version = versions[position];
    if (version === undefined) continue;
    const from = Math.max(version.offset, begin);
    const to = Math.min(version.offset + version.len, end);
    if (from < to) owners.fill(position, from - begin, to - begin);
  }
  return owners;
}

/** The block within its chunk of a file offset. */
export function blockOf(offset: number, geometry: OracleGeometry): number {
  return Math.floor((offset % geometry.chunkSize) / geometry.blockSize);
}

/** Where the byte at file offset `at` lies in its object: objects begin at the version's start, then at block borders. */
export function offsetInObject(version: OracleVersion, at: number, geometry: OracleGeometry): number {
  const inBlock = (at % geometry.chunkSize) % geometry.blockSize;
  if (blockOf(at, geometry) !== blockOf(version.offset, geometry)) return inBlock;
  return inBlock - ((version.offset % geometry.chunkSize) % geometry.blockSize);
}

/** The extents `[begin, end)` of a version block by block; what it has an object for, unless it is zero. */
export function* blockExtents(
  version: OracleVersion,
  geometry: OracleGeometry,
): Generator<{ readonly blockIndex: number; readonly begin: number; readonly end: number }> {
  const end = version.offset + version.len;
  for (let begin = version.offset; begin < end; ) {
    const inBlock = (begin % geometry.chunkSize) % geometry.blockSize;
    const next = Math.min(end, begin + geometry.blockSize - inBlock);
    yield { blockIndex: blockOf(begin, geometry), begin, end: next };
    begin = next;
  }
}

/** The objects that the lists reference, and how many bytes each must hold at least. */
export function referencedObjects(file: FileState): Map<string, number> {
  const referenced = new Map<string, number>();
  for (const versions of file.lists.values()) {
    for (const version of versions) {
      if (version.zero) continue;
      for (const { blockIndex, begin, end } of blockExtents(version, file.geometry)) {
        const name = oracleName(file, version, blockIndex);
        referenced.set(name, Math.max(referenced.get(name) ?? 0, end - begin));
      }
    }
  }
  return referenced;
}

/** The objects as their writer made them, by the content rule; only for lists that no compaction has touched. */
export function* originalObjects(file: FileState): Generator<{ readonly name: string; readonly bytes: Buffer }> {
  for (const versions of file.lists.values()) {
    for (const version of versions) {
      if (version.zero) continue;
      for (const { blockIndex, begin, end } of blockExtents(version, file.geometry)) {
        yield { name: oracleName(file, version, blockIndex), bytes: content(version.chunkId, begin, end) };
      }
    }
  }
}
