/**
 * Policies that compact one chunk: ours through the planner, and the rules of two peers as their sources have them, all
 * in the same layout and counted in the same way. A policy answers with the new list and what it took; no I/O is done.
 */
import type { Geometry, PlanCost, RestMark, S3ChunkInfo } from '../../src/model.ts';
import { type ChunkInput, NO_COST, planChunk, replacementList, validRanges } from '../../src/plan/index.ts';

/** A chunk as a policy sees it after a flush. */
export interface ChunkView extends ChunkInput {
  /** Versions appended since the policy last changed the list. */
  readonly appended: number;
  /** A number that was never used: what a merged version is named by. */
  readonly attempt: bigint;
  /** What is at rest, where there is time. */
  readonly rest?: RestMark;
}

export interface Compaction {
  readonly versions: readonly S3ChunkInfo[];
  readonly cost: PlanCost;
}

export interface Policy {
  readonly name: string;
  /** `null`: the list stays as it is. */
  compact(chunk: ChunkView): Compaction | null;
}

const CURVEFS_VERSIONS = 20;
const JUICEFS_VERSIONS = 100;
const JUICEFS_LONG = 350;
const JUICEFS_PIECES = 5;
const JUICEFS_SKIP_BYTES = 1024 * 1024;
const JUICEFS_SKIP_SHARE = 0.2;

export const none: Policy = { name: 'none', compact: () => null };

/** More than 20 versions, or bytes beyond the length: the whole chunk becomes one version, holes filled. */
export const curvefs: Policy = {
  name: 'curvefs',
  compact(chunk) {
    const { versions, length } = chunk;
    const beyond = versions.some((version) => version.offset + version.len > length);
    if (versions.length <= CURVEFS_VERSIONS && !beyond) return null;
    return mergeAll(chunk, [], versions);
  },
};

/** At 100 new versions: leading large slices that are still whole stay, the rest becomes one version, holes filled. */
export const juicefs: Policy = {
  name: 'juicefs',
  compact(chunk) {
    if (chunk.appended < JUICEFS_VERSIONS) return null;
    return juicefsMerge(chunk);
  },
};

function juicefsMerge(chunk: ChunkView): Compaction | null {
  const skipped = leadingWhole(chunk);
  if (chunk.versions.length - skipped < 2) return null;
  return mergeAll(chunk, chunk.versions.slice(0, skipped), chunk.versions.slice(skipped));
}

/** With a write: when the list reaches a hundredth record, or is longer than 350. */
export const juicefsOnWrite = (chunk: ChunkView): Compaction | null => {
  const { length } = chunk.versions;
  const before = length - chunk.appended;
  const hundredth = Math.floor((length + 1) / JUICEFS_VERSIONS) > Math.floor((before + 1) / JUICEFS_VERSIONS);
  return hundredth || length > JUICEFS_LONG ? juicefsMerge(chunk) : null;
};

/** With each read of a list by a client that may write: at five records, or five pieces, holes counted. */
export const juicefsOnRead = (chunk: ChunkView): Compaction | null => {
  if (chunk.versions.length >= JUICEFS_PIECES) return juicefsMerge(chunk);
  const begin = chunk.chunkIndex * chunk.geometry.chunkSize;
  const window = { begin, end: Math.min(begin + chunk.geometry.chunkSize, chunk.length) };
  if (window.end <= window.begin) return null;
  let pieces = 0;
  let end = window.begin;
  for (const range of validRanges(chunk.versions, window)) {
    pieces += range.begin > end ? 2 : 1;
    end = range.end;
  }
  return pieces >= JUICEFS_PIECES ? juicefsMerge(chunk) : null;
};

/** The planner's own choice, run after run until it finds nothing more. */
export function ours(name: string, policy: Parameters<typeof planChunk>[0]['policy']): Policy {
  return {
    name,
    compact(chunk) {
      const { rest } = chunk;
      const decision = planChunk({ ...chunk, policy: rest === undefined ? policy : { ...policy, rest } });
      if (decision.kind !== 'plan') return null;
      return { versions: replacementList(decision.plan, chunk.attempt), cost: decision.plan.cost };
    },
  };
}

/** How many leading slices JuiceFS leaves alone: at least 1 MiB, 20 % of what remains, and still wholly visible. */
function leadingWhole({ versions, geometry, chunkIndex }: ChunkInput): number {
  const begin = chunkIndex * geometry.chunkSize;
  const visible = new Map<number, number>();
  for (const range of validRanges(versions, { begin, end: begin + geometry.chunkSize })) {
    visible.set(range.version, (visible.get(range.version) ?? 0) + range.end - range.begin);
  }
  let rest = 0;
  for (const bytes of visible.values()) rest += bytes;
  let skipped = 0;
  for (const [position, version] of versions.entries()) {
    const whole = !version.zero && visible.get(position) === version.len;
    if (!whole || version.len < JUICEFS_SKIP_BYTES || version.len < rest * JUICEFS_SKIP_SHARE) break;
    rest -= version.len;
    skipped++;
  }
  return skipped;
}

/** `kept` below one version from the first to the last visible byte of the others; one GET per piece, one PUT per block. */
function mergeAll(chunk: ChunkView, kept: readonly S3ChunkInfo[], merged: readonly S3ChunkInfo[]): Compaction | null {
  const { geometry, chunkIndex, length } = chunk;
  const chunkBegin = chunkIndex * geometry.chunkSize;
  const window = { begin: chunkBegin, end: Math.min(chunkBegin + geometry.chunkSize, length) };
  const ranges = window.begin < window.end ? validRanges(merged, window) : [];
  const [first] = ranges;
  const last = ranges.at(-1);
  if (first === undefined || last === undefined) return merged.length === 0 ? null : { versions: kept, cost: NO_COST };
  const reads = ranges.filter((range) => merged[range.version]?.zero === false);
  const blocks = (begin: number, end: number): number => blockCount(begin, end, geometry);
  const cost = {
    readRequests: reads.reduce((sum, { begin, end }) => sum + blocks(begin, end), 0),
    readBytes: reads.reduce((sum, { begin, end }) => sum + end - begin, 0),
    writeRequests: blocks(first.begin, last.end),
    writeBytes: last.end - first.begin,
  };
  const len = last.end - first.begin;
  let chunkId = merged[0]?.chunkId ?? 0n;
  for (const version of merged) if (version.chunkId < chunkId) chunkId = version.chunkId;
  const one = { chunkId, compaction: chunk.attempt, offset: first.begin, len, size: len, zero: false };
  return { versions: [...kept, one], cost };
}

function blockCount(begin: number, end: number, { blockSize }: Geometry): number {
  return Math.floor((end - 1) / blockSize) - Math.floor(begin / blockSize) + 1;
}
