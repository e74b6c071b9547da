/**
 * What is asked once more right before anything is deleted, by `reap` and by garbage collection alike: each guard stands
 * for one reason why a delete must wait (another owner of the bucket, a metadata server that may have been
 * replaced). It stands alone so that a new reason is added in one place. A guard deletes nothing and changes no list.
 */
import type { ServerLook } from '../metadata/port.ts';
import type { Filesystem, InodeKey } from '../model.ts';

/** What is about to be deleted: objects of these inodes of this file system. */
export interface DeleteAbout {
  readonly filesystem: Filesystem;
  readonly keys: readonly InodeKey[];
  /** The servers at which each of these inodes was looked at last. */
  readonly looks: readonly ServerLook[];
}

/** Resolves when nothing stands in the way; throws CompactError (retry) when the delete must wait, which is doubt (I10). */
export type DeleteGuard = (about: DeleteAbout) => Promise<void>;

/** Asks all guards, one after the other; the first that throws ends it. */
export async function passGuards(guards: readonly DeleteGuard[] | undefined, about: DeleteAbout): Promise<void> {
  for (const guard of guards ?? []) await guard(about);
}
