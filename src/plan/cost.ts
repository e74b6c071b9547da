/**
 * What a full read of a chunk costs, what a plan costs and saves, and the one score that makes chunks comparable.
 * The worker, the dry run, the scanner and the backlog use these same figures.
 */
import type { Geometry, MergedBlock, PlanCost, PlanGain, S3ChunkInfo } from '../model.ts';
import { type BlockView, blockSpan, type ChunkInput, dataBytes, objectsEnd, visibleBlocks } from './blocks.ts';

/** One S3 request weighs as much as moving this many bytes: about 20 ms at 50 MiB/s. */
const REQUEST_WEIGHT_BYTES = 1024 * 1024;

/** What one full sequential read of a chunk costs, and how much of what is stored it uses. */
export interface ReadCost {
  /** One per visible piece of an object. */
  readonly gets: number;
  /** Bytes that come from objects. */
  readonly dataBytes: number;
  readonly versions: number;
  /** Objects that the list references. */
  readonly objects: number;
  /** Bytes of these objects, visible or not. */
  readonly storedBytes: number;
}

/** The read cost of a chunk list; O(n log n). */
export function readCost(input: ChunkInput): ReadCost {
  const blocks = visibleBlocks(input);
  return {
    gets: getsOf(blocks),
    dataBytes: visibleBytesOf(blocks),
    versions: input.versions.length,
    ...stored(input.versions, input.geometry),
  };
}

/** Visible pieces that come from objects, each a GET. */
export function getsOf(blocks: readonly BlockView[]): number {
  return blocks.reduce((gets, { dataFrom, dataTo }) => gets + dataTo - dataFrom, 0);
}

/** Visible bytes that come from objects. */
export function visibleBytesOf(blocks: readonly BlockView[]): number {
  return blocks.reduce((bytes, block) => bytes + dataBytes(block), 0);
}

/** Objects that a list references, and their bytes. */
export function stored(versions: Iterable<S3ChunkInfo>, geometry: Geometry): { objects: number; storedBytes: number } {
  let objects = 0;
  let storedBytes = 0;
  for (const version of versions) {
    if (version.zero) continue;
    const { first, last } = blockSpan(version, geometry);
    objects += last - first + 1;
    storedBytes += objectsEnd(version, geometry) - version.offset;
  }
  return { objects, storedBytes };
}

export const NO_COST: PlanCost = { readRequests: 0, readBytes: 0, writeRequests: 0, writeBytes: 0 };

export function blockCost(block: MergedBlock<unknown>): PlanCost {
  const readBytes = block.reads.reduce((sum, { len }) => sum + len, 0);
  return { readRequests: block.reads.length, readBytes, writeRequests: 1, writeBytes: block.end - block.begin };
}

export function addCost(a: PlanCost, b: PlanCost): PlanCost {
  return {
    readRequests: a.readRequests + b.readRequests,
    readBytes: a.readBytes + b.readBytes,
    writeRequests: a.writeRequests + b.writeRequests,
    writeBytes: a.writeBytes + b.writeBytes,
  };
}

export function movedBytes(cost: PlanCost): number {
  return cost.readBytes + cost.writeBytes;
}

export function requestsOf(cost: PlanCost): number {
  return cost.readRequests + cost.writeRequests;
}

/** Benefit for cost: GETs saved per full read and bytes reclaimed, against requests made and bytes moved. */
export function scoreOf(cost: PlanCost, getsSaved: number, bytesReclaimed: number): number {
  const benefit = getsSaved + Math.max(0, bytesReclaimed) / REQUEST_WEIGHT_BYTES;
  return benefit / (1 + requestsOf(cost) + movedBytes(cost) / REQUEST_WEIGHT_BYTES);
}

export const NO_GAIN: PlanGain = {
  getsBefore: 0,
  getsAfter: 0,
  visibleBytes: 0,
  versionsBefore: 0,
  versionsAfter: 0,
  objectsBefore: 0,
  objectsAfter: 0,
  storedBytesBefore: 0,
  storedBytesAfter: 0,
};

/** Adds up two rows of numbers, field by field as the second has them; not for the planner's inner loops. */
export function addCounts<Counts extends Readonly<Record<keyof Counts, number>>>(a: Counts, b: Counts): Counts {
  const names = Object.keys(b) as (keyof Counts)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as Counts;
}
