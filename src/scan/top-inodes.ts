/**
 * The worst of any number of files, by what is asked for: inodes by what their work brings, or by one part of it. Holds at most
 * twice as many as it keeps, and does no I/O.
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

/** What is ranked, and what is one and the same when a walk gives it twice. */
interface Ranking<One> {
  readonly measure: (one: One) => number;
  readonly idOf: (one: One) => bigint;
}

export function rankingOf(order: TopOrder = 'score'): Ranking<WorstInode> {
  return { measure: MEASURES[order], idOf: ({ key }) => key.inodeId };
}

export class Worst<One> {
  readonly #most: number;
  readonly #ranking: Ranking<One>;
  #all: One[] = [];

  constructor(most: number, ranking: Ranking<One>) {
    this.#most = most;
    this.#ranking = ranking;
  }

  add(one: One): void {
    if (this.#most === 0 || this.#ranking.measure(one) <= 0) return;
    this.#all.push(one);
    if (this.#all.length >= 2 * this.#most) this.#all = this.list();
  }

  clear(): void {
    this.#all = [];
  }

  /** The worst first; what comes again replaces what was known of it. */
  list(): One[] {
    const { measure, idOf } = this.#ranking;
    const byId = new Map(this.#all.map((one) => [idOf(one), one]));
    return [...byId.values()]
      .toSorted((a, b) => measure(b) - measure(a) || (idOf(a) < idOf(b) ? -1 : 1))
      .slice(0, this.#most);
  }
}
