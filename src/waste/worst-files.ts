/**
 * The worst files of any number of them, by what is asked for. Holds at most twice as many as it keeps. A file that comes
 * again replaces what was known of it.
 */
import type { Footprint } from '../layout/slices/index.ts';
import type { FileState } from '../metadata/slice-volume.ts';

/** What is ranked: hidden bytes, or GETs that a full read could do without. */
export const WASTE_ORDERS = ['waste', 'gets'] as const;
export type WasteOrder = (typeof WASTE_ORDERS)[number];

export interface FileWaste extends Footprint {
  readonly inodeId: bigint;
  readonly state: FileState;
  readonly length: number;
}

const MEASURES: Readonly<Record<WasteOrder, (file: Measured) => number>> = {
  waste: ({ hiddenBytes }) => hiddenBytes,
  gets: ({ gets, getsLeast }) => gets - getsLeast,
};

type Measured = Pick<FileWaste, 'hiddenBytes' | 'gets' | 'getsLeast'>;

export function measureOf(order: WasteOrder): (file: Measured) => number {
  return MEASURES[order];
}

export class WorstFiles {
  readonly #most: number;
  readonly #measure: (file: Measured) => number;
  #files: FileWaste[] = [];

  constructor(most: number, order: WasteOrder) {
    this.#most = most;
    this.#measure = measureOf(order);
  }

  add(file: FileWaste): void {
    if (this.#most === 0 || this.#measure(file) <= 0) return;
    this.#files.push(file);
    if (this.#files.length >= 2 * this.#most) this.#files = this.#worst();
  }

  /** The worst first. */
  list(): readonly FileWaste[] {
    return this.#worst();
  }

  #worst(): FileWaste[] {
    const byInode = new Map(this.#files.map((file) => [file.inodeId, file]));
    return [...byInode.values()]
      .toSorted((a, b) => this.#measure(b) - this.#measure(a) || (a.inodeId < b.inodeId ? -1 : 1))
      .slice(0, this.#most);
  }
}
