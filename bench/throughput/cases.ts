/**
 * The inodes of the throughput bench: whole blocks made of equal pieces, each a version of its own, written in an order
 * that no reader would like. They exist as chunk lists only; the objects are the server's business.
 */
import type { Filesystem, InodeKey, S3ChunkInfo } from '../../src/model.ts';
import { MetadataState } from '../../test/sim/memory-metadata.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK_BYTES = 4 * MIB;

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly pieceBytes: number;
  /** Default 4 MiB. */
  readonly blockBytes?: number;
  readonly blocksPerChunk: number;
  readonly chunksPerInode: number;
  readonly inodes: number;
  /** Inodes that are compacted at a time. */
  readonly inodesInFlight: number;
  /** The bytes of pieces count, not their number. */
  readonly large: boolean;
}

export const CASES: readonly Case[] = [
  {
    name: 'large',
    title: 'pieces of 1 MiB',
    pieceBytes: MIB,
    blocksPerChunk: 16,
    chunksPerInode: 12,
    inodes: 1,
    inodesInFlight: 1,
    large: true,
  },
  {
    name: 'chunks',
    title: 'chunks of 16 blocks, pieces of 128 KiB',
    pieceBytes: 128 * KIB,
    blocksPerChunk: 16,
    chunksPerInode: 6,
    inodes: 1,
    inodesInFlight: 1,
    large: true,
  },
  {
    name: 'pages',
    title: 'pages of 4 KiB',
    pieceBytes: 4 * KIB,
    blocksPerChunk: 8,
    chunksPerInode: 4,
    inodes: 1,
    inodesInFlight: 1,
    large: false,
  },
  {
    name: 'lines',
    title: 'log lines of 256 bytes',
    pieceBytes: 256,
    blocksPerChunk: 1,
    chunksPerInode: 2,
    inodes: 1,
    inodesInFlight: 1,
    large: false,
  },
  {
    name: 'inodes',
    title: '64 inodes at once, pieces of 64 KiB',
    pieceBytes: 64 * KIB,
    blocksPerChunk: 4,
    chunksPerInode: 1,
    inodes: 64,
    inodesInFlight: 64,
    large: true,
  },
];

export const BUCKET = 'bench';

/** `part` of `parts`: the quick form does a smaller one. */
export function shrunk(one: Case, quick: boolean): Case {
  if (!quick) return one;
  const chunksPerInode = Math.max(1, Math.ceil(one.chunksPerInode / 4));
  return { ...one, chunksPerInode, inodes: Math.ceil(one.inodes / 2) };
}

/** A real server takes a millisecond or more for each object, and must be filled first. */
const PIECES_MAX = 2_048;
const BYTES_MAX = 128 * MIB;

/** Cut to what a real server is filled with in seconds: fewer chunks, then inodes, blocks, and bytes of a block. */
export function forRealServer(one: Case): Case {
  const blockBytes = one.blockBytes ?? BLOCK_BYTES;
  const bytes = one.inodes * one.chunksPerInode * one.blocksPerChunk * blockBytes;
  if (bytes / one.pieceBytes <= PIECES_MAX && bytes <= BYTES_MAX) return { ...one, blockBytes };
  const half = (count: number): number => Math.ceil(count / 2);
  if (one.chunksPerInode > 1) return forRealServer({ ...one, chunksPerInode: half(one.chunksPerInode) });
  if (one.inodes > 32) return forRealServer({ ...one, inodes: half(one.inodes) });
  if (one.blocksPerChunk > 1) return forRealServer({ ...one, blocksPerChunk: half(one.blocksPerChunk) });
  return forRealServer({ ...one, blockBytes: half(blockBytes) });
}

export function filesystemOf({ blockBytes: blockSize = BLOCK_BYTES, blocksPerChunk }: Case): Filesystem {
  const chunkSize = blocksPerChunk * blockSize;
  return { fsId: 1, uuid: 'bench', name: 'bench', bucket: BUCKET, blockSize, chunkSize, objectPrefix: 0 };
}

/** The metadata of a case, and its inodes. */
export function worldOf(one: Case): { readonly state: MetadataState; readonly keys: readonly InodeKey[] } {
  const state = new MetadataState();
  const filesystem = filesystemOf(one);
  state.filesystems.set(filesystem.fsId, filesystem);
  const keys: InodeKey[] = [];
  for (let n = 1; n <= one.inodes; n++) {
    const key = { fsId: filesystem.fsId, inodeId: BigInt(n) };
    keys.push(key);
    const length = one.chunksPerInode * filesystem.chunkSize;
    state.put({ key, length, nlink: 1, mtimeMs: 0, type: 's3' });
    for (let chunkIndex = 0; chunkIndex < one.chunksPerInode; chunkIndex++) {
      state.at(key)?.lists.set(chunkIndex, listOf(one, chunkIndex * filesystem.chunkSize, filesystem.chunkSize));
    }
  }
  return { state, keys };
}

function listOf({ pieceBytes: len }: Case, begin: number, chunkSize: number): S3ChunkInfo[] {
  const pieces = chunkSize / len;
  // Coprime to any power of two, so every piece comes once.
  const step = 2 * Math.floor(pieces / 3) + 1;
  return Array.from({ length: pieces }, (_, n) => {
    const offset = begin + ((n * step) % pieces) * len;
    return { chunkId: BigInt(n + 1), compaction: 0n, offset, len, size: len, zero: false };
  });
}
