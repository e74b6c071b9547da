/**
 * What the store was seen to hold: before objects are deleted, what the lists reference in their place must be there, and an
 * acknowledged PUT is the store's word only. A few objects are asked for by HEAD; where a listing of the inode's names costs
 * less, only what it lacks is asked for. It judges no list and deletes nothing.
 */
import pLimit from 'p-limit';
import { namesBegin, printInodeKey } from '../format.ts';
import type { ObjectStore } from '../objects/port.ts';
import { elapsed, type LedgerMs } from '../time.ts';
import { evictOldest, type LookFor } from './referenced-objects.ts';

/** HEAD requests of a look under way at a time. */
const HEADS_IN_FLIGHT = 16;
/** A page of a listing costs as much as so many HEADs, by S3's price list and by the work for the answer. */
const HEADS_PER_PAGE = 12;
const PAGE_OBJECTS = 1_000;
/** What was seen counts for so long after the first of it was. */
const SEEN_MS = 5 * 60_000;
/** Names of all inodes together, some 100 bytes each; more are asked for again. */
const SEEN_NAMES_MAX = 200_000;
const SEEN_INODES_MAX = 32;

/** Whose lists have what is wanted, how many objects these reference, and when that was known. */
type StoredLook = LookFor & { readonly objects: number; readonly atMs: LedgerMs };

/** Of one inode. */
interface Seen {
  readonly beganMs: LedgerMs;
  /** Bytes by name. */
  readonly bytes: Map<string, number>;
  heads: number;
  listing: Promise<void> | undefined;
}

/** Shared by all looks of a process. */
export class StoredObjects {
  /** By bucket and inode, oldest first. */
  readonly #seen = new Map<string, Seen>();

  /** What of `wanted` (bytes by name) the store has not, or not whole: the bytes that there are, `null` for none. */
  async lacking(
    wanted: ReadonlyMap<string, number>,
    look: StoredLook,
    store: ObjectStore,
  ): Promise<ReadonlyMap<string, number | null>> {
    if (wanted.size === 0) return new Map();
    const seen = this.#seenFor(look);
    const unseen = () => [...wanted].filter(([name, bytes]) => (seen.bytes.get(name) ?? -1) < bytes);
    let left = unseen();
    if (seen.heads + left.length > HEADS_PER_PAGE * pagesOf(look.objects)) {
      await this.#listed(seen, look, store);
      left = unseen();
    }
    const lacking = new Map<string, number | null>();
    const limit = pLimit(HEADS_IN_FLIGHT);
    await limit
      .map(left, async ([name, needed]) => {
        seen.heads++;
        const bytes = (await store.head(name))?.bytes ?? null;
        if (bytes === null || bytes < needed) lacking.set(name, bytes);
        else this.#note(seen, name, bytes);
      })
      // Nobody waits for the others any more: a store in trouble is not asked for thousands of them.
      .finally(() => limit.clearQueue());
    return lacking;
  }

  /** One listing for all who look meanwhile; one that failed says nothing to those who come later. */
  async #listed(seen: Seen, look: StoredLook, store: ObjectStore): Promise<void> {
    const listing = seen.listing ?? this.#list(seen, look, store);
    seen.listing = listing;
    try {
      await listing;
    } catch (error) {
      if (seen.listing === listing) seen.listing = undefined;
      throw error;
    }
  }

  /** As with readings: what was seen before the record was due, or long ago, or by a clock that went back, does not count. */
  #seenFor(look: StoredLook): Seen {
    const id = `${look.filesystem.uuid} ${look.filesystem.bucket} ${printInodeKey(look.key)}`;
    const kept = this.#seen.get(id);
    if (kept !== undefined && look.dueMs !== undefined && look.dueMs <= kept.beganMs) {
      const ageMs = elapsed(kept.beganMs, look.atMs);
      if (ageMs >= 0 && ageMs <= SEEN_MS) return kept;
    }
    const seen: Seen = { beganMs: look.atMs, bytes: new Map(), heads: 0, listing: undefined };
    this.#seen.delete(id);
    this.#seen.set(id, seen);
    evictOldest(this.#seen, ({ bytes }) => bytes.size, { size: SEEN_NAMES_MAX, count: SEEN_INODES_MAX });
    return seen;
  }

  /** The names of the inode; ends early where it costs more than to ask for each object. */
  async #list(seen: Seen, { key, filesystem, objects }: StoredLook, store: ObjectStore) {
    const begin = namesBegin(key, filesystem.objectPrefix);
    const pagesMax = Math.ceil(objects / HEADS_PER_PAGE);
    let after = begin;
    for (let pages = 0; pages < pagesMax; pages++) {
      const page = await store.list(after);
      for (const { name, bytes } of page.objects) {
        if (!name.startsWith(begin)) return;
        this.#note(seen, name, bytes);
        after = name;
      }
      if (!page.more) return;
    }
  }

  #note(seen: Seen, name: string, bytes: number): void {
    if (seen.bytes.size < SEEN_NAMES_MAX) seen.bytes.set(name, bytes);
  }
}

/** Of a listing of the inode: one page is of others, as a rule. */
function pagesOf(objects: number): number {
  return Math.ceil(objects / PAGE_OBJECTS) + 1;
}
