/**
 * One chunk list as the oracle sees it: who owns which byte, which blocks are read from several objects and what one object
 * in their place would take. It is counted byte by byte, apart from the rules (`verify.ts`) that plans are held against.
 */
import type { PlanInput } from '../../src/plan/index.ts';
import { blockOf, HOLE, ownersOf } from '../kit/oracle/layout.ts';
import type { FileState, OracleVersion } from '../kit/oracle/types.ts';

/** The owner of a byte that is read from a version above those of the input. */
const HIDDEN = HOLE - 1;

/** Visible bytes of one object. */
export interface Piece {
  readonly begin: number;
  readonly end: number;
  /** List position. */
  readonly owner: number;
  /** A version above the input's is read between it and the piece before it. */
  readonly apart: boolean;
}

/** A block that is read; a candidate, if from more than one object. */
export interface CandidateBlock extends Cost {
  readonly blockIndex: number;
  readonly begin: number;
  readonly end: number;
  readonly pieces: readonly Piece[];
}

/** What it takes to read what one object needs. */
export interface Cost {
  readonly readRequests: number;
  readonly readBytes: number;
}

/** One chunk list seen by the oracle. */
export interface View {
  readonly chunkBegin: number;
  readonly visibleEnd: number;
  /** By byte of the visible part of the chunk. */
  readonly owners: Int32Array;
  readonly candidates: readonly CandidateBlock[];
  /** All blocks of which something is read, whatever the number of objects. */
  readonly blocks: readonly CandidateBlock[];
  /** Positions of versions of which at least one byte is read. */
  readonly seen: ReadonlySet<number>;
  readonly beyond: boolean;
}

export const KEY = { fsId: 1, inodeId: 1000n, objectPrefix: 0 } as const;

export function fileOf(input: PlanInput, versions: readonly OracleVersion[] = input.versions): FileState {
  const { geometry, length } = input;
  return { ...KEY, geometry, length, lists: new Map([[input.chunkIndex, versions]]) };
}

/** For messages that are known without a look at the values; the others are made only when they are needed. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) fail(message);
}

export function fail(message: string): never {
  throw new Error(message);
}

/** `rest`: the versions of the list above those of the input, which hide them. */
export function viewOf(input: PlanInput, rest: readonly OracleVersion[] = []): View {
  const { geometry, chunkIndex, length, versions } = input;
  const chunkBegin = chunkIndex * geometry.chunkSize;
  const visibleEnd = Math.max(chunkBegin, Math.min(chunkBegin + geometry.chunkSize, length));
  const owners = ownersOf([...versions, ...rest], chunkBegin, visibleEnd).map((owner) =>
    owner < versions.length ? owner : HIDDEN,
  );
  const seen = new Set(owners);
  seen.delete(HOLE);
  seen.delete(HIDDEN);
  const blocks: CandidateBlock[] = [];
  for (let begin = chunkBegin; begin < visibleEnd; begin += geometry.blockSize) {
    const block = readBlock(input, owners, begin);
    if (block !== null) blocks.push(block);
  }
  const candidates = blocks.filter(({ pieces }) => new Set(pieces.map(({ owner }) => owner)).size > 1);
  const beyond = versions.some((version) => version.offset + version.len > length);
  return { chunkBegin, visibleEnd, owners, candidates, blocks, seen, beyond };
}

/** The block at file offset `blockBegin` if something of it is read. */
function readBlock(input: PlanInput, owners: Int32Array, blockBegin: number): CandidateBlock | null {
  const { geometry, chunkIndex, versions } = input;
  const chunkBegin = chunkIndex * geometry.chunkSize;
  const blockEnd = Math.min(blockBegin + geometry.blockSize, chunkBegin + owners.length);
  const pieces: { begin: number; end: number; readonly owner: number; readonly apart: boolean }[] = [];
  let hidden = false;
  for (let at = blockBegin; at < blockEnd; at++) {
    const owner = owners[at - chunkBegin] ?? HOLE;
    hidden ||= owner === HIDDEN && pieces.length > 0;
    if (versions[owner]?.zero !== false) continue;
    const last = pieces.at(-1);
    if (last?.owner === owner && last.end === at) last.end = at + 1;
    else pieces.push({ begin: at, end: at + 1, owner, apart: hidden });
    hidden = false;
  }
  const [first] = pieces;
  const last = pieces.at(-1);
  if (first === undefined || last === undefined) return null;
  const blockIndex = blockOf(blockBegin, geometry);
  return { blockIndex, begin: first.begin, end: last.end, pieces, ...costOf(pieces, input.policy.readGapBytes) };
}

/** One GET for each piece, unless the same object was read no more than the gap before. */
export function costOf(pieces: readonly Piece[], readGapBytes: number): Cost {
  const lastReadEnd = new Map<number, number>();
  let readRequests = 0;
  let readBytes = 0;
  for (const { begin, end, owner } of pieces) {
    const gap = begin - (lastReadEnd.get(owner) ?? Number.NEGATIVE_INFINITY);
    if (gap > readGapBytes) readRequests += 1;
    readBytes += end - begin + (gap > readGapBytes ? 0 : gap);
    lastReadEnd.set(owner, end);
  }
  return { readRequests, readBytes };
}

export function bytesOf(block: CandidateBlock): number {
  return block.readBytes + block.end - block.begin;
}
