/**
 * From an inode to a path: up from parent to parent, looking for the name in each directory. It stands alone because a
 * directory has no index by inode: the look is bounded, and a path that takes longer is left out. For people only.
 */
import { CompactError } from '../../errors.ts';
import { parseEntry, ROOT_INODE, TRASH_INODE } from './decode.ts';
import type { VolumeReads } from './reads.ts';

/** Directories above a file … */
const DEPTH_MAX = 100;
/** … and entries that are looked at in each. */
const ENTRIES_MAX = 100_000;
const SCAN_COUNT = 1_000;

export async function pathOf(reads: VolumeReads, inodeId: bigint): Promise<string | null> {
  const names: string[] = [];
  let child = inodeId;
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (child === ROOT_INODE) return `/${names.join('/')}`;
    if (child === TRASH_INODE) return `/.trash/${names.join('/')}`;
    const parent = await parentOf(reads, child);
    const name = parent === null ? null : await nameIn(reads, parent, child);
    if (parent === null || name === null) return null;
    names.unshift(name);
    child = parent;
  }
  return null;
}

async function parentOf(reads: VolumeReads, inodeId: bigint): Promise<bigint | null> {
  const [attributes = null] = await reads.attributes([inodeId]);
  if (attributes === null || attributes instanceof CompactError) return null;
  if (attributes.parent !== 0n) return attributes.parent;
  const key = reads.key(`p${inodeId}`);
  const parents = await reads.calls.ask(key, () => reads.calls.redis.hgetall(key));
  const [first] = Object.keys(parents).filter((parent) => /^\d+$/.test(parent));
  return first === undefined ? null : BigInt(first);
}

async function nameIn(reads: VolumeReads, directory: bigint, inodeId: bigint): Promise<string | null> {
  const key = reads.key(`d${directory}`);
  let cursor = '0';
  let seen = 0;
  do {
    const [next, pairs] = await reads.calls.ask(key, () =>
      reads.calls.redis.hscanBuffer(key, cursor, 'COUNT', SCAN_COUNT),
    );
    for (let n = 0; n + 1 < pairs.length; n += 2) {
      const value = pairs[n + 1];
      if (value !== undefined && parseEntry(value)?.inodeId === inodeId) return pairs[n]?.toString('utf8') ?? null;
    }
    seen += pairs.length / 2;
    cursor = next.toString();
  } while (cursor !== '0' && seen < ENTRIES_MAX);
  return null;
}
