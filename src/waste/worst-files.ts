/**
 * What makes a file in the slice layout worse than another. It keeps no files: `scan/top-inodes.ts` does.
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
