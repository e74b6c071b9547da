/**
 * One chunk of an attempt: reap record → PUTs → commit → stamp. The record exists before the first object
 * does and names everything that the attempt may leave behind, so a worker can die anywhere. Which chunk, and whether it
 * is worth it, is decided before; what happens to the inode as a whole is decided after.
 */
import { toError } from '../errors.ts';
import { objectName } from '../format.ts';
import type { CommitOutcome } from '../metadata/port.ts';
import type { ChunkPlan, Filesystem, MergeTask, ObjectId } from '../model.ts';
import type { ObjectStore } from '../objects/port.ts';
import { mergedObjects, replacementList, retiredObjects } from '../plan/index.ts';
import type { AddedRecord, Attempt } from './attempt.ts';
import { recordsOf } from './chunk-records.ts';
import { type CommitDeps, commitChunk } from './commit.ts';
import { writeMergedObjects } from './merge.ts';
import { protocolOf } from './protocol.ts';
import type { ChunkLimits, CompactDeps, CompactOptions } from './types.ts';

export interface ChunkDeps
  extends CommitDeps,
    ChunkLimits,
    Pick<CompactDeps, 'ledger' | 'memory'>,
    Pick<CompactOptions, 'observer'> {
  readonly objects: ObjectStore;
  readonly filesystem: Filesystem;
  /** Throws when the commit must not be sent after all. */
  readonly beforeCommit?: () => Promise<void>;
  readonly onBlock?: (task: MergeTask) => void;
}

/** How a chunk ended. `fenceCleared`: the attempt cannot commit any more and must end. */
export type ChunkEnding = CommitOutcome & { readonly fenceCleared: boolean; readonly warning?: string };

/** Carries a plan out. Throws CompactError when it could not; what was written is then covered by its records. */
export async function compactChunk(plan: ChunkPlan, attempt: Attempt, deps: ChunkDeps): Promise<ChunkEnding> {
  const nameOf = (object: ObjectId): string => objectName(attempt.key, object, deps.filesystem.objectPrefix);
  const tasks = mergedObjects(plan, attempt.id).map(({ object, block }) => ({ name: nameOf(object), block }));
  const retired = retiredObjects(plan, deps.filesystem).map(nameOf);
  const { storeId } = deps.metadata;
  const protocol = protocolOf(deps.metadata);
  const merged = tasks.map((task) => task.name);
  const context = { storeId, filesystem: deps.filesystem, graceMs: protocol.graceMs(deps) };
  const records = recordsOf(plan, attempt, { ...context, retired, merged });
  const added: AddedRecord[] = [];
  let committed = false;
  try {
    deps.observer?.phase('record', plan.chunkIndex);
    for (const record of records) added.push({ id: await deps.ledger.add(record), record });
    deps.observer?.phase('merge', plan.chunkIndex);
    await writeMergedObjects(tasks, { ...deps, nameOf, beforePut: () => attempt.checkLease(0) });
    // I4: every merged object is acknowledged when this line is reached.
    await deps.beforeCommit?.();
    deps.observer?.phase('commit', plan.chunkIndex);
    const { outcome, fenceCleared } = await commitChunk(
      {
        key: attempt.key,
        chunkIndex: plan.chunkIndex,
        attempt: attempt.id,
        replaced: plan.replaced,
        replacement: replacementList(plan, attempt.id),
        requiredLength: plan.requiredLength,
        requiredAbove: plan.requiredAbove,
        beforeSend: async () => attempt.checkDue(await deps.ledger.nowMs(), deps.commitTimeoutMs),
      },
      attempt,
      { ...deps, resolve: protocol.resolve },
    );
    committed = outcome.outcome === 'committed';
    const warning = committed ? await stampAll(added, deps) : undefined;
    return { ...outcome, fenceCleared, warning };
  } finally {
    if (!committed) attempt.abandoned.push(...added);
  }
}

/** A record that cannot be stamped is due unstamped, and still deletes only what nothing references: late, never wrong. */
async function stampAll(added: readonly AddedRecord[], deps: ChunkDeps): Promise<string | undefined> {
  try {
    const stampMs = await deps.ledger.nowMs();
    const protocol = protocolOf(deps.metadata);
    for (const one of added) await protocol.settle(deps.ledger, one, { stampMs, graceMs: deps.graceMs });
    return undefined;
  } catch (error) {
    return `the commit is done but its reap record could not be stamped (${toError(error).message}); its old objects go when the lease ends instead of after the grace period`;
  }
}
