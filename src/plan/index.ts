/** The planner's public face; everything behind it is pure. */
export { type BlockView, type ChunkInput, visibleBlocks } from './blocks.ts';
export { checkChunkList, versionFault } from './check.ts';
export { type PlanInput, planChunk } from './chunk.ts';
export { addCost, blockCost, movedBytes, NO_COST, type ReadCost, readCost, requestsOf } from './cost.ts';
export {
  MERGED_VERSION_BITS,
  MERGED_VERSIONS_MAX,
  type MergedObject,
  mergedObjects,
  objectsOf,
  replacementList,
  retiredObjects,
} from './names.ts';
export { validRanges, type Window } from './valid-ranges.ts';
