/**
 * The public face of the slice layout: what adapters, policy and commands may use of it. Everything behind it is pure.
 * It must export nothing that only the layout itself needs.
 */
export { addFootprint, type Footprint, footprintOf, NO_FOOTPRINT } from './footprint.ts';
export {
  blockBytes,
  blockCount,
  type Reads,
  readsOf,
  type SliceObject,
  sliceNamesBegin,
  sliceObject,
} from './objects.ts';
export { piecesOf, recordFault } from './pieces.ts';
export { listAfter, type MergedSlice, planSlices, type SliceGain, type SlicePlan, type SlicePolicy } from './plan.ts';
export { type ClientMerge, type ClientRewrite, clientMerge, clientRewrite } from './quiet.ts';
export { sliceTasks } from './tasks.ts';
export { CHUNK_BYTES, type Piece, type ReferencesOf, type SliceGeometry, type SliceRecord } from './words.ts';
