/**
 * What the lists of one large inode name, and what of it a listing has shown, in little memory: 44 bytes a version and one bit an
 * object, where reading the lists for each part of the listing would be quadratic. Too many versions are refused. It reads nothing.
 */
import { objectName } from '../format.ts';
import type { Filesystem, InodeKey, ObjectId, S3ChunkInfo } from '../model.ts';
import { outside } from '../outside.ts';
import { blockSpan, bytesOfObject } from '../plan/index.ts';

/** 90 MB. */
const INDEX_VERSIONS_MAX = 2_000_000;
/** Bits; 32 MB. Versions of whole chunks have many objects each. */
const INDEX_OBJECTS_MAX = 256_000_000;
const FIRST_CAPACITY = 1_024;
const WORD_BITS = 32;

/** A growing row of numbers for each property of a version. */
interface Columns {
  readonly chunkId: BigUint64Array;
  readonly compaction: BigUint64Array;
  readonly offset: Float64Array;
  readonly len: Float64Array;
  /** Place of the version's first object among the bits. */
  readonly firstBit: Uint32Array;
  /** Next version with the same hash, plus one. */
  readonly next: Uint32Array;
}

export class ReferencedIndex {
  readonly #filesystem: Filesystem;
  #columns = columnsOf(FIRST_CAPACITY);
  /** By hash: the version added last, plus one. As many as there is room for versions. */
  #heads = new Uint32Array(FIRST_CAPACITY);
  #versions = 0;
  #objects = 0;
  #seen = new Uint32Array(1);

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem;
  }

  /** One list. `false` when there are too many. */
  add(versions: readonly S3ChunkInfo[]): boolean {
    for (const version of versions) {
      if (version.zero) continue;
      const { first, last } = blockSpan(version, this.#filesystem);
      if (this.#versions === INDEX_VERSIONS_MAX || this.#objects + last - first >= INDEX_OBJECTS_MAX) return false;
      if (this.#versions === this.#heads.length) this.#grow();
      const n = this.#versions++;
      this.#columns.chunkId[n] = version.chunkId;
      this.#columns.compaction[n] = version.compaction;
      this.#columns.offset[n] = version.offset;
      this.#columns.len[n] = version.len;
      this.#columns.firstBit[n] = this.#objects;
      this.#objects += last - first + 1;
      this.#link(n);
    }
    return true;
  }

  /** To be called once when all lists are in. */
  seal(): void {
    this.#seen = new Uint32Array(Math.ceil(this.#objects / WORD_BITS));
  }

  /** Marks the object as seen; the bytes that it must have, or `undefined`: nothing references it. */
  see(object: ObjectId): number | undefined {
    let needed: number | undefined;
    let n = this.#heads[this.#slot(object.chunkId)] ?? outside();
    for (; n > 0; n = this.#columns.next[n - 1] ?? outside()) {
      const version = this.#version(n - 1);
      if (version.chunkId !== object.chunkId || version.compaction !== object.compaction) continue;
      const { first, last } = blockSpan(version, this.#filesystem);
      if (object.blockIndex < first || object.blockIndex > last) continue;
      const bit = (this.#columns.firstBit[n - 1] ?? outside()) + object.blockIndex - first;
      const word = Math.floor(bit / WORD_BITS);
      this.#seen[word] = (this.#seen[word] ?? outside()) | (1 << (bit % WORD_BITS));
      needed = Math.max(needed ?? 0, bytesOfObject(version, object.blockIndex, this.#filesystem));
    }
    return needed;
  }

  /** What is referenced and was not seen; a name may come twice. */
  *unseen(key: InodeKey): Generator<{ readonly name: string; readonly neededBytes: number }> {
    const { objectPrefix } = this.#filesystem;
    for (let n = 0; n < this.#versions; n++) {
      const version = this.#version(n);
      const { first, last } = blockSpan(version, this.#filesystem);
      for (let blockIndex = first; blockIndex <= last; blockIndex++) {
        const bit = (this.#columns.firstBit[n] ?? outside()) + blockIndex - first;
        if (((this.#seen[Math.floor(bit / WORD_BITS)] ?? outside()) >>> (bit % WORD_BITS)) & 1) continue;
        const { chunkId, compaction } = version;
        const name = objectName(key, { chunkId, compaction, blockIndex }, objectPrefix);
        yield { name, neededBytes: bytesOfObject(version, blockIndex, this.#filesystem) };
      }
    }
  }

  #version(n: number): S3ChunkInfo {
    const { chunkId, compaction, offset, len } = this.#columns;
    const bytes = len[n] ?? outside();
    const ids = { chunkId: chunkId[n] ?? outside(), compaction: compaction[n] ?? outside() };
    return { ...ids, offset: offset[n] ?? outside(), len: bytes, size: bytes, zero: false };
  }

  /** ChunkIds are given out one after the other: their low bits are hash enough. */
  #slot(chunkId: bigint): number {
    return Number(BigInt.asUintN(32, chunkId)) % this.#heads.length;
  }

  #link(n: number): void {
    const slot = this.#slot(this.#columns.chunkId[n] ?? outside());
    this.#columns.next[n] = this.#heads[slot] ?? outside();
    this.#heads[slot] = n + 1;
  }

  #grow(): void {
    const old = this.#columns;
    const grown = columnsOf(2 * this.#heads.length);
    grown.chunkId.set(old.chunkId);
    grown.compaction.set(old.compaction);
    grown.offset.set(old.offset);
    grown.len.set(old.len);
    grown.firstBit.set(old.firstBit);
    this.#columns = grown;
    this.#heads = new Uint32Array(2 * this.#heads.length);
    for (let n = 0; n < this.#versions; n++) this.#link(n);
  }
}

function columnsOf(capacity: number): Columns {
  return {
    chunkId: new BigUint64Array(capacity),
    compaction: new BigUint64Array(capacity),
    offset: new Float64Array(capacity),
    len: new Float64Array(capacity),
    firstBit: new Uint32Array(capacity),
    next: new Uint32Array(capacity),
  };
}
