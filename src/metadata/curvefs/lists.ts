/**
 * Many inodes with their lists, for scores: one call each, several at a time, given out in the order they were asked
 * for. Memory is bounded by how many are read ahead; a single inode's lists come whole whatever their size. No calls here.
 */
import { CompactError } from '../../errors.ts';
import type { InodeKey } from '../../model.ts';
import { type InodePart, LIST_KEYS_MAX, LIST_VERSIONS_MAX } from '../port.ts';
import type { WholeInode } from './convert.ts';

/** Inodes that are read ahead: each may have some megabytes of lists. */
const AHEAD_MAX = 16;

export async function* readParts(
  keys: readonly InodeKey[],
  versionsMax: number,
  read: (key: InodeKey) => Promise<WholeInode | null>,
): AsyncGenerator<InodePart> {
  if (keys.length > LIST_KEYS_MAX || versionsMax < 1 || versionsMax > LIST_VERSIONS_MAX) {
    throw new TypeError(`readLists takes ${LIST_KEYS_MAX} inodes and ${LIST_VERSIONS_MAX} versions at most`);
  }
  const ahead: Promise<InodePart>[] = [];
  let next = 0;
  while (ahead.length > 0 || next < keys.length) {
    for (let key = keys[next]; key !== undefined && ahead.length < AHEAD_MAX; key = keys[++next]) {
      const part = partOf(key, versionsMax, read);
      // Its failure is reported when its turn comes.
      part.catch(() => undefined);
      ahead.push(part);
    }
    const first = ahead.shift();
    if (first !== undefined) yield await first;
  }
}

async function partOf(
  key: InodeKey,
  versionsMax: number,
  read: (key: InodeKey) => Promise<WholeInode | null>,
): Promise<InodePart> {
  try {
    const whole = await read(key);
    if (whole === null) return { key, inode: null, chunks: [], last: true };
    const { inode, lists } = whole;
    if (inode.type !== 's3' || inode.nlink <= 0) return { key, inode, chunks: [], last: true };
    const chunks = [...lists].map(([chunkIndex, versions]) => ({
      chunkIndex,
      versions: versions.length > versionsMax ? null : versions,
    }));
    return { key, inode, chunks, last: true };
  } catch (error) {
    // What is wrong with one inode must not end the walk over all; a cluster that is away does.
    const own = error instanceof CompactError && error.kind === 'halt' && error.inode !== undefined;
    if (!own) throw error;
    return { key, error, last: true };
  }
}
