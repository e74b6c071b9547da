/**
 * What the rest of a long list hides of its head. A commit replaces so many versions at most, but what is visible is decided
 * by all of them: the rest is kept as the extents that it covers together, read in parts, so that memory does not grow with
 * it (docs/adr/0013). To leave an extent out is safe: bytes that nobody sees then count as visible. It reads nothing.
 */
import type { Extent, Geometry, PlacedVersion, S3ChunkInfo } from '../model.ts';
import { checkVersion, chunkWindow } from './check.ts';
import type { Window } from './valid-ranges.ts';

/** Extents that are remembered; of more, the longest. Some 10 MB. */
const EXTENTS_MAX = 200_000;

export interface VersionsAbove {
  /** What they cover together, ascending, disjoint. */
  readonly extents: readonly Extent[];
  /** The last one that was looked at. */
  readonly last: PlacedVersion;
}

/** Takes in the versions above a head, in their order. */
export class AboveFinder {
  readonly #chunk: { readonly chunkIndex: number; readonly window: Window };
  readonly #extentsMax: number;
  #extents: readonly Extent[] = [];
  #last: PlacedVersion | undefined;

  /** Throws `list-invalid` (halt) for a chunk beyond 2^53. */
  constructor(chunkIndex: number, geometry: Geometry, extentsMax = EXTENTS_MAX) {
    this.#chunk = { chunkIndex, window: chunkWindow(chunkIndex, geometry) };
    this.#extentsMax = extentsMax;
  }

  /** The versions from position `from` on. Throws `list-invalid` (halt) for one that breaks the format. */
  add(versions: readonly S3ChunkInfo[], from: number): void {
    for (const [n, version] of versions.entries()) checkVersion(version, from + n, this.#chunk);
    const version = versions.at(-1);
    if (version === undefined) return;
    this.#last = { position: from + versions.length - 1, version };
    this.#extents = longest(joined([...this.#extents, ...versions]), this.#extentsMax);
  }

  /** `undefined`: there are none. */
  found(): VersionsAbove | undefined {
    return this.#last && { extents: this.#extents, last: this.#last };
  }
}

function joined(extents: Extent[]): Extent[] {
  const out: { offset: number; len: number }[] = [];
  for (const { offset, len } of extents.sort((a, b) => a.offset - b.offset)) {
    const last = out.at(-1);
    if (last === undefined || offset > last.offset + last.len) out.push({ offset, len });
    else last.len = Math.max(last.len, offset + len - last.offset);
  }
  return out;
}

function longest(extents: Extent[], most: number): Extent[] {
  if (extents.length <= most) return extents;
  const long = extents.sort((a, b) => b.len - a.len).slice(0, most);
  return long.sort((a, b) => a.offset - b.offset);
}
