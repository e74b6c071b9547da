/**
 * The look right before a delete, of reap and of garbage collection alike: which objects no list references, and whether
 * everything that the lists reference in their place is really in the store (docs/adr/0014). Nobody may delete without it. It
 * deletes nothing itself; what it cannot tell throws (I10).
 */
import { CompactError } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import type { ObjectStore } from '../objects/port.ts';
import { elapsed } from '../time.ts';
import { type Found, KEPT_MS, type ListsDeps, type LookFor, type SharedLists } from './referenced-objects.ts';
import type { StoredObjects } from './stored-objects.ts';

/** Looks at lists that change under the look. */
const LOOKS_MAX = 3;
/** Missing objects that a message has by name. */
const NAMES_SHOWN_MAX = 3;

interface FreshLookDeps extends ListsDeps {
  /** Of the file system that is looked at. */
  readonly store: ObjectStore;
  /** Where looks find each other's reading of the lists, and what was seen in the store. */
  readonly lists: SharedLists;
  readonly stored: StoredObjects;
}

/**
 * Those of `names` that may be deleted now: no list of the inode references them, and the store has all that the lists
 * reference in their place. Throws CompactError: `object-missing` or `object-short` (retry) when the store lacks some of
 * that, `lists-missing` (retry) when lists are not where they must be, and whatever else is doubt.
 */
export async function deletable(
  names: readonly string[],
  look: LookFor,
  deps: FreshLookDeps,
): Promise<readonly string[]> {
  let found = await deps.lists.look(names, look, deps);
  for (let looks = 1; looks <= LOOKS_MAX; looks++) {
    if (found.unreferenced.length === 0) return [];
    const { inPlace, objects, atMs } = found;
    const lacking = await deps.stored.lacking(inPlace, { ...look, objects, atMs }, deps.store);
    const tookMs = elapsed(atMs, await deps.nowMs());
    if (lacking.size === 0 && tookMs >= 0 && tookMs <= KEPT_MS) return found.unreferenced;
    // I7: the lists as they are now; another compaction may have taken over, and its record deleted what this one missed.
    const now = await lookAgain(found, look, deps);
    const missing = [...lacking].filter(([name]) => now.inPlace.has(name));
    if (missing.length > 0) throw lacks(missing, now, look);
    if (lacking.size === 0) return now.unreferenced;
    found = now;
  }
  throw unavailable(look, `the lists of inode ${printInodeKey(look.key)} change all the time`);
}

function unavailable({ key }: LookFor, why: string): CompactError {
  return new CompactError(`${why}; nothing is deleted`, { kind: 'retry', code: 'metadata-unavailable', inode: key });
}

async function lookAgain({ unreferenced }: Found, look: LookFor, deps: FreshLookDeps): Promise<Found> {
  const { dueMs: _, ...own } = look;
  if ((await deps.metadata.incarnation(look.key)) !== look.incarnation) {
    throw unavailable(
      look,
      `the metadata server of inode ${printInodeKey(look.key)} became another one during the look`,
    );
  }
  return deps.lists.look(unreferenced, own, deps);
}

function lacks(missing: readonly (readonly [string, number | null])[], found: Found, { key }: LookFor): CompactError {
  const some = missing.slice(0, NAMES_SHOWN_MAX).map(([name, bytes]) => {
    return bytes === null ? `${name} is missing` : `${name} has ${bytes} of ${found.inPlace.get(name)} bytes`;
  });
  const more = missing.length > NAMES_SHOWN_MAX ? `, and ${missing.length - NAMES_SHOWN_MAX} more` : '';
  const what = `the store lacks objects that the lists of inode ${printInodeKey(key)} reference (${some.join(', ')}${more})`;
  const kept = 'what they replaced is kept: see the runbook, S3CompactReapUnsafe, for how to put it back';
  const code = missing.some(([, bytes]) => bytes === null) ? 'object-missing' : 'object-short';
  return new CompactError(`${what}; ${kept}`, { kind: 'retry', code, inode: key });
}
