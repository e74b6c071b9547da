/**
 * commit: swap the exact prefix that was read for the replacement, and find out what happened when the answer is lost
 * (DESIGN §4.5). An unknown commit is resolved by clearing the own fence first, since the request may still be on its
 * way, and only then reading the list back (I6). It must never delete or write an object.
 */
import type { Attempt } from './attempt.ts';
import type { Clock } from './clock.ts';
import { toError } from './errors.ts';
import type { CommitOutcome, CommitRequest, MetadataStore } from './metadata/port.ts';
import type { S3ChunkInfo } from './model.ts';

export interface CommitDeps {
  readonly metadata: MetadataStore;
  readonly clock: Clock;
  /** How long one commit call may take: the lease must outlast it. */
  readonly commitTimeoutMs: number;
  /** Ends the waiting for an answer: the reap record takes over. */
  readonly signal?: AbortSignal;
}

/** Back-off between tries to learn the fate of a commit. */
const RESOLVE_DELAY_FIRST_MS = 100;
const RESOLVE_DELAY_MAX_MS = 5_000;

/**
 * Commits one chunk. `unknown` comes back only when the metadata service could not be asked until the lease ended, or
 * when somebody else has replaced the list since: the reap record then finds out. `fenceCleared` tells that the attempt
 * can commit no more.
 */
export async function commitChunk(
  request: CommitRequest,
  attempt: Attempt,
  deps: CommitDeps,
): Promise<{ readonly outcome: CommitOutcome; readonly fenceCleared: boolean }> {
  attempt.checkLease(deps.commitTimeoutMs);
  const outcome = await deps.metadata.commit(request);
  if (outcome.outcome !== 'unknown') return { outcome, fenceCleared: false };
  return resolveUnknown(request, attempt, { ...deps, cause: outcome.cause });
}

async function resolveUnknown(
  request: CommitRequest,
  attempt: Attempt,
  deps: CommitDeps & { readonly cause: Error },
): Promise<{ readonly outcome: CommitOutcome; readonly fenceCleared: boolean }> {
  let delayMs = RESOLVE_DELAY_FIRST_MS;
  let fenceCleared = false;
  let fenceStood = false;
  let cause = deps.cause;
  // Bounded by the lease (I8): afterwards the reap record takes over.
  while (attempt.leaseLeftMs() > delayMs) {
    try {
      fenceStood = (await deps.metadata.clearFence(request.key, request.attempt)) || fenceStood;
      fenceCleared = true;
      return { outcome: await readBack(request, { ...deps, fenceStood }), fenceCleared };
    } catch (error) {
      cause = toError(error);
    }
    if (deps.signal?.aborted === true) break;
    await deps.clock.sleep(delayMs, deps.signal).catch(() => undefined);
    delayMs = Math.min(RESOLVE_DELAY_MAX_MS, delayMs * 2);
  }
  return { outcome: { outcome: 'unknown', cause }, fenceCleared };
}

/** With the fence gone nothing of this attempt can be applied any more: the list tells. */
async function readBack(
  request: CommitRequest,
  deps: CommitDeps & { readonly cause: Error; readonly fenceStood: boolean },
): Promise<CommitOutcome> {
  const versionsMax = Math.max(request.replaced.length, request.replacement.length);
  const snapshot = await deps.metadata.readChunk(request.key, request.chunkIndex, versionsMax);
  if (snapshot.inode === null) return { outcome: 'stale', reason: 'missing' };
  const { versions } = snapshot;
  // An own merged version in the list can only have come with the commit (I3).
  const first = request.replacement[0];
  const own = first?.compaction === request.attempt ? first : undefined;
  if (own !== undefined && versions.some((version) => sameVersion(own, version))) return { outcome: 'committed' };
  if (startsWith(versions, request.replaced)) return { outcome: 'conflict' };
  // Without an own version in the list only the fence tells: while it stood, nobody else can have replaced the head.
  if (own === undefined && deps.fenceStood && startsWith(versions, request.replacement))
    return { outcome: 'committed' };
  return { outcome: 'unknown', cause: deps.cause };
}

function startsWith(versions: readonly S3ChunkInfo[], prefix: readonly S3ChunkInfo[]): boolean {
  return prefix.length <= versions.length && prefix.every((version, n) => sameVersion(version, versions[n]));
}

function sameVersion(a: S3ChunkInfo, b: S3ChunkInfo | undefined): boolean {
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
