/**
 * The GETs and PUTs that compacting a case comes to, as the planner makes them: what the bare loop repeats, and what a
 * server must hold before.
 */
import { objectName } from '../../src/format.ts';
import type { SourceRead } from '../../src/model.ts';
import { mergedObjects, planChunk } from '../../src/plan/index.ts';
import type { MetadataState } from '../../test/sim/memory-metadata.ts';
import { type Case, filesystemOf } from './cases.ts';
import { LIMITS } from './limits.ts';

export interface BareTask {
  readonly name: string;
  readonly bytes: number;
  readonly reads: readonly { readonly name: string; readonly read: SourceRead }[];
}

/** By inode. `attempt` makes the names of what is written. */
export function tasksOf(one: Case, state: MetadataState, attempt: bigint): BareTask[][] {
  const filesystem = filesystemOf(one);
  return [...state.inodes.values()].map(({ inode, lists }) =>
    [...lists].flatMap(([chunkIndex, versions]) => {
      const decision = planChunk({
        geometry: filesystem,
        chunkIndex,
        versions,
        length: inode.length,
        policy: LIMITS.policy,
      });
      if (decision.kind !== 'plan') throw new Error(`nothing to do in chunk ${chunkIndex}: ${decision.kind}`);
      return mergedObjects(decision.plan, attempt).map(({ object, block }) => ({
        name: objectName(inode.key, object, filesystem.objectPrefix),
        bytes: block.end - block.begin,
        reads: block.reads.map((read) => ({ name: objectName(inode.key, read.source, filesystem.objectPrefix), read })),
      }));
    }),
  );
}
