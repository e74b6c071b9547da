/**
 * commit: swap the exact prefix that was read for the replacement, and find out what happened when the answer is lost.
 * By the fence: it is cleared first, since the request may still be on its way, and only then the list is read back (I6).
 * By time: only the commit's own versions in the list tell anything. Which of the two is the protocol's (protocol.ts).
 * It must never delete or write an object.
 */
import type { Clock } from '../clock.ts';
import { toError } from '../errors.ts';
import { sameVersion } from '../format.ts';
import { type CommitOutcome, type CommitRequest, type MetadataStore, ownVersion } from '../metadata/port.ts';
import type { S3ChunkInfo } from '../model.ts';
import { later } from '../time.ts';
import { type Attempt, RETRY_FIRST_MS, waitToRetry } from './attempt.ts';

export interface CommitDeps {
  readonly metadata: MetadataStore;
  readonly clock: Clock;
  /** How long one commit call may take: the lease must outlast it. */
  readonly commitTimeoutMs: number;
  /** Ends the waiting for an answer: the reap record takes over. */
  readonly signal?: AbortSignal;
}

/** What became of a commit without an answer. `fenceCleared` tells that the attempt can commit no more. */
export type ResolveUnknown = (
  request: CommitRequest,
  attempt: Attempt,
  deps: CommitDeps & { readonly cause: Error },
) => Promise<{ readonly outcome: CommitOutcome; readonly fenceCleared: boolean }>;

/**
 * Commits one chunk. `unknown` comes back only when the metadata service could not be asked until the lease ended, or
 * when somebody else has replaced the list since: the reap record then finds out. `fenceCleared` tells that the attempt
 * can commit no more.
 */
export async function commitChunk(
  request: CommitRequest,
  attempt: Attempt,
  deps: CommitDeps & { readonly resolve: ResolveUnknown },
): ReturnType<ResolveUnknown> {
  attempt.checkLease(deps.commitTimeoutMs);
  const outcome = await deps.metadata.commit(request);
  if (outcome.outcome !== 'unknown') return { outcome, fenceCleared: false };
  return deps.resolve(request, attempt, { ...deps, cause: outcome.cause });
}

/**
 * Looks for the commit's own versions until the deadline is over once more. What is not there by then may still come: the
 * attempt ends, and its records find out what was referenced in the end.
 */
export const resolveByTime: ResolveUnknown = async (request, attempt, deps) => {
  const endMs = later(deps.clock.monotonicMs(), Math.min(deps.commitTimeoutMs, attempt.leaseLeftMs()));
  let delayMs = RETRY_FIRST_MS;
  let cause = deps.cause;
  for (;;) {
    try {
      const versions = await readHead(request, deps);
      if (versions === null) return { outcome: { outcome: 'stale', reason: 'missing' }, fenceCleared: true };
      if (isReplaced(request, versions)) return { outcome: { outcome: 'committed' }, fenceCleared: false };
    } catch (error) {
      cause = toError(error);
    }
    if (deps.signal?.aborted === true || later(deps.clock.monotonicMs(), delayMs) > endMs) break;
    delayMs = await waitToRetry(delayMs, deps);
  }
  return { outcome: { outcome: 'unknown', cause }, fenceCleared: true };
};

/** A merged version of its own can only have come with the commit (I3). Without one, another may have done the same. */
function isReplaced(request: CommitRequest, versions: readonly S3ChunkInfo[]): boolean {
  const own = ownVersion(request);
  return own !== undefined && versions.some((version) => sameVersion(own, version));
}

/** Clears the fence and reads the list back, until the lease ends: from then on the reap record finds out. */
export const resolveByFence: ResolveUnknown = async (request, attempt, deps) => {
  let delayMs = RETRY_FIRST_MS;
  let fenceCleared = false;
  let cause = deps.cause;
  // Bounded by the lease (I8): afterwards the reap record takes over.
  while (attempt.leaseLeftMs() > delayMs) {
    try {
      const before = await readHead(request, deps);
      const fenceStood = await deps.metadata.clearFence(request.key, request.attempt);
      fenceCleared = true;
      const after = await readHead(request, deps);
      return { outcome: fateOf(request, { before, after, fenceStood, cause }), fenceCleared };
    } catch (error) {
      cause = toError(error);
    }
    if (deps.signal?.aborted === true) break;
    delayMs = await waitToRetry(delayMs, deps);
  }
  return { outcome: { outcome: 'unknown', cause }, fenceCleared };
};

/** The head of the list, as far as it can tell; `null` when the inode is gone. */
async function readHead(request: CommitRequest, { metadata }: CommitDeps): Promise<readonly S3ChunkInfo[] | null> {
  const versionsMax = Math.max(request.replaced.length, request.replacement.length);
  const { inode, versions } = await metadata.readChunk(request.key, request.chunkIndex, versionsMax);
  return inode === null ? null : versions;
}

interface Seen {
  /** The list while the fence may have stood. */
  readonly before: readonly S3ChunkInfo[] | null;
  /** The list since it is gone: nothing of this attempt can be applied any more. */
  readonly after: readonly S3ChunkInfo[] | null;
  readonly fenceStood: boolean;
  readonly cause: Error;
}

function fateOf(request: CommitRequest, { before, after, fenceStood, cause }: Seen): CommitOutcome {
  if (after === null || before === null) return { outcome: 'stale', reason: 'missing' };
  if (isReplaced(request, after)) return { outcome: 'committed' };
  if (startsWith(after, request.replaced)) return { outcome: 'conflict' };
  // Without an own version only the fence tells: if it stood after the look at the list, nobody else had replaced that.
  const onlyFence = ownVersion(request) === undefined;
  const replacedBefore = !startsWith(before, request.replaced);
  return onlyFence && fenceStood && replacedBefore ? { outcome: 'committed' } : { outcome: 'unknown', cause };
}

function startsWith(versions: readonly S3ChunkInfo[], prefix: readonly S3ChunkInfo[]): boolean {
  return prefix.length <= versions.length && prefix.every((version, n) => sameVersion(version, versions[n]));
}
