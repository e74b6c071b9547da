/**
 * Inodes whose chunk indexes are being walked: a metaserver gives all lists with every read of an inode, so the lists of
 * a walk come from its first call instead of one call per chunk. A list is given once and only while it is young: who
 * reads a chunk a second time, or late, gets it as it is by then.
 */
import { printInodeKey } from '../../format.ts';
import type { InodeKey } from '../../model.ts';
import type { WholeInode } from './convert.ts';

/** How old a list may be that is given out. */
const AGE_MAX_MS = 1_000;

interface Snapshot {
  readonly whole: WholeInode;
  readonly atMs: number;
  readonly left: Set<number>;
}

export class Snapshots {
  readonly #snapshots = new Map<string, Snapshot>();
  /** Monotonic. */
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Keeps an inode until the returned function is called. */
  keep(key: InodeKey, whole: WholeInode): () => void {
    const name = printInodeKey(key);
    const snapshot = { whole, atMs: this.#nowMs(), left: new Set(whole.lists.keys()) };
    this.#snapshots.set(name, snapshot);
    return () => {
      if (this.#snapshots.get(name) === snapshot) this.#snapshots.delete(name);
    };
  }

  /** The inode, if this list of it was not taken before and is young. */
  take(key: InodeKey, chunkIndex: number): WholeInode | null {
    const snapshot = this.#snapshots.get(printInodeKey(key));
    if (snapshot === undefined || this.#nowMs() - snapshot.atMs > AGE_MAX_MS) return null;
    return snapshot.left.delete(chunkIndex) ? snapshot.whole : null;
  }
}
