/**
 * One chunk's commit. A metaserver removes records by the lowest and the highest chunkId of the remove list, whatever
 * they hold, and adds the new list as one record. So the list is read and compared right before, and nothing is sent
 * that could remove a version that was not read, or put the new record out of its place. What comes between the look and
 * the write is kept out by time (docs/adr). It must send the write at most once.
 */
import type { InodeKey, S3ChunkInfo } from '../../model.ts';
import { COMMIT_VERSIONS_MAX, type CommitOutcome, type CommitRequest } from '../port.ts';
import { toRemoveList, type WholeInode } from './convert.ts';
import { refused, unavailable } from './faults.ts';
import type { Metaservers } from './metaservers.ts';
import { getOrModifyS3ChunkInfo } from './proto/metaserver.ts';

export interface CommitDeps {
  readonly metaservers: Metaservers;
  /** From the leader. */
  readonly read: (key: InodeKey) => Promise<WholeInode | null>;
}

/** Statuses with which a metaserver says that it has written nothing, and would not the next time either. */
const REFUSALS: ReadonlySet<string | number> = new Set(['PARAM_ERROR', 'PARTITION_ID_MISSMATCH', 'PARTITION_DELETING']);

export async function commitChunkList(request: CommitRequest, deps: CommitDeps): Promise<CommitOutcome> {
  checkRequest(request);
  const { key, chunkIndex, replaced, replacement } = request;
  const stopped = whyNot(request, await deps.read(key));
  if (stopped !== null) return stopped;
  const written = await deps.metaservers.write(key, {
    method: getOrModifyS3ChunkInfo,
    request: ({ poolId, copysetId, partitionId }) => ({
      ...{ poolId, copysetId, partitionId, ...key },
      s3ChunkInfoAdd: replacement.length === 0 ? new Map() : new Map([[BigInt(chunkIndex), { s3Chunks: replacement }]]),
      s3ChunkInfoRemove: new Map([[BigInt(chunkIndex), toRemoveList(replaced)]]),
      returnS3ChunkInfoMap: false,
      fromS3Compaction: true,
    }),
  });
  if (written === null) return { outcome: 'stale', reason: 'missing' };
  if (written.kind === 'unknown') return { outcome: 'unknown', cause: written.cause };
  const { statusCode } = written.response;
  if (statusCode === 'OK') return { outcome: 'committed' };
  const what = `the metaserver answered the commit of chunk ${chunkIndex} of inode ${key.fsId}/${key.inodeId} with ${statusCode}`;
  if (REFUSALS.has(statusCode)) throw refused(`${what}; nothing was changed`);
  // STORAGE_INTERNAL_ERROR among them: mostly a range that does not fit any more, but a disk may have failed as well.
  return { outcome: 'unknown', cause: unavailable(what) };
}

/** I5, as far as a look can tell. */
function whyNot(request: CommitRequest, whole: WholeInode | null): CommitOutcome | null {
  if (whole === null) return { outcome: 'stale', reason: 'missing' };
  const { inode, lists } = whole;
  if (inode.type !== 's3') return { outcome: 'stale', reason: 'not-s3' };
  if (inode.nlink <= 0) return { outcome: 'stale', reason: 'unlinked' };
  const versions = lists.get(request.chunkIndex) ?? [];
  const { replaced, requiredLength } = request;
  if (versions.length < replaced.length) return { outcome: 'conflict' };
  if (!replaced.every((version, n) => isSame(version, versions[n]))) return { outcome: 'conflict' };
  if (requiredLength !== undefined && inode.length !== requiredLength) return { outcome: 'stale', reason: 'length' };
  // A version that is to stay and has an id within the range would be removed with it.
  const { highest } = idsOf(replaced);
  const inRange = versions.slice(replaced.length).some((version) => version.chunkId <= highest);
  return inRange ? { outcome: 'conflict' } : null;
}

function isSame(a: S3ChunkInfo, b: S3ChunkInfo | undefined): boolean {
  return (
    b !== undefined &&
    a.chunkId === b.chunkId &&
    a.compaction === b.compaction &&
    a.offset === b.offset &&
    a.len === b.len &&
    a.size === b.size &&
    a.zero === b.zero
  );
}

function idsOf(versions: readonly S3ChunkInfo[]): { readonly lowest: bigint; readonly highest: bigint } {
  let lowest = versions[0]?.chunkId ?? 0n;
  let highest = lowest;
  for (const { chunkId } of versions) {
    if (chunkId < lowest) lowest = chunkId;
    if (chunkId > highest) highest = chunkId;
  }
  return { lowest, highest };
}

/** The record's place is by its first and its last id: outside the removed range it would pass other records. */
function checkRequest({ key, replaced, replacement }: CommitRequest): void {
  const fits = replaced.length >= 1 && Math.max(replaced.length, replacement.length) <= COMMIT_VERSIONS_MAX;
  if (!fits) {
    const what = `not ${replaced.length} by ${replacement.length}; nothing was sent`;
    throw refused(`a commit replaces 1 to ${COMMIT_VERSIONS_MAX} versions by at most as many, ${what}`).withInode(key);
  }
  const { lowest, highest } = idsOf(replaced);
  const ends = [replacement[0], replacement.at(-1)].filter((version) => version !== undefined);
  if (ends.every(({ chunkId }) => lowest <= chunkId && chunkId <= highest)) return;
  throw refused('a commit would put its record out of place; nothing was sent').withInode(key);
}
