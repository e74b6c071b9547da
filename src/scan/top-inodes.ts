/**
 * The worst inodes of any number of them: those whose work brings most. Holds at most twice as many as it keeps, and does
 * no I/O.
 */
import type { InodeKey } from '../model.ts';
import type { Backlog } from '../scan-port.ts';

export interface WorstInode {
  readonly key: InodeKey;
  readonly score: number;
  readonly backlog: Backlog;
}

export class Worst {
  readonly #most: number;
  #inodes: WorstInode[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(inode: WorstInode): void {
    if (this.#most === 0) return;
    this.#inodes.push(inode);
    if (this.#inodes.length >= 2 * this.#most) this.#inodes = this.#best();
  }

  clear(): void {
    this.#inodes = [];
  }

  /** Best score first; a walk may give an inode twice. */
  list(): readonly WorstInode[] {
    return this.#best();
  }

  #best(): WorstInode[] {
    const byKey = new Map(this.#inodes.map((one) => [one.key.inodeId, one]));
    return [...byKey.values()]
      .toSorted((a, b) => b.score - a.score || (a.key.inodeId < b.key.inodeId ? -1 : 1))
      .slice(0, this.#most);
  }
}
