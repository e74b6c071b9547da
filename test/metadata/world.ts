/**
 * What the metadata contract needs of an adapter's world: the store under test, and a second way to the same metadata
 * that plays the file system's clients and its owner. It stands apart so that each adapter's test builds its own.
 * The second way must not go through the store: it is what the store is checked against.
 */
import { expect } from 'vitest';
import { type CommitRequest, inodeKeys, type MetadataStore } from '../../src/metadata/port.ts';
import type { Filesystem, Inode, InodeKey, S3ChunkInfo } from '../../src/model.ts';

export interface MetadataWorld {
  readonly store: MetadataStore;
  putFilesystem(filesystem: Filesystem): Promise<void>;
  /** What the store tells of it, where that is not all of it. */
  told?(filesystem: Filesystem): Filesystem;
  putInode(inode: Inode): Promise<void>;
  removeInode(key: InodeKey): Promise<void>;
  setLength(key: InodeKey, length: number): Promise<void>;
  setLinks(key: InodeKey, nlink: number): Promise<void>;
  /** As a writer does it: at the end of the list, version by version where that makes a difference. */
  append(key: InodeKey, chunkIndex: number, versions: readonly S3ChunkInfo[]): Promise<void>;
  /** The whole list, oldest first. */
  list(key: InodeKey, chunkIndex: number): Promise<readonly S3ChunkInfo[]>;
  /** Only where the metadata is kept as text that somebody can get wrong. */
  readonly damage?: MetadataDamage;
  close(): Promise<void>;
}

/** Breaks what is stored; a `null` value removes the field. */
export interface MetadataDamage {
  filesystem(fsId: number, field: string, value: string | null): Promise<void>;
  inode(key: InodeKey, field: string, value: string | null): Promise<void>;
  record(key: InodeKey, chunkIndex: number, position: number, text: string): Promise<void>;
  chunkIndex(key: InodeKey, text: string): Promise<void>;
}

/** What an adapter promises beyond the least; the contract checks all that is promised. */
export interface MetadataTraits {
  /**
   * `begin` stores a fence, `commit` and `clearFence` go by it, and look and change are one step. Without it the store is
   * time-bound (CurveFS): a commit that was overtaken between its look and its change still changes the
   * list, to one that reads the same.
   */
  readonly fence: boolean;
  /** `commit` compares the content of the list, not just its length. */
  readonly comparesContent: boolean;
  /** The world has `damage`. */
  readonly damage: boolean;
  /** The walk tells every inode, also what is no linked S3 file. */
  readonly everyInode: boolean;
  /** Any head of a list can be replaced; else only heads that end where somebody's list of versions ended. */
  readonly anyHead: boolean;
}

export const ALL_TRAITS: MetadataTraits = {
  fence: true,
  comparesContent: true,
  damage: true,
  everyInode: true,
  anyHead: true,
};

export const KEY: InodeKey = { fsId: 7, inodeId: 42n };
export const ATTEMPT = 7_001n;

export const FILESYSTEM: Filesystem = {
  fsId: 7,
  uuid: '0b9d2a3e-5f6c-4d1b-9c3a-8a1b2c3d4e5f',
  name: 'films',
  bucket: 'films-data',
  blockSize: 16,
  chunkSize: 64,
  objectPrefix: 1,
  lastChunkId: 2n ** 63n,
};

export const INODE: Inode = { key: KEY, length: 640, nlink: 1, mtimeMs: 1_700_000_000_000, type: 's3' };

/** A version that differs in every field from that of any other `n`. */
export function version(n: number, changes: Partial<S3ChunkInfo> = {}): S3ChunkInfo {
  return {
    chunkId: BigInt(n) + 1n,
    compaction: BigInt(n % 5),
    offset: n % 60,
    len: (n % 4) + 1,
    size: (n % 4) + 1,
    zero: n % 7 === 0,
    ...changes,
  };
}

/** Versions `from` to `to - 1`. */
export function versions(from: number, to: number): S3ChunkInfo[] {
  return Array.from({ length: to - from }, (_, n) => version(from + n));
}

/** A version as an attempt makes it of these: like `version(n)`, but with their lowest chunkId. */
export function mergedOf(n: number, replaced: readonly S3ChunkInfo[]): S3ChunkInfo {
  const [lowest] = replaced.map(({ chunkId }) => chunkId).sort((a, b) => (a < b ? -1 : 1));
  return version(n, { chunkId: lowest ?? 0n, compaction: BigInt(n) << 12n });
}

/** Replaces the first four of `versions(0, 6)` in chunk 3 … */
export const REQUEST: CommitRequest = {
  key: KEY,
  chunkIndex: 3,
  attempt: ATTEMPT,
  replaced: versions(0, 4),
  replacement: [mergedOf(90, versions(0, 4)), version(3)],
};
/** … which makes of them this. */
export const AFTER: readonly S3ChunkInfo[] = [...REQUEST.replacement, version(4), version(5)];

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Everything that a store does, once, on FILESYSTEM, INODE and `versions(0, 6)` in chunk 3. */
export async function useStore(world: MetadataWorld): Promise<void> {
  const { store } = world;
  expect(await store.getFilesystem(7)).toEqual(FILESYSTEM);
  expect(await store.begin(KEY, ATTEMPT)).toBe('begun');
  expect(await store.readChunk(KEY, 3, 4)).toMatchObject({ versions: versions(0, 4), versionsTotal: 6 });
  expect(await store.commit(REQUEST)).toEqual({ outcome: 'committed' });
  expect(await store.commit(REQUEST)).toEqual({ outcome: 'conflict' });
  expect(await collect(store.chunkIndexes(KEY))).toEqual([3]);
  expect(new Set((await collect(inodeKeys(store, 7))).map(({ inodeId }) => inodeId))).toEqual(new Set([KEY.inodeId]));
  expect(await store.clearFence(KEY, ATTEMPT)).toBe(true);
  expect(await store.getInode(KEY)).toEqual(INODE);
  expect(await world.list(KEY, 3)).toEqual(AFTER);
}
