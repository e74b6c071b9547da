/**
 * One part of a listing against the lists of its inode: which of the listed objects nothing names, and which of the named
 * ones are not there or too short. The lists are read after the listing, and only what a second reading confirms is told
 * as a fault. Memory is bounded by the part, not by the inode. It deletes nothing and remembers nothing.
 */
import pLimit from 'p-limit';
import { CompactError } from './errors.ts';
import { objectName } from './format.ts';
import type { MetadataStore } from './metadata/port.ts';
import type { Filesystem, InodeKey } from './model.ts';
import type { ListedObject, ObjectStore } from './objects/port.ts';
import { checkChunkList, objectSizes } from './plan/index.ts';
import type { ObjectFault } from './scrub-report.ts';

/** A list longer than this is not read whole: doubt. */
const VERSIONS_READ_MAX = 5_000_000;
/** Faults of one part that are looked at again; a part is a few thousand objects. */
const SUSPECTED_FAULTS_MAX = 20_000;
/** HEAD requests under way at a time. */
const HEADS_IN_FLIGHT = 16;

/** Listed objects of one inode that follow each other in the bucket. */
export interface InodePart {
  readonly key: InodeKey;
  readonly objects: readonly ListedObject[];
  /** Names of the inode up to here belong to an earlier part; absent: this is its first. */
  readonly after?: string;
  /** Names of the inode behind here belong to a later part; absent: this is its last. */
  readonly until?: string;
}

export interface ExamineDeps {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  readonly filesystem: Filesystem;
}

export interface PartFindings {
  readonly named: readonly ListedObject[];
  readonly unnamed: readonly ListedObject[];
  readonly faults: readonly ObjectFault[];
  /** Of the metadata server, before the lists were read. */
  readonly incarnation: string;
}

/** Throws CompactError when the inode cannot be judged (I10). */
export async function examinePart(part: InodePart, deps: ExamineDeps): Promise<PartFindings> {
  const incarnation = await deps.metadata.incarnation(part.key);
  const listed = new Map(part.objects.map((object) => [object.name, object]));
  const seen = new Set<string>();
  const suspected = new Map<string, number>();
  for await (const { name, neededBytes } of namedObjects(part.key, deps)) {
    const object = listed.get(name);
    if (object !== undefined) seen.add(name);
    const there = object !== undefined ? object.bytes >= neededBytes : !isInPart(name, part);
    if (!there && (suspected.has(name) || suspected.size < SUSPECTED_FAULTS_MAX)) {
      suspected.set(name, Math.max(neededBytes, suspected.get(name) ?? 0));
    }
  }
  const faults = await confirmed(part.key, suspected, deps);
  const { objects } = part;
  return {
    named: objects.filter(({ name }) => seen.has(name)),
    unnamed: objects.filter(({ name }) => !seen.has(name)),
    faults,
    incarnation,
  };
}

function isInPart(name: string, { after, until }: InodePart): boolean {
  return (after === undefined || name > after) && (until === undefined || name <= until);
}

/**
 * What the store does not have, and the lists still name when they are read after that: an object that a compaction
 * retired, and the reaper deleted, meanwhile is no fault.
 */
async function confirmed(
  key: InodeKey,
  suspected: ReadonlyMap<string, number>,
  deps: ExamineDeps,
): Promise<ObjectFault[]> {
  const lacking = new Map<string, { readonly bytes: number | undefined; neededBytes: number }>();
  const limit = pLimit(HEADS_IN_FLIGHT);
  await limit.map(suspected, async ([name, neededBytes]) => {
    const bytes = (await deps.objects.head(name))?.bytes;
    if (bytes === undefined || bytes < neededBytes) lacking.set(name, { bytes, neededBytes: -1 });
  });
  if (lacking.size === 0) return [];
  for await (const { name, neededBytes } of namedObjects(key, deps)) {
    const one = lacking.get(name);
    if (one !== undefined) one.neededBytes = Math.max(one.neededBytes, neededBytes);
  }
  const faults: ObjectFault[] = [];
  for (const [object, { bytes, neededBytes }] of lacking) {
    if (neededBytes < 0 || (bytes !== undefined && bytes >= neededBytes)) continue;
    const reason = bytes === undefined ? 'missing' : 'short';
    faults.push({ inodeId: key.inodeId.toString(), object, reason, bytes: bytes ?? 0, neededBytes });
  }
  return faults;
}

/** Every object that the inode's lists name, with the bytes that it must have; a name may come twice. */
export async function* namedObjects(
  key: InodeKey,
  { metadata, filesystem }: Pick<ExamineDeps, 'metadata' | 'filesystem'>,
): AsyncGenerator<{ readonly name: string; readonly neededBytes: number }> {
  for await (const chunkIndex of metadata.chunkIndexes(key)) {
    const { versions, versionsTotal } = await metadata.readChunk(key, chunkIndex, VERSIONS_READ_MAX);
    if (versionsTotal > versions.length) {
      throw new CompactError(`chunk ${chunkIndex} has ${versionsTotal} versions, too many to look at`, {
        kind: 'halt',
        code: 'list-invalid',
        inode: key,
      });
    }
    checkChunkList(versions, chunkIndex, filesystem);
    for (const { object, bytes } of objectSizes(versions, filesystem)) {
      yield { name: objectName(key, object, filesystem.objectPrefix), neededBytes: bytes };
    }
  }
}

/** Damage of one inode, or a store or server that was away for a moment; anything else concerns them all. */
export function isOfOneInode({ kind, code }: CompactError): boolean {
  if (code === 'list-invalid' || code === 'record-malformed' || code === 'inode-malformed') return true;
  return kind === 'retry' && code !== 'cancelled' && code !== 'queue-unavailable';
}
