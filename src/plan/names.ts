/**
 * What a plan means in versions and objects once an attempt has lent it a number: the replacement list, the objects
 * written, the objects let go. Pure, and apart from planning because a plan is made before there is an attempt.
 */

import {
  type ChunkPlan,
  type Geometry,
  MERGED_VERSION_BITS,
  type MergedBlock,
  type ObjectId,
  type S3ChunkInfo,
} from '../model.ts';
import { outside } from '../outside.ts';
import { blockSpan, type ChunkInput, visibleBlocks } from './blocks.ts';

/** Our numbers are even: CurveFS's built-in compactor takes the next one of what it replaces (docs/adr/0017). */
const NUMBER_STEP = 2;
/** Merged versions that an attempt can number. */
export const MERGED_VERSIONS_MAX = 2 ** MERGED_VERSION_BITS / NUMBER_STEP;

/**
 * Merged versions, the kept ones in their old order, then the merged ones that lie above them (ADR 8). The n-th merged
 * version's `compaction` is `attempt + 2n`, counted over all chunks of the attempt: a writer may have used one chunkId in
 * several of them (I3). All take the lowest chunkId of what is replaced, so later arrivals sort above (I2).
 */
export function replacementList(plan: ChunkPlan, attempt: bigint): S3ChunkInfo[] {
  const merged = plan.merged.map((version, n) => ({
    chunkId: plan.mergedChunkId,
    compaction: compactionOf(plan, attempt, n),
    offset: version.offset,
    len: version.len,
    size: version.len,
    zero: false,
  }));
  const above = (n: number): boolean => plan.merged[n]?.above === true;
  return [...merged.filter((_, n) => !above(n)), ...plan.kept, ...merged.filter((_, n) => above(n))];
}

/**
 * The plan with merged versions whose id lies below all that they replace, for a service that removes by ranges of ids
 * and compares nothing (docs/adr/0010). A commit that was planned on the list before this one then covers this one's
 * record only in part, and is refused; what arrives later sorts above, whatever id its writer has held back; and no
 * writer's record can have the same key. The first time the id is halved, far from any that a writer may hold; a list
 * that begins with an id of ours goes down by one, and down to one that the attempt has given to no other chunk
 * (`taken`): the built-in compactor names objects by id and number alone (docs/adr/0017). At 0 it stays: then only time
 * keeps old commits out.
 */
export function withFencingId(plan: ChunkPlan, taken: ReadonlySet<bigint>): ChunkPlan {
  const lowest = plan.mergedChunkId;
  const fromWriter = plan.replaced.some(({ chunkId, compaction }) => chunkId === lowest && compaction === 0n);
  if (lowest === 0n) return plan;
  let below = fromWriter ? lowest / 2n : lowest - 1n;
  while (below > 0n && taken.has(below)) below--;
  return { ...plan, mergedChunkId: below };
}

function compactionOf({ mergedBefore = 0 }: ChunkPlan, attempt: bigint, n: number): bigint {
  return attempt + BigInt(NUMBER_STEP * (mergedBefore + n));
}

/** The objects that the plan writes, in file order. */
export function mergedObjects(
  plan: ChunkPlan,
  attempt: bigint,
): { readonly object: ObjectId; readonly block: MergedBlock }[] {
  return plan.merged.flatMap((version, n) =>
    version.blocks.map((block) => ({
      object: { chunkId: plan.mergedChunkId, compaction: compactionOf(plan, attempt, n), blockIndex: block.blockIndex },
      block,
    })),
  );
}

/** The objects that the replaced list references and the replacement does not, each once. */
export function retiredObjects(plan: ChunkPlan, geometry: Geometry): ObjectId[] {
  const retired = new Map(objectsOf(plan.replaced, geometry).map((object) => [identity(object), object]));
  for (const object of objectsOf(plan.kept, geometry)) retired.delete(identity(object));
  return [...retired.values()];
}

/** The objects of a list, version by version; zero versions have none. */
export function* objectsOf(versions: Iterable<S3ChunkInfo>, geometry: Geometry): Generator<ObjectId> {
  for (const version of versions) {
    if (version.zero) continue;
    const { first, last } = blockSpan(version, geometry);
    for (let blockIndex = first; blockIndex <= last; blockIndex++) {
      yield { chunkId: version.chunkId, compaction: version.compaction, blockIndex };
    }
  }
}

/** The same with the bytes that each must have at least, so that what the version says of it can be read. */
export function* objectSizes(
  versions: Iterable<S3ChunkInfo>,
  geometry: Geometry,
): Generator<{ readonly object: ObjectId; readonly bytes: number }> {
  for (const version of versions) {
    for (const object of objectsOf([version], geometry)) {
      yield { object, bytes: bytesOfObject(version, object.blockIndex, geometry) };
    }
  }
}

/** What the version says of that block is so many bytes. */
export function bytesOfObject({ offset, len }: S3ChunkInfo, blockIndex: number, geometry: Geometry): number {
  const { blockSize, chunkSize } = geometry;
  const blockBegin = offset - (offset % chunkSize) + blockIndex * blockSize;
  return Math.min(offset + len, blockBegin + blockSize) - Math.max(offset, blockBegin);
}

/** The objects that a reader of the chunk asks for, with the bytes that each must have for that; one for each visible piece. */
export function* readSizes(input: ChunkInput): Generator<{ readonly object: ObjectId; readonly bytes: number }> {
  for (const { begin, blockIndex, data } of visibleBlocks(input)) {
    for (const piece of data) {
      const { chunkId, compaction, offset } = input.versions[piece.version] ?? outside();
      yield { object: { chunkId, compaction, blockIndex }, bytes: piece.end - Math.max(offset, begin) };
    }
  }
}

function identity(object: ObjectId): string {
  return `${object.chunkId}_${object.blockIndex}_${object.compaction}`;
}
