/**
 * What is asked once more right before anything is deleted, by `reap` and by garbage collection alike: each guard stands
 * for one reason why a delete must wait (another owner of the bucket, a metadata server that may have been replaced, a
 * hold). No delete outlives what allowed it. It chooses nothing to delete and changes no list.
 */
import { CompactError, cancelled, throwIfCancelled } from '../errors.ts';
import type { ServerLook } from '../metadata/port.ts';
import type { Filesystem, InodeKey } from '../model.ts';
import { DELETE_BATCH_MAX, type DeleteFailure, type ObjectStore } from '../objects/port.ts';

/** What is about to be deleted: objects of these inodes of this file system. */
export interface DeleteAbout {
  readonly filesystem: Filesystem;
  readonly keys: readonly InodeKey[];
  /** The servers at which each of these inodes was looked at last. */
  readonly looks: readonly ServerLook[];
  /** Nothing: what is asked is whether there was nothing to delete. */
  readonly names: readonly string[];
}

/** A delete is allowed, but not for long. */
export interface DeletePermit {
  /** Aborts when the time is over; the delete is then given up. */
  readonly signal: AbortSignal;
  /** Throws `cancelled` (retry) when the time is over: timers may be late, this reads the clock. */
  check(): void;
  /** The delete has ended, whichever way. */
  end(): void;
}

/**
 * Resolves when nothing stands in the way, with a permit where the delete must end soon; throws CompactError (retry) when
 * the delete must wait, which is doubt (I10).
 */
export type DeleteGuard = (about: DeleteAbout) => Promise<DeletePermit | undefined> | Promise<void>;

/** Asks all guards, one after the other; the first that throws ends it. */
async function passGuards(
  guards: readonly DeleteGuard[] | undefined,
  about: DeleteAbout,
): Promise<readonly DeletePermit[]> {
  const permits: DeletePermit[] = [];
  try {
    for (const guard of guards ?? []) {
      const permit = await guard(about);
      if (permit) permits.push(permit);
    }
    return permits;
  } catch (error) {
    for (const permit of permits) permit.end();
    throw error;
  }
}

/** Resolves when all guards confirm that there is nothing to delete. */
export async function confirmNothing(
  guards: readonly DeleteGuard[] | undefined,
  about: Omit<DeleteAbout, 'names'>,
): Promise<void> {
  for (const permit of await passGuards(guards, { ...about, names: [] })) permit.end();
}

/** How one batch is deleted. */
interface Batch {
  readonly guards?: readonly DeleteGuard[];
  readonly store: ObjectStore;
}

/**
 * Deletes the names in batches, each when all guards allow it and within the time of their permits. A batch that the store
 * does not finish in time is tried again in halves: a store that deletes one by one may be slow. Returns what it refused.
 */
export async function guardedDelete(about: DeleteAbout, batch: Batch): Promise<readonly DeleteFailure[]> {
  const failures: DeleteFailure[] = [];
  let batchMax = DELETE_BATCH_MAX;
  for (let from = 0; from < about.names.length; ) {
    const names = about.names.slice(from, from + batchMax);
    const refused = await deleteOnce({ ...about, names }, batch);
    if (refused !== 'out-of-time') {
      failures.push(...refused);
      from += names.length;
    } else if (names.length > 1) batchMax = Math.ceil(names.length / 2);
    else throw outOfTime();
  }
  return failures;
}

async function deleteOnce(
  about: DeleteAbout,
  { guards, store }: Batch,
): Promise<readonly DeleteFailure[] | 'out-of-time'> {
  const permits = await passGuards(guards, about);
  if (permits.length === 0) return store.delete(about.names);
  const check = (): void => {
    for (const permit of permits) permit.check();
  };
  const signal = AbortSignal.any(permits.map((permit) => permit.signal));
  try {
    check();
    return await store.delete(about.names, signal, check);
  } catch (error) {
    const isOver = permits.some((permit) => permit.signal.aborted);
    if (error instanceof CompactError && error.code === 'cancelled' && isOver) return 'out-of-time';
    throw error;
  } finally {
    for (const permit of permits) permit.end();
  }
}

/** No delete begins after the signal, and one that is under way ends with it. */
export function stopGuard(signal: AbortSignal): DeleteGuard {
  const check = () => throwIfCancelled(signal, 'the deletes were asked to stop; the rest waits for another look');
  return async () => {
    check();
    return { signal, check, end: () => undefined };
  };
}

/** Thrown by permits. */
export function outOfTime(): CompactError {
  return cancelled('the time in which the delete was allowed is over; the rest waits for another look');
}
