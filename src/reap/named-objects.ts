/**
 * What the lists of an inode name, for records of it that are due together: read once for all of them, since a large file
 * has as many records as chunks, and each would read the lists of all chunks. A record may use what was read for another
 * one only if it could have looked itself at that moment, and its delete would be as near: it was due before the reading
 * began, the reading ended a moment ago, and the metadata server is still the same one (I7).
 * It decides nothing: an unreadable list throws, and nothing is kept of it (I10).
 */
import { CompactError } from '../errors.ts';
import { objectName, parseObjectName, printInodeKey } from '../format.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem, InodeKey, ObjectId, S3ChunkInfo } from '../model.ts';
import { checkChunkList, objectsOf } from '../plan/index.ts';

/** A list longer than this is not read whole; the record waits until compaction has shortened it. */
const VERSIONS_READ_MAX = 5_000_000;
/** No longer than one delete with its retries may take: a record that looks itself deletes that late, too. */
const KEPT_MS = 30_000;
/** Versions kept of all inodes together, some 150 bytes each; an inode with more is read for each record. */
const KEPT_VERSIONS_MAX = 200_000;
/** Inodes kept: as many as are compacted at a time leave their records side by side. */
const KEPT_INODES_MAX = 32;

export interface ListsDeps {
  readonly metadata: MetadataStore;
  /** The ledger's clock. */
  readonly nowMs: () => Promise<number>;
}

/** Which lists, and since when the record could have looked at them. */
export interface LookFor {
  readonly key: InodeKey;
  readonly filesystem: Filesystem;
  /** When the record was due; absent: it wants a reading of its own. */
  readonly dueMs?: number;
  /** Of the metadata server, asked for by this look. */
  readonly incarnation: string;
}

interface Reading {
  readonly inode: string;
  readonly uuid: string;
  readonly incarnation: string;
  readonly beganMs: number;
  /** `undefined`: too many versions to be kept. */
  readonly named: Promise<NamedObjects | undefined>;
  /** When it ended; infinite until then. */
  endedMs: number;
  /** Kept; 0 until it ended. */
  versions: number;
}

/** Shared by all looks of a process; keeps what the lists of some inodes named, those that were read last. */
export class SharedLists {
  /** By inode, oldest first. */
  readonly #readings = new Map<string, Reading>();

  /** Those of `names` that none of the inode's lists names. An unreadable list throws: doubt. */
  async unnamed(names: readonly string[], look: LookFor, deps: ListsDeps): Promise<string[]> {
    const nowMs = await deps.nowMs();
    const kept = look.dueMs === undefined ? undefined : this.#usable(look, nowMs);
    if (kept !== undefined) {
      const named = await kept.named;
      if (named !== undefined) return names.filter((name) => !named.hasName(name, look));
      return readUnnamed(names, look, deps);
    }
    if (look.dueMs === undefined) return readUnnamed(names, look, deps);
    const named = await this.#read(look, nowMs, deps);
    return named === undefined ? readUnnamed(names, look, deps) : names.filter((name) => !named.hasName(name, look));
  }

  #usable(look: LookFor, nowMs: number): Reading | undefined {
    const reading = this.#readings.get(printInodeKey(look.key));
    if (reading === undefined) return undefined;
    const { beganMs, endedMs, incarnation, uuid } = reading;
    const ofNow = incarnation === look.incarnation && uuid === look.filesystem.uuid;
    const wasDue = look.dueMs !== undefined && look.dueMs <= beganMs;
    // A clock that went back is not one to reckon with.
    const recent = nowMs >= beganMs && (endedMs === Number.POSITIVE_INFINITY || nowMs - endedMs <= KEPT_MS);
    return ofNow && wasDue && recent ? reading : undefined;
  }

  async #read(look: LookFor, beganMs: number, deps: ListsDeps): Promise<NamedObjects | undefined> {
    const reading: Reading = {
      inode: printInodeKey(look.key),
      uuid: look.filesystem.uuid,
      incarnation: look.incarnation,
      beganMs,
      named: readNamed(look, deps),
      endedMs: Number.POSITIVE_INFINITY,
      versions: 0,
    };
    this.#readings.delete(reading.inode);
    this.#readings.set(reading.inode, reading);
    try {
      const named = await reading.named;
      reading.endedMs = await deps.nowMs();
      reading.versions = named?.versions ?? 0;
      this.#evict();
      return named;
    } catch (error) {
      if (this.#readings.get(reading.inode) === reading) this.#readings.delete(reading.inode);
      throw error;
    }
  }

  #evict(): void {
    let versions = 0;
    for (const reading of this.#readings.values()) versions += reading.versions;
    for (const [inode, reading] of this.#readings) {
      if (versions <= KEPT_VERSIONS_MAX && this.#readings.size <= KEPT_INODES_MAX) return;
      versions -= reading.versions;
      this.#readings.delete(inode);
    }
  }
}

/** What lists name: versions, not objects, since a version may have thousands of those. */
class NamedObjects {
  readonly #byChunkId = new Map<bigint, S3ChunkInfo[]>();
  readonly #filesystem: Filesystem;
  versions = 0;

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem;
  }

  /** `false` when they are too many to be kept. */
  add(versions: readonly S3ChunkInfo[]): boolean {
    for (const version of versions) {
      if (version.zero) continue;
      const same = this.#byChunkId.get(version.chunkId);
      if (same === undefined) this.#byChunkId.set(version.chunkId, [version]);
      else same.push(version);
      this.versions++;
    }
    return this.versions <= KEPT_VERSIONS_MAX;
  }

  hasName(name: string, { key, filesystem }: LookFor): boolean {
    const object = parseObjectName(name)?.object;
    if (object === undefined || objectName(key, object, filesystem.objectPrefix) !== name) return false;
    return this.#has(object);
  }

  #has({ chunkId, compaction, blockIndex }: ObjectId): boolean {
    for (const version of this.#byChunkId.get(chunkId) ?? []) {
      if (version.compaction !== compaction) continue;
      for (const object of objectsOf([version], this.#filesystem)) if (object.blockIndex === blockIndex) return true;
    }
    return false;
  }
}

async function readNamed(look: LookFor, deps: ListsDeps): Promise<NamedObjects | undefined> {
  const named = new NamedObjects(look.filesystem);
  for await (const versions of listsOf(look, deps)) if (!named.add(versions)) return undefined;
  return named;
}

async function readUnnamed(names: readonly string[], look: LookFor, deps: ListsDeps): Promise<string[]> {
  const { key, filesystem } = look;
  const left = new Set(names);
  for await (const versions of listsOf(look, deps)) {
    for (const object of objectsOf(versions, filesystem)) left.delete(objectName(key, object, filesystem.objectPrefix));
  }
  return [...left];
}

/** Every list of the inode, whole and sound. */
async function* listsOf({ key, filesystem }: LookFor, { metadata }: ListsDeps): AsyncGenerator<readonly S3ChunkInfo[]> {
  for await (const chunkIndex of metadata.chunkIndexes(key)) {
    const { versions, versionsTotal } = await metadata.readChunk(key, chunkIndex, VERSIONS_READ_MAX);
    if (versionsTotal > versions.length) {
      throw new CompactError(`chunk ${chunkIndex} has ${versionsTotal} versions, too many to look at`, {
        kind: 'retry',
        code: 'list-invalid',
        inode: key,
      });
    }
    checkChunkList(versions, chunkIndex, filesystem);
    yield versions;
  }
}
