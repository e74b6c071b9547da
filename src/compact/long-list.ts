/**
 * How a chunk list is read for planning: its head, as much of it as one commit may replace, and what the versions above
 * hide of it (docs/adr/0013). Apart from choosing because parts of a list that changes between two reads must never be
 * taken for one list. What cannot be known is left out: then bytes count as visible that nobody sees, never the reverse.
 */
import { type ChunkSnapshot, COMMIT_VERSIONS_MAX, type MetadataStore } from '../metadata/port.ts';
import type { Geometry, InodeKey } from '../model.ts';
import { AboveFinder, type VersionsAbove } from '../plan/index.ts';

/** Versions of a list that are looked at; those above may hide more, which a later run sees (I8). */
const VERSIONS_SEEN_MAX = 5_000_000;

/** `versions` are at most as many as a commit may replace; `above` is absent where there are no others. */
export interface ListHead extends ChunkSnapshot {
  readonly above?: VersionsAbove;
}

export interface ReadHeadOptions {
  readonly metadata: Pick<MetadataStore, 'readChunk'>;
  readonly filesystem: Geometry;
  /** Versions of the head, and of a part that is read: some 20 MB, and some 20 ms of a Redis. Absent: as many as a commit replaces. */
  readonly versionsMax?: number;
}

/** In one reading. Throws `list-invalid` (halt) for a version above the head that breaks the format. */
export async function readAtOnce(key: InodeKey, chunkIndex: number, options: ReadHeadOptions): Promise<ListHead> {
  const { metadata, filesystem, versionsMax = COMMIT_VERSIONS_MAX } = options;
  const whole = await metadata.readChunk(key, chunkIndex, VERSIONS_SEEN_MAX);
  if (whole.versions.length <= versionsMax) return whole;
  const finder = new AboveFinder(chunkIndex, filesystem);
  finder.add(whole.versions.slice(versionsMax), versionsMax);
  return withAbove({ ...whole, versions: whole.versions.slice(0, versionsMax) }, finder);
}

/** Part by part, under a fence that proves them to be of one list. Throws as `readAtOnce` does. */
export async function readInParts(key: InodeKey, chunkIndex: number, options: ReadHeadOptions): Promise<ListHead> {
  const { metadata, filesystem, versionsMax = COMMIT_VERSIONS_MAX } = options;
  const head = await metadata.readChunk(key, chunkIndex, versionsMax);
  const end = Math.min(head.versionsTotal, VERSIONS_SEEN_MAX);
  if (end <= head.versions.length) return head;
  const finder = new AboveFinder(chunkIndex, filesystem);
  for (let from = head.versions.length; from < end; from += versionsMax) {
    const count = Math.min(versionsMax, end - from);
    const part = await metadata.readChunk(key, chunkIndex, count, from);
    // Nobody knows any more whether this is above the head that was read.
    if (!isOfOneList(head, part) || part.versions.length < count) return head;
    finder.add(part.versions, from);
  }
  return withAbove(head, finder);
}

/**
 * Only a commit can move versions, and it needs a fence of its own: while ours stands there was none. Without one a plan
 * may be wrong, and cannot be committed.
 */
function isOfOneList(head: ChunkSnapshot, part: ChunkSnapshot): boolean {
  return part.inode !== null && part.inode.attempt === head.inode?.attempt && part.versionsTotal >= head.versionsTotal;
}

function withAbove(head: ChunkSnapshot, finder: AboveFinder): ListHead {
  const above = finder.found();
  return above === undefined ? head : { ...head, above };
}
