/**
 * The deletes of a pass of gc: a fresh look at everything right before each batch (I7, I10). A name that anything
 * references again, that a record covers, or whose inode cannot be read or is in quarantine, stays. It chooses nothing:
 * what may go is given to it.
 */
import { CompactError, isMissingObject } from '../errors.ts';
import { changedLayout, parseObjectName, printInodeKey } from '../format.ts';
import type { GcBook, ReapRecords } from '../ledger.ts';
import type { Filesystem, InodeKey } from '../model.ts';
import { DELETE_BATCH_MAX, type DeleteFailure, type ListedObject, type ObjectStore } from '../objects/port.ts';
import { type DeleteGuard, guardedDelete } from '../reap/delete-guard.ts';
import { deletable } from '../reap/fresh-look.ts';
import { isReusable, type ListsDeps, type LookFor, SharedLists } from '../reap/referenced-objects.ts';
import { StoredObjects } from '../reap/stored-objects.ts';
import type { LedgerMs } from '../time.ts';
import { isMalformed } from './examine.ts';
import type { GcTally } from './report.ts';

/** An object that two looks found unreferenced, and the server at which they did. */
export interface Deletable {
  readonly key: InodeKey;
  readonly object: ListedObject;
  readonly incarnation: string;
}

/** What the whole pass works with. */
export interface PassDeps extends ListsDeps {
  readonly records: ReapRecords;
  readonly book: GcBook;
  /** What else must allow a delete. */
  readonly guards?: readonly DeleteGuard[];
  /** Those of the inodes that are in quarantine, as `fsId/inodeId`: nothing of them is deleted. */
  readonly quarantined?: (keys: readonly InodeKey[]) => Promise<ReadonlySet<string>>;
}

interface DeleteDeps extends PassDeps {
  readonly store: ObjectStore;
  readonly filesystem: Filesystem;
  readonly tally: GcTally;
  /** Also what belongs to inodes that the metadata does not have. */
  readonly inodeless: boolean;
  readonly deletesMax: number;
}

/** One call of deleteOrphans. */
interface Deleting extends DeleteDeps {
  /** Batches of one inode share a reading of its lists, if that began after this (docs/adr/0009). */
  readonly beganMs: LedgerMs;
  readonly lists: SharedLists;
  readonly stored: StoredObjects;
}

/**
 * Batch by batch, until so many are deleted; throws CompactError when servers are away. Names that the store will not
 * delete stop nothing but themselves: they are reported at the end, and get a first look again, so that others come before
 * them.
 */
export async function deleteOrphans(deletable: readonly Deletable[], deps: DeleteDeps): Promise<void> {
  const beganMs = await deps.nowMs();
  const deleting: Deleting = { ...deps, beganMs, lists: new SharedLists(), stored: new StoredObjects() };
  const kept: DeleteFailure[] = [];
  // Block after block of an inode: the look before a delete asks for all that is in the blocks of a batch.
  const ordered = [...byInode(deletable).values()].flatMap((group) =>
    group.toSorted((a, b) => blockOf(a) - blockOf(b)),
  );
  for (let from = 0; from < ordered.length; ) {
    const left = deps.deletesMax - deps.tally.found.deleted.objects;
    if (left <= 0) break;
    const batch = ordered.slice(from, from + Math.min(left, DELETE_BATCH_MAX));
    kept.push(...(await deleteBatch(batch, deleting)));
    from += batch.length;
  }
  const [first] = kept;
  if (first === undefined) return;
  const others = kept.length === 1 ? '' : `, nor ${kept.length - 1} others`;
  throw new CompactError(`${first.name} could not be deleted (${first.code})${others}`, {
    kind: 'retry',
    code: 'store-refused',
  });
}

/** Returns what the store would not delete. */
async function deleteBatch(batch: readonly Deletable[], deps: Deleting): Promise<readonly DeleteFailure[]> {
  const filesystem = await sameFilesystem(deps);
  const unreferenced: Deletable[] = [];
  for (const group of await withoutQuarantined(batch, deps)) {
    unreferenced.push(...(await stillUnreferencedIfSound(group, filesystem, deps)));
  }
  const names = unreferenced.map(({ object }) => object.name);
  // After the lists, and so late that nothing but the delete follows.
  const covered = await coveredNames(names, deps.records);
  const orphans = unreferenced.filter(
    ({ object }) => !covered.names.has(object.name) && !isReusable(object.name, filesystem),
  );
  if (orphans.length === 0) return [];
  // Lists that were read of a file system which is gone by now say nothing.
  await sameFilesystem(deps);
  const going = orphans.map(({ object }) => object.name);
  const about = { filesystem, keys: orphans.map(({ key }) => key), looks: orphans, names: going };
  const failures = await guardedDelete(about, deps);
  const failed = new Set(failures.map(({ name }) => name));
  // Also those that stay: their next look is a first one, and does not stand before others.
  await deps.book.forget(going);
  for (const { object } of orphans) {
    if (failed.has(object.name)) continue;
    deps.tally.found.deleted.objects++;
    deps.tally.found.deleted.bytes += object.bytes;
  }
  return failures;
}

/** The file system as it is now; another one under its number is doubt. */
export async function sameFilesystem({
  metadata,
  filesystem,
}: Pick<DeleteDeps, 'metadata' | 'filesystem'>): Promise<Filesystem> {
  const now = await metadata.getFilesystem(filesystem.fsId);
  if (now?.uuid !== filesystem.uuid || now.bucket !== filesystem.bucket) throw anotherNow('is gone or another one now');
  const field = changedLayout(filesystem, now);
  if (field === undefined) return now;
  throw anotherNow(`had ${field} ${filesystem[field]} and has ${now[field]} now`);

  function anotherNow(what: string): CompactError {
    const message = `file system ${filesystem.fsId} ${what}; nothing more was deleted`;
    return new CompactError(message, { kind: 'halt', code: 'filesystem-missing' });
  }
}

/** By inode, without those on which work has stopped: whatever is wrong with them, nothing of theirs goes. */
async function withoutQuarantined(batch: readonly Deletable[], deps: Deleting): Promise<readonly Deletable[][]> {
  const groups = byInode(batch);
  const stopped = await deps.quarantined?.([...groups.values()].flatMap(([first]) => (first ? [first.key] : [])));
  return [...groups].flatMap(([id, group]) => {
    if (stopped?.has(id) !== true) return [group];
    deps.tally.found.quarantined += group.length;
    return [];
  });
}

/** An inode that is damaged keeps its own objects, and nobody else's (I10). */
async function stillUnreferencedIfSound(
  group: readonly Deletable[],
  filesystem: Filesystem,
  deps: Deleting,
): Promise<readonly Deletable[]> {
  try {
    return await stillUnreferenced(group, filesystem, deps);
  } catch (error) {
    if (!(error instanceof CompactError) || !isDamage(error)) throw error;
    const [first] = group;
    deps.tally.failure(first === undefined ? error : error.withInode(first.key));
    return [];
  }
}

/** Of the inode, and not of a server that is away: it may be repaired, and comes back until it is. */
function isDamage(error: CompactError): boolean {
  return isMalformed(error) || isMissingObject(error) || error.code === 'lists-missing';
}

/** Those that nothing references now, at the server of both looks, and in whose place the store has all that is referenced. */
async function stillUnreferenced(
  group: readonly Deletable[],
  filesystem: Filesystem,
  deps: Deleting,
): Promise<readonly Deletable[]> {
  const [first] = group;
  if (first === undefined) return [];
  const { key, incarnation } = first;
  if ((await deps.metadata.incarnation(key)) !== incarnation) return [];
  const inode = await deps.metadata.getInode(key);
  if (inode === null && !deps.inodeless) return [];
  // An inode that is gone may come back: what was read meanwhile says nothing of it.
  // One that has bytes and no list at all has lost its chunk indexes: that is damage, and its objects stay.
  const shared = inode === null ? {} : { dueMs: deps.beganMs, length: inode.length };
  const look = { key, filesystem, incarnation, ...shared };
  const left = new Set(await deletableOf(group, look, deps));
  return group.filter(({ object }) => left.has(object.name));
}

/** What took the place of all blocks of a large file may be too much to look for at a time: then of fewer of them. */
async function deletableOf(group: readonly Deletable[], look: LookFor, deps: Deleting): Promise<readonly string[]> {
  try {
    return await deletable(
      group.map(({ object }) => object.name),
      look,
      deps,
    );
  } catch (error) {
    const [first, last] = [group[0], group.at(-1)];
    const oneBlock = first === undefined || last === undefined || blockOf(first) === blockOf(last);
    const tooMuch = error instanceof CompactError && error.code === 'list-invalid' && error.kind === 'retry';
    if (oneBlock || !tooMuch) throw error;
    const half = Math.ceil(group.length / 2);
    const below = await deletableOf(group.slice(0, half), look, deps);
    return [...below, ...(await deletableOf(group.slice(half), look, deps))];
  }
}

function blockOf({ object }: Deletable): number {
  return parseObjectName(object.name)?.object.blockIndex ?? 0;
}

function byInode(batch: readonly Deletable[]): ReadonlyMap<string, Deletable[]> {
  return Map.groupBy(batch, ({ key }) => printInodeKey(key));
}

/** What the reap records cover. */
interface Covered {
  /** Those of the names that a record which is not done covers. */
  readonly names: ReadonlySet<string>;
  /** The longest grace period of any record, 0 where none says; other workers may have other settings (docs/adr/0015). */
  readonly graceMs: number;
}

/** To be asked after the lists were read, since an attempt records an object before it writes it. */
export async function coveredNames(names: readonly string[], records: ReapRecords): Promise<Covered> {
  const wanted = new Set(names);
  const covered = new Set<string>();
  let longestMs = 0;
  for await (const { retired, merged, graceMs = 0 } of records.pending()) {
    longestMs = Math.max(longestMs, graceMs);
    for (const name of retired) if (wanted.has(name)) covered.add(name);
    for (const name of merged) if (wanted.has(name)) covered.add(name);
  }
  return { names: covered, graceMs: longestMs };
}
