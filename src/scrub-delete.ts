/**
 * The deletes of a pass of scrub: a fresh look at everything right before each batch (I7, I10). A name that anything names
 * again, that a record covers, or whose inode cannot be read, stays. It chooses nothing: what is condemned is given to it.
 */
import { CompactError } from './errors.ts';
import { parseObjectName, printInodeKey } from './format.ts';
import type { ReapRecords, ScrubBook } from './ledger.ts';
import type { MetadataStore } from './metadata/port.ts';
import type { Filesystem, InodeKey } from './model.ts';
import { DELETE_BATCH_MAX, type ListedObject, type ObjectStore } from './objects/port.ts';
import { namedObjects } from './scrub-examine.ts';
import { coveredNames } from './scrub-records.ts';
import type { ScrubTally } from './scrub-report.ts';

/** An object that two looks found unnamed, and the server at which they did. */
export interface Condemned {
  readonly key: InodeKey;
  readonly object: ListedObject;
  readonly incarnation: string;
}

export interface DeleteDeps {
  readonly metadata: MetadataStore;
  readonly store: ObjectStore;
  readonly filesystem: Filesystem;
  readonly records: ReapRecords;
  readonly book: ScrubBook;
  readonly tally: ScrubTally;
}

/** Batch by batch; throws CompactError at the first one that cannot be judged or deleted. */
export async function deleteCondemned(condemned: readonly Condemned[], deps: DeleteDeps): Promise<void> {
  for (let from = 0; from < condemned.length; from += DELETE_BATCH_MAX) {
    await deleteBatch(condemned.slice(from, from + DELETE_BATCH_MAX), deps);
  }
}

async function deleteBatch(batch: readonly Condemned[], deps: DeleteDeps): Promise<void> {
  const filesystem = await sameFilesystem(deps);
  const unnamed: Condemned[] = [];
  for (const group of byInode(batch)) unnamed.push(...(await stillUnnamed(group, filesystem, deps)));
  const names = unnamed.map(({ object }) => object.name);
  // After the lists, and so late that nothing but the delete follows.
  const covered = await coveredNames(names, deps.records);
  const doomed = unnamed.filter(({ object }) => !covered.has(object.name) && !isReusable(object.name, filesystem));
  if (doomed.length === 0) return;
  // Lists that were read of a file system which is gone by now say nothing.
  await sameFilesystem(deps);
  const failures = await deps.store.delete(doomed.map(({ object }) => object.name));
  const failed = new Set(failures.map(({ name }) => name));
  const gone = doomed.filter(({ object }) => !failed.has(object.name));
  await deps.book.forget(gone.map(({ object }) => object.name));
  for (const { object } of gone) {
    deps.tally.deleted = {
      objects: deps.tally.deleted.objects + 1,
      bytes: deps.tally.deleted.bytes + object.bytes,
    };
  }
  const [first] = failures;
  if (first === undefined) return;
  throw new CompactError(`${first.name} could not be deleted (${first.code}), nor ${failures.length - 1} others`, {
    kind: 'retry',
    code: 'store-refused',
  });
}

/** The file system as it is now; another one under its number is doubt. */
export async function sameFilesystem({
  metadata,
  filesystem,
}: Pick<DeleteDeps, 'metadata' | 'filesystem'>): Promise<Filesystem> {
  const now = await metadata.getFilesystem(filesystem.fsId);
  if (now?.uuid === filesystem.uuid && now.bucket === filesystem.bucket) return now;
  throw new CompactError(`file system ${filesystem.fsId} is gone or another one now; nothing more was deleted`, {
    kind: 'halt',
    code: 'filesystem-missing',
  });
}

/** Those that nothing names now, at the server of both looks. */
async function stillUnnamed(
  group: readonly Condemned[],
  filesystem: Filesystem,
  { metadata }: DeleteDeps,
): Promise<readonly Condemned[]> {
  const [first] = group;
  if (first === undefined) return [];
  const { key, incarnation } = first;
  if ((await metadata.incarnation(key)) !== incarnation) return [];
  const left = new Map(group.map((one) => [one.object.name, one]));
  for await (const { name } of namedObjects(key, { metadata, filesystem })) left.delete(name);
  return [...left.values()];
}

function byInode(batch: readonly Condemned[]): Iterable<Condemned[]> {
  const groups = new Map<string, Condemned[]>();
  for (const one of batch) {
    const id = printInodeKey(one.key);
    const group = groups.get(id) ?? [];
    group.push(one);
    groups.set(id, group);
  }
  return groups.values();
}

/** A chunkId that the server has forgotten: a client may be about to take it, and the name with it (docs/adr/0004). */
export function isReusable(name: string, { lastChunkId }: Filesystem): boolean {
  const object = parseObjectName(name)?.object;
  return lastChunkId !== undefined && object?.compaction === 0n && object.chunkId > lastChunkId;
}
