/**
 * The worst inodes of any number of them, by what their work brings, or by one part of it. Holds at most twice as many as it keeps, and does
 * no I/O.
 */
import type { InodeKey } from '../model.ts';
import type { Backlog } from '../scan-port.ts';

export interface WorstInode {
  readonly key: InodeKey;
  readonly score: number;
  readonly backlog: Backlog;
}

export const TOP_ORDERS = ['score', 'gets', 'waste'] as const;
export type TopOrder = (typeof TOP_ORDERS)[number];

/** Stored bytes that no reader sees, whatever a plan would do about them. */
export function wastedBytes({ storedBytes, visibleBytes }: Backlog): number {
  return storedBytes - visibleBytes;
}

const MEASURES: Readonly<Record<TopOrder, (inode: WorstInode) => number>> = {
  score: ({ score }) => score,
  gets: ({ backlog }) => backlog.getsSaved,
  waste: ({ backlog }) => wastedBytes(backlog),
};

export class Worst<Inode extends WorstInode = WorstInode> {
  readonly #most: number;
  readonly #measure: (inode: WorstInode) => number;
  #inodes: Inode[] = [];

  constructor(most: number, order: TopOrder = 'score') {
    this.#most = most;
    this.#measure = MEASURES[order];
  }

  add(inode: Inode): void {
    if (this.#most === 0 || this.#measure(inode) <= 0) return;
    this.#inodes.push(inode);
    if (this.#inodes.length >= 2 * this.#most) this.#inodes = this.#best();
  }

  clear(): void {
    this.#inodes = [];
  }

  /** The worst first; a walk may give an inode twice. */
  list(): readonly Inode[] {
    return this.#best();
  }

  #best(): Inode[] {
    const byKey = new Map(this.#inodes.map((one) => [one.key.inodeId, one]));
    return [...byKey.values()]
      .toSorted((a, b) => this.#measure(b) - this.#measure(a) || (a.key.inodeId < b.key.inodeId ? -1 : 1))
      .slice(0, this.#most);
  }
}
