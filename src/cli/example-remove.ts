/**
 * Removing what `s3compact example` made, and only that: a file system that carries its mark, whose objects are ours. It
 * is one of the few places that delete objects, and may do so without a reap record: the inodes are gone by then, for
 * good, with the file system itself. Each step can be repeated, and the mark goes last.
 */
import { CompactError } from '../errors.ts';
import { namesBegin, ownerObjectName } from '../format.ts';
import type { Filesystem } from '../model.ts';
import { DELETE_BATCH_MAX, type ObjectStore } from '../objects/port.ts';
import type { S3ObjectStores } from '../objects/s3/stores.ts';
import type { Clients } from '../wiring/clients.ts';
import type { FsLists } from '../writer/fs-lists.ts';
import { EXAMPLE_FILES, MADE_BUCKET, MADE_BY } from './example-make.ts';

interface RemoveParts {
  readonly clients: Clients;
  readonly lists: FsLists;
  readonly stores: Pick<S3ObjectStores, 'removeEmptyBucket'>;
}

export interface Removed {
  readonly filesystem: Filesystem;
  readonly objects: number;
  /** `kept`: it was there before, or holds something else. */
  readonly bucket: 'removed' | 'kept';
}

/** Throws a halt with the reason where it is not the example's, and a retry while somebody works on it. */
export async function removeExample(fsId: number, parts: RemoveParts): Promise<Removed> {
  const { clients, lists } = parts;
  const filesystem = await lists.getFilesystem(fsId);
  const fields = await lists.filesystemFields(fsId);
  if (filesystem === null) throw refusal(`there is no file system ${fsId}`, 'filesystem-missing');
  if (fields.get(MADE_BY.field) !== MADE_BY.value) {
    throw refusal(`"s3compact example" did not make file system ${fsId}`, 'metadata-refused');
  }
  await refuseOthers(filesystem, clients);
  await takeOffQueue(fsId, clients);
  // From here on no commit goes through, and nothing references the objects any more.
  for (const { inodeId } of EXAMPLE_FILES) await lists.removeInode({ fsId, inodeId });
  const madeBucket = fields.get(MADE_BUCKET.field) === MADE_BUCKET.value;
  const gone = await removeObjects(filesystem, parts, madeBucket);
  const inHand = await clients.ledger.forget({ storeId: clients.metadata.storeId, fsUuid: filesystem.uuid });
  if (inHand > 0) throw busy(`${inHand} of its reap records are being worked on`);
  await forgetNotes(filesystem, clients);
  await lists.removeFilesystem(fsId);
  return { filesystem, ...gone };
}

/** Files that somebody else made in it, objects that are somebody else's, and a hold. */
async function refuseOthers(filesystem: Filesystem, { metadata, ownership, holds }: Clients): Promise<void> {
  const { fsId, bucket } = filesystem;
  const own = new Set(EXAMPLE_FILES.map(({ inodeId }) => inodeId));
  for await (const { keys } of metadata.inodePages(fsId)) {
    const other = keys.find(({ inodeId }) => !own.has(inodeId));
    if (other === undefined) continue;
    throw refusal(`file system ${fsId} has inode ${other.inodeId}, which the example did not make`, 'metadata-refused');
  }
  const owner = await ownership.look(filesystem).catch(noBucket);
  if (owner.kind === 'other') throw refusal(`the objects in bucket ${bucket} belong to ${owner.why}`, 'bucket-owned');
  if (owner.kind === 'own') await holds.refuseHeld(filesystem);
}

function noBucket(error: unknown): { readonly kind: 'none' } {
  if (error instanceof CompactError && error.code === 'bucket-missing') return { kind: 'none' };
  throw error;
}

async function takeOffQueue(fsId: number, { queue, quarantine }: Clients): Promise<void> {
  for (const { inodeId } of EXAMPLE_FILES) {
    const jobId = await queue.jobIdOf({ fsId, inodeId });
    if (jobId !== null && !(await queue.cancel(jobId))) throw busy(`inode ${inodeId} is being worked on`);
    await quarantine.release({ fsId, inodeId });
  }
}

/** What scans and gc remember of it; losing such notes costs time only. */
async function forgetNotes(filesystem: Filesystem, { scans, gc }: Clients): Promise<void> {
  await scans.forget(filesystem);
  const { book } = gc(filesystem.uuid);
  await book.setPosition(null);
  await book.forget([...(await book.suspects()).keys()]);
}

async function removeObjects(
  filesystem: Filesystem,
  { clients, stores }: RemoveParts,
  madeBucket: boolean,
): Promise<Pick<Removed, 'objects' | 'bucket'>> {
  const { fsId, objectPrefix } = filesystem;
  const store = clients.objects.forFilesystem(filesystem);
  let objects = 0;
  try {
    for (const { inodeId } of EXAMPLE_FILES) {
      objects += await removeNames(store, namesBegin({ fsId, inodeId }, objectPrefix));
    }
    await removeAll(store, [ownerObjectName(fsId)]);
  } catch (error) {
    // Removed by hand, or by a run of this command that did not come to its end.
    if (error instanceof CompactError && error.code === 'bucket-missing') return { objects, bucket: 'removed' };
    throw error;
  }
  return { objects, bucket: madeBucket && (await stores.removeEmptyBucket(filesystem)) ? 'removed' : 'kept' };
}

/** Every object whose name begins so: of one inode, and of no other. */
async function removeNames(store: ObjectStore, begin: string): Promise<number> {
  let removed = 0;
  for (let after = begin; ; ) {
    const { objects, more } = await store.list(after);
    const names = objects.map(({ name }) => name).filter((name) => name.startsWith(begin));
    for (let from = 0; from < names.length; from += DELETE_BATCH_MAX) {
      await removeAll(store, names.slice(from, from + DELETE_BATCH_MAX));
    }
    removed += names.length;
    const last = objects.at(-1)?.name;
    if (!more || last === undefined || names.length < objects.length) return removed;
    after = last;
  }
}

async function removeAll(store: ObjectStore, names: readonly string[]): Promise<void> {
  const [failure] = await store.delete(names);
  if (failure === undefined) return;
  throw new CompactError(`object ${failure.name} could not be deleted (${failure.code}); the same command goes on`, {
    kind: 'halt',
    code: 'store-refused',
  });
}

function refusal(why: string, code: 'filesystem-missing' | 'metadata-refused' | 'bucket-owned'): CompactError {
  return new CompactError(`${why}; nothing was removed`, { kind: 'halt', code });
}

function busy(why: string): CompactError {
  return new CompactError(`${why}; wait, or stop the workers: the same command goes on`, {
    kind: 'retry',
    code: 'inode-busy',
  });
}
