/**
 * The words of the slice layout (JuiceFS's) as readonly data. A file is cut into chunks of 64 MiB; each has a list of
 * records, and each record shows a part of a slice; a slice is kept as blocks of its own, counted from its own begin.
 * It stands alone so that the adapter, the pure view and the commands agree on shapes. It must hold no behaviour.
 *
 * The list order is the only precedence: the later record wins. Uncovered bytes and those of slice 0 read as zeros.
 */

/** Fixed in this layout; no slice is larger than a chunk. */
export const CHUNK_BYTES = 64 * 1024 * 1024;

/** One record of a chunk list: `len` bytes of a slice, shown at `offset`. Bytes. */
export interface SliceRecord {
  /** In the chunk. */
  readonly offset: number;
  readonly len: number;
  /** 0: zeros, without objects. */
  readonly id: bigint;
  /** Of the whole slice as it is stored; 0 for zeros. */
  readonly size: number;
  /** Where in the slice the shown part begins. */
  readonly from: number;
}

/** What decides names, sizes and reads of a volume's objects. */
export interface SliceGeometry {
  /** The volume's name: what all its object names begin with. */
  readonly volume: string;
  /** Bytes; the last block of a slice may be shorter. */
  readonly blockSize: number;
  /** Names have directories by the slice id mod 256. */
  readonly hashPrefix: boolean;
  /** Objects are compressed or encrypted: only whole ones can be read, and their sizes are not those of the blocks. */
  readonly wholeObjects: boolean;
}

/** Bytes of a chunk that are read from a slice; what no piece covers reads as zeros. */
export interface Piece {
  /** In the chunk; half-open. */
  readonly begin: number;
  readonly end: number;
  /** Of its record in the list. */
  readonly position: number;
  readonly id: bigint;
  readonly size: number;
  /** Where in the slice `begin` is. */
  readonly from: number;
}

/** How many records of all lists, and of all delayed deletes, name a slice. */
export type ReferencesOf = (record: SliceRecord) => number;
