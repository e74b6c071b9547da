/**
 * The format's own rules for a chunk list. A list that breaks them is never "repaired" by guessing:
 * planning, reaping and inspecting all call this first and stop. It must not judge whether a list is worth compacting.
 */
import { CompactError } from '../errors.ts';
import { type Geometry, type S3ChunkInfo, UINT64_MAX } from '../model.ts';
import type { Window } from './valid-ranges.ts';

/** Throws `list-invalid` (halt), naming the position, for a version that no writer of this layout makes. */
export function checkChunkList(versions: readonly S3ChunkInfo[], chunkIndex: number, geometry: Geometry): void {
  const chunk = { chunkIndex, window: chunkWindow(chunkIndex, geometry) };
  for (const [position, version] of versions.entries()) checkVersion(version, position, chunk);
}

/** The file extent of a chunk. Throws `list-invalid` (halt) for a chunk beyond 2^53. */
export function chunkWindow(chunkIndex: number, geometry: Geometry): Window {
  const begin = chunkIndex * geometry.chunkSize;
  const end = begin + geometry.chunkSize;
  if (!Number.isSafeInteger(end)) throw invalid(`chunk ${chunkIndex} lies beyond the largest file offset (2^53)`);
  return { begin, end };
}

/** Throws `list-invalid` (halt) for one version that breaks the format. */
export function checkVersion(
  version: S3ChunkInfo,
  position: number,
  chunk: { readonly chunkIndex: number; readonly window: Window },
): void {
  const fault = versionFault(version, chunk.window.begin, chunk.window.end);
  if (fault !== null) throw invalid(`chunk ${chunk.chunkIndex}, version ${position} of the list: ${fault}`);
}

/** What is wrong with one version of the chunk `[chunkBegin, chunkEnd)`, or `null`. */
export function versionFault(version: S3ChunkInfo, chunkBegin: number, chunkEnd: number): string | null {
  const { offset, len, size, chunkId, compaction } = version;
  if (!isOffset(offset) || !isOffset(len) || !isOffset(size)) return 'offset, len or size is not a number up to 2^53';
  if (len === 0) return 'its length is 0';
  if (offset < chunkBegin || offset + len > chunkEnd) {
    return `its extent [${offset}, ${offset + len}) crosses the border of its chunk [${chunkBegin}, ${chunkEnd})`;
  }
  if (chunkId < 0n || chunkId > UINT64_MAX || compaction < 0n || compaction > UINT64_MAX) {
    return 'its chunkId or compaction is not a 64-bit number';
  }
  return null;
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function invalid(what: string): CompactError {
  return new CompactError(`${what}; the inode needs a person: look with "s3compact inspect", nothing was changed`, {
    kind: 'halt',
    code: 'list-invalid',
  });
}
