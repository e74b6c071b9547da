/**
 * One chunk's commit. A metaserver removes records by the lowest and the highest chunkId of the remove list, whatever
 * they hold, and adds the new list as one record. So the list is read and compared right before, and what comes between the
 * look and the write is kept out by time (docs/adr/0005), or by ids (docs/adr/0010). It must never send a write again whose
 * fate is not known.
 */
import { CompactError } from '../../errors.ts';
import { printInodeKey, sameVersion } from '../../format.ts';
import type { Inode, InodeKey, S3ChunkInfo } from '../../model.ts';
import { type CommitOutcome, type CommitRequest, checkCommitBounds, ownVersion } from '../port.ts';
import { toRemoveList, type WholeInode } from './convert.ts';
import { refused, unavailable } from './faults.ts';
import type { Metaservers } from './metaservers.ts';
import { getOrModifyS3ChunkInfo, type S3ChunkInfoList } from './proto/metaserver.ts';

export interface CommitDeps {
  readonly metaservers: Pick<Metaservers, 'write'>;
  /** How old the look at the list may be when the write is sent. */
  readonly timeoutMs: number;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** From the leader. */
  readonly read: (key: InodeKey) => Promise<WholeInode | null>;
  /** Without the lists. */
  readonly attributes: (key: InodeKey) => Promise<Inode | null>;
}

/** A range that does not fit the records, a counter that is too low, or a disk. */
const INTERNAL_ERROR = 'STORAGE_INTERNAL_ERROR';
/** Statuses with which a metaserver says that it has written nothing, and would not the next time either. */
const REFUSALS: ReadonlySet<string | number> = new Set(['PARAM_ERROR', 'PARTITION_ID_MISSMATCH', 'PARTITION_DELETING']);

export async function commitChunkList(request: CommitRequest, deps: CommitDeps): Promise<CommitOutcome> {
  checkCommitBounds(request);
  checkPlace(request);
  const first = await attemptCommit(request, toRemoveList(request.replaced), { ...deps, again: false });
  if (first !== 'refused') return first;
  // The server has looked at ids and a counter, and written nothing, as a rule. The counter is too low for ever after two
  // commits at once; with the ends of the list alone it suffices, and only drifts upwards, which costs nobody anything.
  const second = await attemptCommit(request, toRemoveEnds(request.replaced), { ...deps, again: true });
  return second === 'refused' ? unknownAfterRefusal(request) : second;
}

function unknownAfterRefusal({ key, chunkIndex }: CommitRequest): CommitOutcome {
  const what = `the metaserver refuses the commit of chunk ${chunkIndex} of inode ${printInodeKey(key)} (${INTERNAL_ERROR})`;
  return { outcome: 'unknown', cause: unavailable(what) };
}

/** A disk that fails may fail after the write: the list then has what the refused commit put there. */
function appliedAfterAll(request: CommitRequest, versions: readonly S3ChunkInfo[]): CommitOutcome | null {
  const own = ownVersion(request);
  if (own !== undefined) return versions.some((one) => sameVersion(own, one)) ? { outcome: 'committed' } : null;
  // Without a version of its own another attempt may have made the same list.
  const { replaced, replacement } = request;
  const startsWith = (list: readonly S3ChunkInfo[]) => list.every((one, n) => sameVersion(one, versions[n]));
  return startsWith(replacement) && !startsWith(replaced) ? unknownAfterRefusal(request) : null;
}

/** `refused`: answered with an internal error, which may be one of its disk. */
async function attemptCommit(
  request: CommitRequest,
  remove: S3ChunkInfoList,
  deps: CommitDeps & { readonly again: boolean },
): Promise<CommitOutcome | 'refused'> {
  const { key, chunkIndex, replacement } = request;
  const lookedMs = deps.nowMs();
  const whole = await deps.read(key);
  const applied = deps.again ? appliedAfterAll(request, whole?.lists.get(chunkIndex) ?? []) : null;
  if (applied !== null) return applied;
  const stopped = whyNot(request, whole);
  if (stopped !== null) return stopped;
  await request.beforeSend?.();
  const written = await deps.metaservers.write(key, {
    method: getOrModifyS3ChunkInfo,
    request: ({ poolId, copysetId, partitionId }) => {
      // Right before it is sent: a process may have stood still since its look.
      if (deps.nowMs() - lookedMs > deps.timeoutMs) {
        const what = 'more than a time-out passed between the look at the list and its commit; nothing was sent';
        throw unavailable(what).withInode(key);
      }
      return {
        poolId,
        copysetId,
        partitionId,
        ...key,
        s3ChunkInfoAdd:
          replacement.length === 0 ? new Map() : new Map([[BigInt(chunkIndex), { s3Chunks: replacement }]]),
        s3ChunkInfoRemove: new Map([[BigInt(chunkIndex), remove]]),
        returnS3ChunkInfoMap: false,
        fromS3Compaction: true,
      };
    },
  });
  if (written === null) return { outcome: 'stale', reason: 'missing' };
  if (written.kind === 'unknown') return { outcome: 'unknown', cause: written.cause };
  const { statusCode } = written.response;
  if (statusCode === 'OK')
    return (await isGone(key, deps)) ? { outcome: 'stale', reason: 'missing' } : { outcome: 'committed' };
  if (statusCode === INTERNAL_ERROR) return 'refused';
  const what = `the metaserver answered the commit of chunk ${chunkIndex} of inode ${printInodeKey(key)} with ${statusCode}`;
  if (REFUSALS.has(statusCode)) throw refused(`${what}; nothing was changed`);
  return { outcome: 'unknown', cause: unavailable(what) };
}

/** No metaserver asks whether the inode is there: the trash may have deleted it since the look, and its objects. */
async function isGone(key: InodeKey, deps: CommitDeps): Promise<boolean> {
  try {
    return (await deps.attributes(key)) === null;
  } catch (error) {
    // What was applied stays so; its records find out what became of the inode.
    if (error instanceof CompactError) return false;
    throw error;
  }
}

/** Also a list that is shorter than two has its two ends. */
function toRemoveEnds(versions: readonly S3ChunkInfo[]): S3ChunkInfoList {
  const { s3Chunks } = toRemoveList(versions);
  return { s3Chunks: [s3Chunks[0], s3Chunks.at(-1)].filter((version) => version !== undefined) };
}

/** I5, as far as a look can tell. */
function whyNot(request: CommitRequest, whole: WholeInode | null): CommitOutcome | null {
  if (whole === null) return { outcome: 'stale', reason: 'missing' };
  const { inode, lists } = whole;
  if (inode.type !== 's3') return { outcome: 'stale', reason: 'not-s3' };
  if (inode.nlink <= 0) return { outcome: 'stale', reason: 'unlinked' };
  const versions = lists.get(request.chunkIndex) ?? [];
  const { replaced, requiredLength, requiredAbove: above } = request;
  if (versions.length < replaced.length) return { outcome: 'conflict' };
  if (!replaced.every((version, n) => sameVersion(version, versions[n]))) return { outcome: 'conflict' };
  if (above !== undefined && !sameVersion(above.version, versions[above.position])) return { outcome: 'conflict' };
  if (requiredLength !== undefined && inode.length !== requiredLength) return { outcome: 'stale', reason: 'length' };
  // A version that is to stay and has an id within the range would be removed with it.
  const highest = highestId(replaced);
  const inRange = versions.slice(replaced.length).some((version) => version.chunkId <= highest);
  return inRange ? { outcome: 'conflict' } : null;
}

function highestId(versions: readonly S3ChunkInfo[]): bigint {
  let highest = 0n;
  for (const { chunkId } of versions) if (chunkId > highest) highest = chunkId;
  return highest;
}

/**
 * The record's place is by its first and its last id: above the removed range it would pass other records. Below it there
 * are none: only the head of a list can be removed.
 */
function checkPlace({ key, replaced, replacement }: CommitRequest): void {
  const highest = highestId(replaced);
  const ends = [replacement[0], replacement.at(-1)].filter((version) => version !== undefined);
  if (ends.every(({ chunkId }) => chunkId <= highest)) return;
  throw refused('a commit would put its record out of place; nothing was sent').withInode(key);
}
