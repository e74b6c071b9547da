/**
 * One chunk of a volume of slices: ids → reap record → fence → PUTs → a last look at them → commit → stamp. The record
 * exists before the first object does, and the fence tells what became of the attempt: so a process can die anywhere. Each
 * chunk is an attempt of its own. It deletes nothing; what to do with the chunk is decided before.
 */
import pLimit from 'p-limit';
import { CompactError, throwIfCancelled, toError } from '../errors.ts';
import { listAfter, type SlicePlan, type SliceRecord, sliceTasks } from '../layout/slices/index.ts';
import type { ReapRecord } from '../ledger.ts';
import type { CommitOutcome } from '../metadata/port.ts';
import type { OwnIds, SliceCommits, SliceFence } from '../metadata/slice-commits.ts';
import type { VolumeSetting } from '../metadata/slice-volume.ts';
import { type InodeKey, MERGED_VERSION_BITS, type MergeTask } from '../model.ts';
import type { BlockCodec, ObjectStore } from '../objects/port.ts';
import { later, type MonotonicMs } from '../time.ts';
import { type AddedRecord, Attempt, RETRY_FIRST_MS, waitToRetry } from './attempt.ts';
import type { ChunkEnding } from './compact-chunk.ts';
import { writeMergedObjects } from './merge.ts';
import type { ChunkLimits, CompactDeps, CompactOptions } from './types.ts';

/** `juicefs gc --delete` takes objects that no list names when they are older than an hour: an attempt must end long before. */
export const SLICE_LEASE_MAX_MS = 20 * 60_000;
/** Longest wait for ids that are old enough (I8); a new batch takes a minute. */
const IDS_WAIT_MAX_MS = 5 * 60_000;
const ATTEMPT_LOW_BITS = (1n << BigInt(MERGED_VERSION_BITS)) - 1n;

/** What a run and its attempts need alike. */
export interface SliceWorkDeps extends Pick<CompactDeps, 'ledger' | 'clock' | 'memory' | 'attemptIds'> {
  readonly commits: SliceCommits;
}

export interface SliceAttemptDeps extends SliceWorkDeps, ChunkLimits, Pick<CompactOptions, 'observer' | 'signal'> {
  readonly objects: ObjectStore;
  /** Where its objects are compressed or encrypted. */
  readonly codec: BlockCodec | undefined;
  readonly setting: VolumeSetting;
  readonly readGapBytes: number;
  /** Throws where the setting does not allow it any more: clients follow a change within seconds. */
  readonly requireAllowed: () => Promise<unknown>;
  readonly onBlock?: (task: MergeTask<string>) => void;
}

export interface SliceChunk {
  readonly key: InodeKey;
  readonly chunkIndex: number;
  /** The head of the list as it was read, which the plan replaces. */
  readonly replaced: readonly SliceRecord[];
  readonly plan: SlicePlan;
}

/** Carries a plan out. Throws CompactError when it could not; what was written is then covered by its record. */
export async function compactSliceChunk(chunk: SliceChunk, deps: SliceAttemptDeps): Promise<ChunkEnding> {
  const { key, chunkIndex, plan } = chunk;
  const { commits, ledger, setting, clock } = deps;
  const leaseMs = Math.min(deps.leaseMs, SLICE_LEASE_MAX_MS);
  const incarnation = await commits.incarnation();
  const { ids, nowMs, startedAtMs } = await takeIds(chunk, deps);
  const firstId = ids.first + 1n;
  const { readGapBytes } = deps;
  const tasks = sliceTasks(plan.merged, { geometry: setting, firstId, readGapBytes });
  const ledgerNowMs = await ledger.nowMs();
  // The low bits, which are 0, tell two attempts apart that drew one number: no two have the same ids.
  const id = deps.attemptIds.next(ledgerNowMs) | (ids.first & ATTEMPT_LOW_BITS);
  const dueMs = later(ledgerNowMs, leaseMs);
  const attempt = new Attempt({ id, key, clock, startedAtMs, leaseMs, dueMs, incarnation });
  const fence = { attempt: id, inodeId: key.inodeId, chunkIndex, deadlineMs: nowMs + leaseMs };
  const record: ReapRecord = {
    storeId: commits.storeId,
    fsUuid: setting.uuid,
    bucket: setting.store?.bucket ?? '',
    key,
    chunkIndex,
    attempt: id,
    incarnation,
    dueMs,
    graceMs: deps.graceMs,
    retired: [],
    merged: tasks.map(({ name }) => name),
  };
  deps.observer?.phase('record', chunkIndex);
  const recordId = await ledger.add(record);
  // Whether it is known that no list names, nor ever will, what it wrote.
  let inVain = false;
  let committed = false;
  const taken = new Set<string>();
  try {
    await begin(fence, incarnation, deps);
    inVain = true;
    await writeAll(tasks, { attempt, chunkIndex, taken }, deps);
    deps.observer?.phase('commit', chunkIndex);
    await checkAll(attempt, deps);
    inVain = false;
    const outcome = await commitOnce(chunk, { attempt, fence, ids }, deps);
    committed = outcome.outcome === 'committed';
    inVain = !committed && outcome.outcome !== 'unknown';
    const fenceCleared = outcome.outcome === 'stale' || outcome.outcome === 'unknown';
    const warning = committed ? await stamp({ id: recordId, record }, deps) : undefined;
    return { ...outcome, fenceCleared, warning };
  } finally {
    const added = { id: recordId, record };
    if (!committed) await (taken.size > 0 ? leave(added, attempt, deps) : abandon(added, inVain, deps));
  }
}

interface Taken {
  readonly ids: OwnIds;
  /** By the metadata server's clock, later than `startedAtMs`. */
  readonly nowMs: number;
  readonly startedAtMs: MonotonicMs;
}

/** One id to name the delayed delete by, and one for each new slice. */
async function takeIds(
  { plan, replaced }: SliceChunk,
  { commits, clock, signal, observer }: SliceAttemptDeps,
): Promise<Taken> {
  const count = 1 + plan.merged.length;
  let highest = 0n;
  for (const { id } of replaced) if (id > highest) highest = id;
  const endMs = later(clock.monotonicMs(), IDS_WAIT_MAX_MS);
  for (;;) {
    const startedAtMs = clock.monotonicMs();
    const taken = await commits.takeIds(count, highest);
    if (taken.first !== null) return { ids: { first: taken.first, count }, nowMs: taken.nowMs, startedAtMs };
    if (later(startedAtMs, taken.waitMs) > endMs) {
      throw new CompactError('slice ids are not old enough to be used yet; nothing was written', {
        kind: 'retry',
        code: 'metadata-unavailable',
        retryAfterMs: taken.waitMs,
      });
    }
    observer?.idsWait(taken.waitMs);
    await clock.sleep(taken.waitMs, signal).catch(() => undefined);
    observer?.idsWait(null);
    throwIfCancelled(signal, 'the attempt was cancelled before its ids were old enough; nothing was written');
  }
}

/** A server that took the place of the one that gave the ids may give them out again; one that has this fence knows of them. */
async function begin(fence: SliceFence, incarnation: string, { commits }: SliceAttemptDeps): Promise<void> {
  const begun = await commits.begin(fence);
  const isSame = (await commits.incarnation()) === incarnation;
  if (begun === 'begun' && isSame) return;
  let why = 'another attempt has the same number';
  if (begun === 'late') why = 'its lease was over before it began';
  if (!isSame) why = 'the metadata server became another one meanwhile';
  throw new CompactError(`the attempt was given up: ${why}; nothing was written`, {
    kind: 'retry',
    code: 'lease-expired',
  });
}

/** I4: every new object is acknowledged, and still there, when this returns. */
async function writeAll(
  tasks: readonly MergeTask<string>[],
  at: { readonly attempt: Attempt; readonly chunkIndex: number; readonly taken: Set<string> },
  deps: SliceAttemptDeps,
): Promise<void> {
  const { objects, observer, signal, getsInFlight } = deps;
  observer?.phase('merge', at.chunkIndex);
  const stored = await writeMergedObjects(tasks, {
    ...deps,
    nameOf: (name) => name,
    taken: at.taken,
    beforePut: () => at.attempt.checkLease(0),
  });
  // Somebody's gc may take what no list names yet.
  const limit = pLimit(getsInFlight);
  await limit.map(tasks, async ({ name }) => {
    const head = await objects.head(name, signal);
    if (head !== null && head.bytes === stored.get(name)) return;
    throw new CompactError(`the object ${name} was written and is gone, or of another size: does a gc delete it?`, {
      kind: 'retry',
      code: 'store-unavailable',
    });
  });
}

/** The last look at everything before the commit. */
async function checkAll(attempt: Attempt, deps: SliceAttemptDeps): Promise<void> {
  await deps.requireAllowed();
  attempt.checkLease(deps.commitTimeoutMs);
  attempt.checkDue(await deps.ledger.nowMs(), deps.commitTimeoutMs);
}

async function commitOnce(
  { replaced, plan }: SliceChunk,
  { attempt, fence, ids }: { readonly attempt: Attempt; readonly fence: SliceFence; readonly ids: OwnIds },
  deps: SliceAttemptDeps,
): Promise<CommitOutcome> {
  const outcome = await deps.commits.commit({
    fence,
    ids,
    replaced,
    replacement: listAfter(plan, (_, n) => ids.first + 1n + BigInt(n)),
    // Besides the days of a trash, which may be switched off at any time.
    delayMs: deps.graceMs,
  });
  return outcome.outcome === 'unknown' ? resolve(outcome, attempt, deps) : outcome;
}

/** What became of a commit without an answer: its fence tells, and can then be used no more. Bounded by the lease (I8). */
async function resolve(
  { cause }: Extract<CommitOutcome, { outcome: 'unknown' }>,
  attempt: Attempt,
  deps: SliceAttemptDeps,
): Promise<CommitOutcome> {
  let why = cause;
  for (let delayMs = RETRY_FIRST_MS; attempt.leaseLeftMs() > delayMs; ) {
    try {
      const { state } = await deps.commits.clear(attempt.id);
      if (state === 'committed') return { outcome: 'committed' };
      return state === 'cleared' ? { outcome: 'stale', reason: 'fence' } : { outcome: 'unknown', cause };
    } catch (error) {
      why = toError(error);
    }
    if (deps.signal?.aborted === true) break;
    delayMs = await waitToRetry(delayMs, deps);
  }
  return { outcome: 'unknown', cause: why };
}

/** Due at once where clients delete what was let go; else when that may be deleted. */
async function stamp({ id, record }: AddedRecord, deps: SliceAttemptDeps): Promise<string | undefined> {
  const { ledger, setting, graceMs } = deps;
  try {
    const stampMs = await ledger.nowMs();
    const dueMs = setting.trashDays > 0 ? stampMs : later(stampMs, graceMs);
    await ledger.stamp(id, { ...record, stampMs, dueMs });
    return undefined;
  } catch (error) {
    return `the commit is done but its reap record could not be stamped (${toError(error).message}); it is looked at when the lease ends`;
  }
}

/**
 * The fence goes first, so that nothing of it can be committed any more; whoever looks at the record then deletes what was written.
 * Where a reaper was there while this process stood still, the fence is forgotten: it is written anew, since nothing is deleted
 * without one.
 */
async function abandon({ id, record }: AddedRecord, inVain: boolean, deps: SliceAttemptDeps): Promise<void> {
  const { commits, ledger } = deps;
  // What cannot be done now is done when the record is due.
  await commits.clear(record.attempt, inVain).catch(() => undefined);
  await ledger.expedite(id, record).catch(() => undefined);
}

/**
 * Where a name was taken, nobody knows whose the others are: nothing is deleted, and what was written is left to `juicefs gc
 * --delete`. A record without names says so, and so does a fence that is gone; one of the two must be known to be there
 * before the record is due (I8).
 */
async function leave({ id, record }: AddedRecord, attempt: Attempt, deps: SliceAttemptDeps): Promise<void> {
  const { commits, ledger, signal } = deps;
  for (let delayMs = RETRY_FIRST_MS; ; delayMs = await waitToRetry(delayMs, deps)) {
    const isForgotten = await isDone(commits.forget(record.attempt));
    const isEmpty = await isDone(ledger.expedite(id, { ...record, merged: [] }));
    if (isForgotten || isEmpty || signal?.aborted === true || attempt.leaseLeftMs() <= delayMs) return;
  }
}

function isDone(call: Promise<void>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}
