/**
 * The attributes of many inodes in few calls. A metaserver fails the whole call for one inode that is gone, which is
 * ordinary while files are deleted: then the halves are asked for. Apart from the walk because of that. No lists here.
 */
import { Deadline } from './calls.ts';
import { unavailable } from './faults.ts';
import type { Metaservers } from './metaservers.ts';
import { batchGetInodeAttr, type InodeAttr } from './proto/metaserver.ts';
import type { Topology } from './topology.ts';

/** CurveFS's own client asks for at most 10,000. */
const BATCH_MAX = 1_000;

export type Attributes = ReadonlyMap<bigint, InodeAttr>;

export interface WalkDeps {
  readonly metaservers: Metaservers;
  readonly topology: Topology;
  readonly timeoutMs: number;
}

/** By inode id; one that is gone is not there. Throws `metadata-unavailable` (retry). */
export async function fileAttributes(
  asked: { readonly fsId: number; readonly inodeIds: readonly bigint[] },
  deps: WalkDeps,
): Promise<Attributes> {
  const found = new Map<bigint, InodeAttr>();
  const deadline = new Deadline(deps.timeoutMs);
  for (const group of await byPartition(asked, deps, deadline)) {
    for (let from = 0; from < group.length; from += BATCH_MAX) {
      for (const attr of await batch(asked.fsId, group.slice(from, from + BATCH_MAX), deps))
        found.set(attr.inodeId, attr);
    }
  }
  return found;
}

/** A call may only name inodes of one partition. */
async function byPartition(
  asked: { readonly fsId: number; readonly inodeIds: readonly bigint[] },
  { topology }: WalkDeps,
  deadline: Deadline,
): Promise<Iterable<bigint[]>> {
  const groups = new Map<number, bigint[]>();
  for (const inodeId of new Set(asked.inodeIds)) {
    const partition = await topology.partitionOf(asked.fsId, inodeId, deadline);
    if (partition === null) continue;
    const group = groups.get(partition.partitionId);
    if (group === undefined) groups.set(partition.partitionId, [inodeId]);
    else group.push(inodeId);
  }
  return groups.values();
}

async function batch(fsId: number, inodeIds: readonly bigint[], deps: WalkDeps): Promise<readonly InodeAttr[]> {
  const [first] = inodeIds;
  if (first === undefined) return [];
  const response = await deps.metaservers.read(
    { fsId, inodeId: first },
    {
      method: batchGetInodeAttr,
      request: ({ poolId, copysetId, partitionId }) => ({ poolId, copysetId, partitionId, fsId, inodeId: inodeIds }),
    },
  );
  if (response?.statusCode === 'OK') return response.attr;
  if (response !== null && response.statusCode !== 'NOT_FOUND') {
    throw unavailable(`the metaserver cannot tell the attributes of inode ${fsId}/${first}: ${response.statusCode}`);
  }
  if (inodeIds.length === 1) return [];
  const half = Math.ceil(inodeIds.length / 2);
  return [...(await batch(fsId, inodeIds.slice(0, half), deps)), ...(await batch(fsId, inodeIds.slice(half), deps))];
}
