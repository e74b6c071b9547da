/**
 * The typed API: `import { compactInode } from 's3compact'`. What a program needs to compact with its own metadata
 * service, object store and ledger, and the adapters to use those that exist. Everything else is internal.
 */

export { type Clock, systemClock } from './clock.ts';
export { AttemptIds } from './compact/attempt.ts';
export {
  type CompactDeps,
  type CompactLimits,
  type CompactOptions,
  type CompactOutcome,
  type CompactProgress,
  type CompactResult,
  compactInode,
} from './compact/compact-inode.ts';
export { MemoryBudget } from './compact/memory-budget.ts';
export type { RunObserver, RunPhase } from './compact/types.ts';
export { CompactError, type ErrorCode, type ErrorKind } from './errors.ts';
export { objectName, parseObjectName, parseRecord, printRecord } from './format.ts';
export type { ReapLedger, ReapRecord } from './ledger.ts';
export { CurvefsMetadata } from './metadata/curvefs/curvefs.ts';
export type { BeginOutcome, ChunkSnapshot, CommitOutcome, CommitRequest, MetadataStore } from './metadata/port.ts';
export { RedisMetadata } from './metadata/redis/redis.ts';
export type {
  ChunkDecision,
  ChunkPlan,
  Filesystem,
  Geometry,
  Inode,
  InodeKey,
  PlanCost,
  PlanGain,
  PlanPolicy,
  S3ChunkInfo,
  ValidRange,
} from './model.ts';
export type { ObjectStore, ObjectStores } from './objects/port.ts';
export { storesWithRetries } from './objects/retrying-store.ts';
export { S3ObjectStores } from './objects/s3/stores.ts';
export { planChunk, readCost, replacementList, validRanges } from './plan/index.ts';
export { CompactQueue } from './queue/compact-queue.ts';
export { ReapQueue } from './queue/reap-queue.ts';
export { type ReapDeps, type ReapVerdict, reapRecord } from './reap/reap-record.ts';
export { connectRedis } from './redis/client.ts';
export { type Append, FsLists, type FsListsOptions, type NewFilesystem } from './writer/fs-lists.ts';
export { FsWriter, type FsWriterOptions } from './writer/fs-writer.ts';
