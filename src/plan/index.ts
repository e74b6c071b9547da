/**
 * The planner's public face: what the rest of the house may use of it. Everything behind it is pure, a function of its
 * arguments, so the worker, the dry run, the scanner and the backlog all get the same answer.
 * It must export nothing that only the planner itself needs.
 */
export { AboveFinder, type VersionsAbove } from './above.ts';
export { type BlockView, blockSpan, type ChunkInput, visibleBlocks } from './blocks.ts';
export { checkChunkList, versionFault } from './check.ts';
export { type PlanInput, planChunk } from './chunk.ts';
export {
  addCost,
  addCounts,
  blockCost,
  movedBytes,
  NO_COST,
  NO_GAIN,
  type ReadCost,
  readCost,
  requestsOf,
  scoreOf,
} from './cost.ts';
export {
  bytesOfObject,
  MERGED_VERSIONS_MAX,
  mergedObjects,
  objectSizes,
  objectsOf,
  readSizes,
  replacementList,
  retiredObjects,
  withFencingId,
} from './names.ts';
export { isNew, REST_FACTOR } from './runs.ts';
export { validRanges, type Window } from './valid-ranges.ts';
