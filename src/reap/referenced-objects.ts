/**
 * What the lists of an inode reference, read once for all records of it that are due together. A record may use what was read
 * for another one only if it could have looked itself at that moment, and its delete would be as near: it was due before the
 * reading began, the reading ended a moment ago, and the metadata server is still the same one (I7). It decides nothing: a
 * list that cannot be read, or is not where it must be, throws, and nothing is kept of it (I10).
 */
import { CompactError, type ErrorCode } from '../errors.ts';
import { objectName, parseObjectName, printInodeKey } from '../format.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem, InodeKey, S3ChunkInfo } from '../model.ts';
import { checkChunkList, objectSizes, objectsOf } from '../plan/index.ts';
import { elapsed, type LedgerMs, latest } from '../time.ts';

/** As much of a list is read at once, before it is known how long it is … */
const VERSIONS_READ_FIRST = 100_000;
/** … and a longer list than this not at all, some 100 MB: the record waits until compaction has shortened it (I8). */
const VERSIONS_READ_MAX = 500_000;
/** No longer than one delete with its retries may take: a record that looks itself deletes that late, too. */
export const KEPT_MS = 30_000;
/** Versions kept of all inodes together, some 150 bytes each; an inode with more is read for each record. */
const KEPT_VERSIONS_MAX = 200_000;
/** Inodes kept: as many as are compacted at a time leave their records side by side. */
const KEPT_INODES_MAX = 32;
/** Merged objects in the place of those to be deleted, of one look (I8). */
const MERGED_MAX = 200_000;
/** Beyond so many, what clients wrote is not looked for: what was merged holds the bytes of all that is to be deleted. */
const WRITTEN_MAX = 10_000;

export interface ListsDeps {
  readonly metadata: MetadataStore;
  /** The ledger's clock. */
  readonly nowMs: () => Promise<LedgerMs>;
}

/** Which lists, and since when the record could have looked at them. */
export interface LookFor {
  readonly key: InodeKey;
  readonly filesystem: Filesystem;
  /** When the record was due; absent: it wants a reading of its own. */
  readonly dueMs?: LedgerMs;
  /** When this look began; absent: the clock is asked. */
  readonly beganMs?: LedgerMs;
  /** Of the metadata server, asked for by this look. */
  readonly incarnation: string;
  /** Whose list had the objects; absent: that is not known, and any list may have objects in their place. */
  readonly chunkIndex?: number;
  /** Of the file: more than 0, and no list at all, is doubt. Absent: the inode is gone, or its lists are known to be. */
  readonly length?: number;
}

/** What a look found. */
export interface Found {
  /** Names that none of the inode's lists references. */
  readonly unreferenced: readonly string[];
  /** What the lists reference in the blocks of those, by name, with the bytes that each must have at least. */
  readonly inPlace: ReadonlyMap<string, number>;
  /** Objects that all lists of the inode reference. */
  readonly objects: number;
  /** When that was known: the lists had just been read, or what was read before was found to be as good. */
  readonly atMs: LedgerMs;
}

interface Read {
  /** `undefined`: too many versions to be kept. */
  readonly referenced: ReferencedObjects | undefined;
  readonly endedMs: LedgerMs;
}

interface Reading {
  readonly uuid: string;
  readonly incarnation: string;
  readonly beganMs: LedgerMs;
  readonly read: Promise<Read>;
  /** When it ended; infinite until then. */
  endedMs: LedgerMs | undefined;
  /** Kept; 0 until it ended. */
  versions: number;
}

/** Shared by all looks of a process; keeps what the lists of some inodes referenced, those that were read last. */
export class SharedLists {
  /** By inode, oldest first. */
  readonly #readings = new Map<string, Reading>();

  /** Looks for `names` in all lists of the inode. A list that is unreadable or out of place throws: doubt. */
  async look(names: readonly string[], look: LookFor, deps: ListsDeps): Promise<Found> {
    const { known, find, atMs } = await this.#find(names, look, deps);
    await checkOwnChunk(known, look, deps);
    if (known.versions === 0 && (look.length ?? 0) > 0) {
      throw doubt(look, 'lists-missing', `has ${look.length} bytes and no chunk list at all`);
    }
    return { ...find(), atMs };
  }

  async #find(names: readonly string[], look: LookFor, deps: ListsDeps): Promise<Finding> {
    if (look.dueMs === undefined) return readFor(names, look, deps);
    const reading = this.#readings.get(printInodeKey(look.key));
    // What is kept must not be too old; where nothing is, any time before the reading will do.
    const nowMs = (reading === undefined ? look.beganMs : undefined) ?? (await deps.nowMs());
    const kept = this.#usable(look, nowMs);
    const { referenced, endedMs } = await (kept?.read ?? this.#read(look, nowMs, deps));
    if (referenced === undefined) return readFor(names, look, deps);
    return { known: referenced, find: () => referenced.find(names, look), atMs: latest(nowMs, endedMs) };
  }

  #usable(look: LookFor, nowMs: LedgerMs): Reading | undefined {
    const reading = this.#readings.get(printInodeKey(look.key));
    if (reading === undefined) return undefined;
    const { beganMs, endedMs, incarnation, uuid } = reading;
    const ofNow = incarnation === look.incarnation && uuid === look.filesystem.uuid;
    const wasDue = look.dueMs !== undefined && look.dueMs <= beganMs;
    // A clock that went back is not one to reckon with.
    const recent = nowMs >= beganMs && (endedMs === undefined || elapsed(endedMs, nowMs) <= KEPT_MS);
    return ofNow && wasDue && recent ? reading : undefined;
  }

  async #read(look: LookFor, beganMs: LedgerMs, deps: ListsDeps): Promise<Read> {
    const inode = printInodeKey(look.key);
    const reading: Reading = {
      uuid: look.filesystem.uuid,
      incarnation: look.incarnation,
      beganMs,
      read: readReferenced(look, deps),
      endedMs: undefined,
      versions: 0,
    };
    this.#readings.delete(inode);
    this.#readings.set(inode, reading);
    try {
      const read = await reading.read;
      reading.endedMs = read.endedMs;
      reading.versions = read.referenced?.versions ?? 0;
      evictOldest(this.#readings, ({ versions }) => versions, { size: KEPT_VERSIONS_MAX, count: KEPT_INODES_MAX });
      return read;
    } catch (error) {
      if (this.#readings.get(inode) === reading) this.#readings.delete(inode);
      throw error;
    }
  }
}

/** Until all sizes together, and the number, are within their maxima; no single one is larger. */
export function evictOldest<T>(
  kept: Map<string, T>,
  sizeOf: (one: T) => number,
  max: { readonly size: number; readonly count: number },
): void {
  let size = kept.values().reduce((sum, one) => sum + sizeOf(one), 0);
  for (const [id, oldest] of kept) {
    if (size <= max.size && kept.size <= max.count) return;
    size -= sizeOf(oldest);
    kept.delete(id);
  }
}

/** How much was read, and of which chunks. */
interface Known {
  readonly versions: number;
  hasChunk(chunkIndex: number): boolean;
}

interface Finding {
  readonly known: Known;
  readonly find: () => Omit<Found, 'atMs'>;
  readonly atMs: LedgerMs;
}

/** What lists reference: versions, not objects, since a version may have thousands of those. */
class ReferencedObjects implements Known {
  readonly #byChunkId = new Map<bigint, S3ChunkInfo[]>();
  readonly #byChunk = new Map<number, readonly S3ChunkInfo[]>();
  readonly #filesystem: Filesystem;
  versions = 0;
  #objects = 0;

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem;
  }

  /** `false` when they are too many to be kept. */
  add({ chunkIndex, versions }: List): boolean {
    this.#byChunk.set(chunkIndex, versions);
    this.versions += versions.length;
    for (const version of versions) {
      if (version.zero) continue;
      const same = this.#byChunkId.get(version.chunkId);
      if (same === undefined) this.#byChunkId.set(version.chunkId, [version]);
      else same.push(version);
    }
    for (const _ of objectsOf(versions, this.#filesystem)) this.#objects++;
    return this.versions <= KEPT_VERSIONS_MAX;
  }

  hasChunk(chunkIndex: number): boolean {
    return this.#byChunk.has(chunkIndex);
  }

  find(names: readonly string[], look: LookFor): Omit<Found, 'atMs'> {
    const unreferenced = names.filter((name) => !this.#has(name, look));
    const inPlace = new InPlace(unreferenced, look);
    const chunks = look.chunkIndex === undefined ? this.#byChunk.keys() : [look.chunkIndex];
    for (const chunkIndex of chunks) inPlace.add({ chunkIndex, versions: this.#byChunk.get(chunkIndex) ?? [] });
    return { unreferenced, inPlace: inPlace.of(unreferenced), objects: this.#objects };
  }

  #has(name: string, { key, filesystem }: LookFor): boolean {
    const object = parseObjectName(name)?.object;
    if (object === undefined || objectName(key, object, filesystem.objectPrefix) !== name) return false;
    const { chunkId, compaction, blockIndex } = object;
    const versions = (this.#byChunkId.get(chunkId) ?? []).filter((version) => version.compaction === compaction);
    return objectsOf(versions, this.#filesystem).some((own) => own.blockIndex === blockIndex);
  }
}

/** What lists reference in the blocks of some objects that are to be deleted: their bytes, where they are still read. */
class InPlace {
  readonly #look: LookFor;
  readonly #blocks: ReadonlySet<number | undefined>;
  readonly #merged = new Map<string, number>();
  readonly #written = new Map<string, number>();

  constructor(names: readonly string[], look: LookFor) {
    this.#look = look;
    this.#blocks = blocksOf(names);
  }

  add({ chunkIndex, versions }: List): void {
    const { key, filesystem, chunkIndex: own = chunkIndex } = this.#look;
    if (own !== chunkIndex || this.#blocks.size === 0) return;
    for (const { object, bytes } of objectSizes(versions, filesystem)) {
      if (!this.#blocks.has(object.blockIndex) && !this.#blocks.has(undefined)) continue;
      const wanted = object.compaction === 0n ? this.#written : this.#merged;
      if (wanted === this.#written && wanted.size > WRITTEN_MAX) continue;
      const name = objectName(key, object, filesystem.objectPrefix);
      wanted.set(name, Math.max(bytes, wanted.get(name) ?? 0));
      if (this.#merged.size > MERGED_MAX) {
        throw doubt(this.#look, 'list-invalid', `has more than ${MERGED_MAX} merged objects, too many to look for`);
      }
    }
  }

  /** In the place of these alone, which are some of all names. */
  of(names: Iterable<string>): ReadonlyMap<string, number> {
    const blocks = blocksOf(names);
    const all = this.#written.size > WRITTEN_MAX ? [...this.#merged] : [...this.#merged, ...this.#written];
    if (blocks.has(undefined)) return new Map(all);
    return new Map(all.filter(([name]) => blocks.has(parseObjectName(name)?.object.blockIndex)));
  }
}

/** `undefined`: a name does not say. */
function blocksOf(names: Iterable<string>): ReadonlySet<number | undefined> {
  return new Set(Iterator.from(names).map((name) => parseObjectName(name)?.object.blockIndex));
}

async function readReferenced(look: LookFor, deps: ListsDeps): Promise<Read> {
  const referenced = new ReferencedObjects(look.filesystem);
  let fits = true;
  for await (const list of listsOf(look, deps)) {
    fits = referenced.add(list);
    if (!fits) break;
  }
  return { referenced: fits ? referenced : undefined, endedMs: await deps.nowMs() };
}

/** For one record alone: what is not asked for is not kept. */
async function readFor(names: readonly string[], look: LookFor, deps: ListsDeps): Promise<Finding> {
  const { key, filesystem } = look;
  const left = new Set(names);
  const inPlace = new InPlace(names, look);
  const chunks = new Set<number>();
  let versions = 0;
  let objects = 0;
  for await (const list of listsOf(look, deps)) {
    versions += list.versions.length;
    chunks.add(list.chunkIndex);
    inPlace.add(list);
    for (const object of objectsOf(list.versions, filesystem)) {
      objects++;
      left.delete(objectName(key, object, filesystem.objectPrefix));
    }
  }
  const known = { versions, hasChunk: (chunkIndex: number) => chunks.has(chunkIndex) };
  const find = () => ({ unreferenced: [...left], inPlace: inPlace.of(left), objects });
  return { known, find, atMs: await deps.nowMs() };
}

/** A list that is there although the index of the inode's chunks lacks it: what the others reference is not all. */
async function checkOwnChunk(known: Known, look: LookFor, { metadata }: ListsDeps): Promise<void> {
  const { key, chunkIndex } = look;
  if (chunkIndex === undefined || known.hasChunk(chunkIndex)) return;
  const { versionsTotal } = await metadata.readChunk(key, chunkIndex, 1);
  if (versionsTotal === 0) return;
  throw doubt(look, 'inode-malformed', `has a list of chunk ${chunkIndex}, which the index of its chunks lacks`);
}

interface List {
  readonly chunkIndex: number;
  readonly versions: readonly S3ChunkInfo[];
}

/** Every list of the inode, whole and sound. */
async function* listsOf(
  look: Pick<LookFor, 'key' | 'filesystem'>,
  { metadata }: Pick<ListsDeps, 'metadata'>,
): AsyncGenerator<List> {
  const empty: number[] = [];
  for await (const chunkIndex of metadata.chunkIndexes(look.key)) {
    const versions = await readWhole(chunkIndex, look, metadata);
    checkChunkList(versions, chunkIndex, look.filesystem);
    if (versions.length === 0) empty.push(chunkIndex);
    else yield { chunkIndex, versions };
  }
  if (empty.length > 0) await checkEmpty(new Set(empty), look, metadata);
}

async function readWhole(
  chunkIndex: number,
  look: Pick<LookFor, 'key' | 'filesystem'>,
  metadata: MetadataStore,
): Promise<readonly S3ChunkInfo[]> {
  let read = await metadata.readChunk(look.key, chunkIndex, VERSIONS_READ_FIRST);
  if (read.versionsTotal > read.versions.length && read.versionsTotal <= VERSIONS_READ_MAX) {
    read = await metadata.readChunk(look.key, chunkIndex, VERSIONS_READ_MAX);
  }
  if (read.versionsTotal <= read.versions.length) return read.versions;
  const why = `has ${read.versionsTotal} versions in chunk ${chunkIndex}, more than ${VERSIONS_READ_MAX} are not read; compact it first`;
  throw doubt(look, 'list-invalid', why);
}

/** A list that the index has is empty: a commit took both away meanwhile, or the list is lost and what it referenced unknown. */
async function checkEmpty(
  empty: ReadonlySet<number>,
  look: Pick<LookFor, 'key'>,
  metadata: MetadataStore,
): Promise<void> {
  for await (const chunkIndex of metadata.chunkIndexes(look.key)) {
    if (!empty.has(chunkIndex)) continue;
    const { versionsTotal } = await metadata.readChunk(look.key, chunkIndex, 1);
    if (versionsTotal > 0) continue;
    throw doubt(look, 'inode-malformed', `has chunk ${chunkIndex} in the index of its chunks, and no list of it`);
  }
}

function doubt({ key }: Pick<LookFor, 'key'>, code: ErrorCode, why: string): CompactError {
  const what = `inode ${printInodeKey(key)} ${why}; nothing is deleted`;
  return new CompactError(what, { kind: 'retry', code, inode: key });
}

/**
 * A chunkId that the server has forgotten, or may have: it will be given out again, and a client may be about to take the
 * name (docs/adr/0004). Where it is not known which ids are given out, that is doubt for every name that a client chose.
 */
export function isReusable(name: string, { lastChunkId }: Filesystem): boolean {
  const object = parseObjectName(name)?.object;
  return object?.compaction === 0n && (lastChunkId === undefined || object.chunkId > lastChunkId);
}
