/**
 * From inodes to paths: up from parent to parent, looking for the names in each directory. It stands alone because a
 * directory has no index by inode: each one is read once for all that are looked for in it, the look is bounded, and a path
 * that takes longer is left out. For people only.
 */
import { CompactError } from '../../errors.ts';
import { parseEntry, ROOT_INODE, TRASH_INODE } from './decode.ts';
import { AT_ONCE, type VolumeReads } from './reads.ts';

/** Directories above a file … */
const DEPTH_MAX = 100;
/** … and entries that are looked at in each. */
const ENTRIES_MAX = 100_000;

/** Where an inode stands. */
interface Place {
  readonly parent: bigint;
  readonly name: string;
}

/** Those that were found. */
export async function pathsOf(reads: VolumeReads, inodeIds: readonly bigint[]): Promise<ReadonlyMap<bigint, string>> {
  const places = new Map<bigint, Place>();
  const isTop = (inodeId: bigint) => inodeId === ROOT_INODE || inodeId === TRASH_INODE;
  let wanted: ReadonlySet<bigint> = new Set(inodeIds.filter((inodeId) => !isTop(inodeId)));
  for (let depth = 0; depth < DEPTH_MAX && wanted.size > 0; depth++) {
    const parents = new Set<bigint>();
    for (const [parent, children] of await byParent(reads, [...wanted])) {
      for (const [inodeId, name] of await namesIn(reads, parent, children)) places.set(inodeId, { parent, name });
      if (!isTop(parent) && !places.has(parent)) parents.add(parent);
    }
    wanted = parents;
  }
  return new Map(
    inodeIds.flatMap((inodeId) => {
      const path = pathIn(places, inodeId);
      return path === null ? [] : [[inodeId, path] as const];
    }),
  );
}

function pathIn(places: ReadonlyMap<bigint, Place>, inodeId: bigint): string | null {
  const names: string[] = [];
  let child = inodeId;
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (child === ROOT_INODE) return `/${names.join('/')}`;
    if (child === TRASH_INODE) return `/.trash/${names.join('/')}`;
    const place = places.get(child);
    if (place === undefined) return null;
    names.unshift(place.name);
    child = place.parent;
  }
  return null;
}

/** The children by the directory that they are in; one that has links in several is looked for in one of these. */
async function byParent(
  reads: VolumeReads,
  inodeIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, ReadonlySet<bigint>>> {
  const found = new Map<bigint, Set<bigint>>();
  for (let from = 0; from < inodeIds.length; from += AT_ONCE) {
    const batch = inodeIds.slice(from, from + AT_ONCE);
    for (const [n, attributes] of (await reads.attributes(batch)).entries()) {
      const inodeId = batch[n];
      if (inodeId === undefined || attributes === null || attributes instanceof CompactError) continue;
      const parent = attributes.parent === 0n ? await firstLink(reads, inodeId) : attributes.parent;
      if (parent === null) continue;
      const children = found.get(parent) ?? new Set();
      found.set(parent, children.add(inodeId));
    }
  }
  return found;
}

async function firstLink(reads: VolumeReads, inodeId: bigint): Promise<bigint | null> {
  const parents = await reads.ask(`p${inodeId}`, (redis, key) => redis.hgetall(key));
  const [first] = Object.keys(parents).filter((parent) => /^\d+$/.test(parent));
  return first === undefined ? null : BigInt(first);
}

async function namesIn(
  reads: VolumeReads,
  directory: bigint,
  inodeIds: ReadonlySet<bigint>,
): Promise<ReadonlyMap<bigint, string>> {
  const names = new Map<bigint, string>();
  let seen = 0;
  for await (const pairs of reads.hashPages(`d${directory}`)) {
    for (const [name, value] of pairs) {
      const inodeId = parseEntry(value)?.inodeId;
      if (inodeId !== undefined && inodeIds.has(inodeId)) names.set(inodeId, name.toString('utf8'));
    }
    seen += pairs.length;
    if (seen >= ENTRIES_MAX || names.size >= inodeIds.size) break;
  }
  return names;
}
