/**
 * Writes files as a client of the file system does, by the rules of docs/format.md: objects first, then the version, one
 * chunkId for each version, nothing written twice. For programs that keep their metadata in Redis, for `s3compact
 * example` and tests. It must not read what it writes over: every write is a new version.
 */
import pLimit from 'p-limit';
import { CompactError } from '../errors.ts';
import { objectName, printInodeKey } from '../format.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import type { Filesystem, InodeKey, S3ChunkInfo } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import { objectSizes } from '../plan/index.ts';
import { FsLists, type FsListsOptions, type NewFilesystem } from './fs-lists.ts';

export interface FsWriterOptions extends FsListsOptions {
  /** With retries: `storesWithRetries`. The caller closes them. */
  readonly objects: ObjectStores;
}

/** Objects of one write that are put at a time. */
const PUTS_IN_FLIGHT = 8;
/** ChunkIds in a row whose object names are taken: more means that the metadata lost far more than its last writes. */
const TRIES_MAX = 100;

/** Errors are CompactError of the metadata and of the store. A write that failed may have left objects that no list references. */
export class FsWriter {
  readonly lists: FsLists;
  readonly #objects: ObjectStores;
  /** As many as there are file systems that are written to; they never change. */
  readonly #filesystems = new Map<number, Filesystem>();

  constructor(options: FsWriterOptions) {
    this.lists = new FsLists(options);
    this.#objects = options.objects;
  }

  createFilesystem(fsId: number, made: NewFilesystem): Promise<void> {
    return this.lists.createFilesystem(fsId, made);
  }

  createInode(key: InodeKey): Promise<void> {
    return this.lists.createInode(key);
  }

  /** Writes bytes at an offset; one version for each chunk that they touch. */
  write(key: InodeKey, offset: number, bytes: Uint8Array): Promise<readonly S3ChunkInfo[]> {
    return this.#write(key, { offset, len: bytes.length }, bytes);
  }

  /** Makes a range read as zeros; it has no objects. */
  writeZeros(key: InodeKey, offset: number, len: number): Promise<readonly S3ChunkInfo[]> {
    return this.#write(key, { offset, len }, null);
  }

  async #write(key: InodeKey, range: { readonly offset: number; readonly len: number }, bytes: Uint8Array | null) {
    const { offset, len } = range;
    const filesystem = await this.#filesystem(key.fsId);
    const { chunkSize } = filesystem;
    const end = offset + len;
    if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(end)) {
      throw new TypeError('a write begins at a whole number of bytes and ends below 2^53');
    }
    const versions: S3ChunkInfo[] = [];
    for (let at = offset; at < end; ) {
      const chunkIndex = Math.floor(at / chunkSize);
      const next = Math.min(end, (chunkIndex + 1) * chunkSize);
      const part = { offset: at, len: next - at, size: next - at, compaction: 0n, zero: bytes === null };
      const version = await this.#put(key, part, bytes?.subarray(at - offset, next - offset) ?? new Uint8Array());
      await this.lists.append(key, { chunkIndex, versions: [version], length: next });
      versions.push(version);
      at = next;
    }
    return versions;
  }

  /** A name that is taken: Redis has lost its last writes, and gives out an id for the second time. Another one, then. */
  async #put(key: InodeKey, part: Omit<S3ChunkInfo, 'chunkId'>, bytes: Uint8Array): Promise<S3ChunkInfo> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const version = { ...part, chunkId: await this.lists.takeChunkId(key.fsId) };
      if (version.zero || (await this.#putObjects(key, version, bytes))) return version;
    }
    throw new CompactError(
      `the objects of ${TRIES_MAX} chunkIds in a row are in the bucket already, so nothing was written to inode ${printInodeKey(key)}; raise nextChunkId of file system ${key.fsId} above all that were given out`,
      { kind: 'halt', code: 'object-collision', inode: key },
    );
  }

  async #putObjects(key: InodeKey, version: S3ChunkInfo, bytes: Uint8Array): Promise<boolean> {
    const filesystem = await this.#filesystem(key.fsId);
    const store = this.#objects.forFilesystem(filesystem);
    const bodies: { readonly name: string; readonly body: Uint8Array }[] = [];
    let from = 0;
    for (const { object, bytes: len } of objectSizes([version], filesystem)) {
      bodies.push({ name: objectName(key, object, filesystem.objectPrefix), body: bytes.subarray(from, from + len) });
      from += len;
    }
    const outcomes = await pLimit(PUTS_IN_FLIGHT).map(bodies, ({ name, body }) => store.putIfAbsent(name, body));
    return outcomes.every((outcome) => outcome === 'created');
  }

  async #filesystem(fsId: number): Promise<Filesystem> {
    const known = this.#filesystems.get(fsId);
    if (known !== undefined) return known;
    const found = await requireFilesystem(this.lists, fsId);
    this.#filesystems.set(fsId, found);
    return found;
  }
}
