/**
 * One part of a listing against the lists of its inode: which of the listed objects nothing references, and which of the referenced
 * ones a second reading confirms as not there or too short. The lists of an inode with many parts are read once, at its first one:
 * an object that is written after that is too young to be an orphan. It deletes nothing.
 */
import pLimit from 'p-limit';
import { CompactError } from '../errors.ts';
import { objectName, parseObjectName, printInodeKey } from '../format.ts';
import type { ChunkSnapshot } from '../metadata/port.ts';
import type { Filesystem, InodeKey } from '../model.ts';
import type { ListedObject, ObjectStore } from '../objects/port.ts';
import { checkChunkList, objectSizes, readSizes } from '../plan/index.ts';
import type { ListsDeps } from '../reap/referenced-objects.ts';
import type { LedgerMs } from '../time.ts';
import { ReferencedIndex } from './referenced-index.ts';
import type { ObjectFault } from './report.ts';

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

interface ExamineDeps extends ListsDeps {
  readonly objects: ObjectStore;
  readonly filesystem: Filesystem;
}

export interface PartFindings {
  readonly referenced: readonly ListedObject[];
  readonly unreferenced: readonly ListedObject[];
  readonly faults: readonly ObjectFault[];
  /** Of the metadata server, before the lists were read. */
  readonly incarnation: string;
  /** The ledger's clock after the lists were read: what is unreferenced has been so since then at the latest. */
  readonly readMs: LedgerMs;
}

/** What was read of an inode at its first part, for the others. */
interface OpenInode {
  readonly id: string;
  /** Names up to here belong to parts that this pass has not seen. */
  readonly after: string | undefined;
  readonly incarnation: string;
  readonly readMs: LedgerMs;
  /** `undefined`: too large. */
  readonly index: ReferencedIndex | undefined;
}

/** Examines the parts of a listing in their order; remembers the lists of one inode. */
export class PartExaminer {
  readonly #deps: ExamineDeps;
  #open: OpenInode | undefined;

  constructor(deps: ExamineDeps) {
    this.#deps = deps;
  }

  /** Throws CompactError when the inode cannot be judged (I10). */
  async examine(part: InodePart): Promise<PartFindings> {
    const id = printInodeKey(part.key);
    if (this.#open?.id !== id) {
      this.#open = undefined;
      // The only part: nothing to be kept.
      if (part.until === undefined) return examinePart(part, this.#deps);
      this.#open = await this.#read(part, id);
    }
    const { index } = this.#open;
    return index === undefined ? examinePart(part, this.#deps) : this.#compare(part, { ...this.#open, index });
  }

  async #read({ key, after }: InodePart, id: string): Promise<OpenInode> {
    const incarnation = await this.#deps.metadata.incarnation(key);
    const index = new ReferencedIndex(this.#deps.filesystem);
    let fits = true;
    for await (const { versions } of listsOf(key, this.#deps)) {
      fits = index.add(versions);
      if (!fits) break;
    }
    index.seal();
    return { id, after, incarnation, readMs: await this.#deps.nowMs(), index: fits ? index : undefined };
  }

  async #compare(part: InodePart, open: OpenInode & { readonly index: ReferencedIndex }): Promise<PartFindings> {
    const { index, incarnation, readMs } = open;
    const referenced: ListedObject[] = [];
    const unreferenced: ListedObject[] = [];
    const suspected: Suspected = new Map();
    for (const object of part.objects) {
      const id = parseObjectName(object.name)?.object;
      const neededBytes = id === undefined ? undefined : index.see(id);
      (neededBytes === undefined ? unreferenced : referenced).push(object);
      if (neededBytes !== undefined && object.bytes < neededBytes) suspect(suspected, object.name, neededBytes);
    }
    if (part.until === undefined) {
      this.#open = undefined;
      for (const { name, neededBytes } of index.unseen(part.key)) {
        if (open.after === undefined || name > open.after) suspect(suspected, name, neededBytes);
      }
    }
    return { referenced, unreferenced, faults: await confirmed(part.key, suspected, this.#deps), incarnation, readMs };
  }
}

/** Objects that may lack something: the bytes that each must have, by name. */
type Suspected = Map<string, number>;

function suspect(suspected: Suspected, name: string, neededBytes: number): void {
  if (!suspected.has(name) && suspected.size >= SUSPECTED_FAULTS_MAX) return;
  suspected.set(name, Math.max(neededBytes, suspected.get(name) ?? 0));
}

/** A part by itself: the lists are read for it alone. */
async function examinePart(part: InodePart, deps: ExamineDeps): Promise<PartFindings> {
  const incarnation = await deps.metadata.incarnation(part.key);
  const listed = new Map(part.objects.map((object) => [object.name, object]));
  const seen = new Set<string>();
  const suspected: Suspected = new Map();
  for await (const { versions } of listsOf(part.key, deps)) {
    for (const { object: id, bytes: neededBytes } of objectSizes(versions, deps.filesystem)) {
      const name = objectName(part.key, id, deps.filesystem.objectPrefix);
      const object = listed.get(name);
      if (object !== undefined) seen.add(name);
      const there = object !== undefined ? object.bytes >= neededBytes : !isInPart(name, part);
      if (!there) suspect(suspected, name, neededBytes);
    }
  }
  const readMs = await deps.nowMs();
  const faults = await confirmed(part.key, suspected, deps);
  const referenced = part.objects.filter(({ name }) => seen.has(name));
  const unreferenced = part.objects.filter(({ name }) => !seen.has(name));
  return { referenced, unreferenced, faults, incarnation, readMs };
}

function isInPart(name: string, { after, until }: InodePart): boolean {
  return (after === undefined || name > after) && (until === undefined || name <= until);
}

/**
 * What the store does not have, and a reader asks for by the lists as they are read after that: an object that a compaction
 * retired, and the reaper deleted, meanwhile is no fault, nor is one in which nothing is visible.
 */
async function confirmed(
  key: InodeKey,
  suspected: ReadonlyMap<string, number>,
  deps: ExamineDeps,
): Promise<ObjectFault[]> {
  const lacking = new Map<string, { readonly bytes: number | undefined; neededBytes: number }>();
  const limit = pLimit(HEADS_IN_FLIGHT);
  await limit
    .map(suspected, async ([name, neededBytes]) => {
      const bytes = (await deps.objects.head(name))?.bytes;
      if (bytes === undefined || bytes < neededBytes) lacking.set(name, { bytes, neededBytes: -1 });
    })
    // Nobody waits for the others any more.
    .finally(() => limit.clearQueue());
  if (lacking.size === 0) return [];
  const { filesystem } = deps;
  for await (const { chunkIndex, versions, inode } of listsOf(key, deps)) {
    // Unlinked: nobody reads it.
    const length = inode === null || inode.nlink <= 0 ? 0 : inode.length;
    for (const { object, bytes } of readSizes({ geometry: filesystem, chunkIndex, versions, length })) {
      const one = lacking.get(objectName(key, object, filesystem.objectPrefix));
      if (one !== undefined) one.neededBytes = Math.max(one.neededBytes, bytes);
    }
  }
  const faults: ObjectFault[] = [];
  for (const [object, { bytes, neededBytes }] of lacking) {
    if (neededBytes < 0 || (bytes !== undefined && bytes >= neededBytes)) continue;
    const reason = bytes === undefined ? 'missing' : 'short';
    faults.push({ inodeId: key.inodeId.toString(), object, reason, bytes: bytes ?? 0, neededBytes });
  }
  return faults;
}

interface List extends Pick<ChunkSnapshot, 'inode' | 'versions'> {
  readonly chunkIndex: number;
}

/** Every list of the inode, whole and sound. */
async function* listsOf(
  key: InodeKey,
  { metadata, filesystem }: Pick<ExamineDeps, 'metadata' | 'filesystem'>,
): AsyncGenerator<List> {
  for await (const chunkIndex of metadata.chunkIndexes(key)) {
    const { inode, versions, versionsTotal } = await metadata.readChunk(key, chunkIndex, VERSIONS_READ_MAX);
    if (versionsTotal > versions.length) {
      throw new CompactError(`chunk ${chunkIndex} has ${versionsTotal} versions, too many to look at`, {
        kind: 'halt',
        code: 'list-invalid',
      }).withInode(key);
    }
    checkChunkList(versions, chunkIndex, filesystem);
    yield { chunkIndex, inode, versions };
  }
}

/** What the metadata says of one inode breaks its format. */
export function isMalformed({ code }: CompactError): boolean {
  return code === 'list-invalid' || code === 'record-malformed' || code === 'inode-malformed';
}
