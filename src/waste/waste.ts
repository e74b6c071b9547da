/**
 * The waste of a volume in the slice layout: bytes stored against bytes visible, GETs against the fewest possible, by file and
 * in total, and what waits to be deleted. One walk; memory does not grow with the number of files. It only reads, and it
 * sees the port: not how metadata is kept.
 */
import { CompactError, throwIfCancelled } from '../errors.ts';
import {
  addFootprint,
  CHUNK_BYTES,
  type Footprint,
  footprintOf,
  NO_FOOTPRINT,
  type ReferencesOf,
  type SliceGeometry,
  type SliceRecord,
} from '../layout/slices/index.ts';
import type { FileState, SliceFile, SliceVolume, Waiting, WalkPage, WalkPart } from '../metadata/slice-volume.ts';
import { Worst } from '../scan/top-inodes.ts';

/** Files with lists that come apart from them, which are ranked at the end; more are only counted. */
const LOOSE_MAX = 100_000;
/** Damaged inodes that are listed. */
const DAMAGED_MAX = 100;

/** What is ranked: hidden bytes, or GETs that a full read could do without. */
export const WASTE_ORDERS = ['waste', 'gets'] as const;
export type WasteOrder = (typeof WASTE_ORDERS)[number];

export interface FileWaste extends Footprint {
  readonly inodeId: bigint;
  readonly state: FileState;
  readonly length: number;
}

const MEASURES: Readonly<Record<WasteOrder, (file: Footprint) => number>> = {
  waste: ({ hiddenBytes }) => hiddenBytes,
  gets: ({ gets, getsLeast }) => gets - getsLeast,
};

/** A kind of files, or of lists, in total. */
export interface WasteSum extends Footprint {
  readonly files: number;
  /** Of the files; 0 where there are none any more. */
  readonly length: number;
}

export interface WasteReport {
  readonly live: WasteSum;
  readonly trash: WasteSum;
  readonly unlinked: WasteSum;
  /** Lists of files that are gone: their clean-up waits. */
  readonly gone: WasteSum;
  /** Of `live`, `trash` and `unlinked`: lists behind the end of their files. */
  readonly behindEnd: Footprint;
  readonly waiting: Waiting;
  /** All of the above: what the volume should have in its bucket. */
  readonly storedBytes: number;
  readonly otherInodes: number;
  readonly damaged: number;
  readonly damages: readonly { readonly inodeId: bigint; readonly message: string }[];
  readonly top: readonly FileWaste[];
}

export interface WasteOptions {
  readonly top: number;
  readonly order: WasteOrder;
  readonly geometry: SliceGeometry;
  readonly signal?: AbortSignal;
  /** Called for each page of the walk. */
  readonly onProgress?: (files: number) => void;
}

/** Walks the volume. Throws what ends a walk: a server that is away, a signal (`cancelled`, retry). */
export async function wasteOf(volume: SliceVolume, options: WasteOptions): Promise<WasteReport> {
  const walk = new WasteWalk(volume, options);
  while (await walk.next()) {
    throwIfCancelled(options.signal, 'the walk over the volume was stopped; nothing was changed');
    options.onProgress?.(walk.files);
  }
  return walk.report(options.order);
}

/** A walk that can be looked at on its way. Throws what ends it: a server that is away. */
export class WasteWalk {
  readonly #volume: SliceVolume;
  readonly #geometry: SliceGeometry;
  readonly #tally: WasteTally;
  readonly #pages: AsyncIterator<WalkPage>;
  #waiting = NOTHING_WAITS;

  constructor(volume: SliceVolume, options: Pick<WasteOptions, 'geometry' | 'top'>) {
    this.#volume = volume;
    this.#geometry = options.geometry;
    this.#tally = new WasteTally(options);
    this.#pages = volume.walk()[Symbol.asyncIterator]();
  }

  get files(): number {
    return this.#tally.files;
  }

  /** One page more; `false`: that was all, and what waits to be deleted is known. */
  async next(): Promise<boolean> {
    const page = await this.#pages.next();
    if (page.done !== true) {
      for (const part of page.value.parts) this.#tally.add(part, page.value.referencesOf);
      return true;
    }
    this.#tally.finish();
    this.#waiting = await this.#volume.waiting();
    for (const inodeId of this.#tally.looseToRank()) {
      const file = await wholeFile(this.#volume, inodeId, this.#geometry);
      if (file !== null) this.#tally.rank(addWaste(file, this.#tally.behindEndOf(inodeId)));
    }
    return false;
  }

  /** What was found so far, with the worst by this order. */
  report(order: WasteOrder): WasteReport {
    return this.#tally.report(this.#waiting, order);
  }
}

const NO_SLICES = { slices: 0, bytes: 0, storedBytes: 0 };
const NOTHING_WAITS: Waiting = {
  delayed: { ...NO_SLICES, overdueSlices: 0, malformed: 0 },
  pending: NO_SLICES,
  files: { count: 0, bytes: 0 },
};

/** What a file keeps within its length; `null` when it is no file any more, or cannot be read. */
async function wholeFile(volume: SliceVolume, inodeId: bigint, geometry: SliceGeometry): Promise<FileWaste | null> {
  try {
    const file = (await volume.inode(inodeId))?.file ?? null;
    return file === null ? null : await fileWaste(volume, file, geometry);
  } catch (error) {
    if (error instanceof CompactError && error.kind === 'halt' && error.inode !== undefined) return null;
    throw error;
  }
}

/** What one file keeps and shows, list by list. Throws `record-malformed` (halt). */
async function fileWaste(volume: SliceVolume, file: SliceFile, geometry: SliceGeometry): Promise<FileWaste> {
  let footprint = NO_FOOTPRINT;
  for (const chunkIndex of await volume.chunkIndexes(file)) {
    const records = await volume.list(file.inodeId, chunkIndex);
    footprint = addFootprint(
      footprint,
      footprintOf(records, geometry, { referencesOf: await volume.references(records) }),
    );
  }
  return { ...footprint, inodeId: file.inodeId, state: file.state, length: file.length };
}

interface Loose {
  readonly all: Footprint;
  readonly behindEnd: Footprint;
}

class WasteTally {
  /** Lists that came apart from their files, by inode. */
  readonly #loose = new Map<bigint, Loose>();
  readonly #options: Pick<WasteOptions, 'geometry' | 'top'>;
  readonly #worst: Readonly<Record<WasteOrder, Worst<FileWaste>>>;
  readonly #sums = { live: NO_SUM, trash: NO_SUM, unlinked: NO_SUM, gone: NO_SUM };
  #behindEnd = NO_FOOTPRINT;
  #current: FileWaste | undefined;
  #other = 0;
  #damaged = 0;
  readonly #damages: { readonly inodeId: bigint; readonly message: string }[] = [];

  constructor(options: Pick<WasteOptions, 'geometry' | 'top'>) {
    this.#options = options;
    const worst = (order: WasteOrder) =>
      new Worst<FileWaste>(options.top, { measure: MEASURES[order], idOf: ({ inodeId }) => inodeId });
    this.#worst = { waste: worst('waste'), gets: worst('gets') };
  }

  get files(): number {
    const { live, trash, unlinked } = this.#sums;
    return live.files + trash.files + unlinked.files;
  }

  add(part: WalkPart, referencesOf: ReferencesOf): void {
    switch (part.kind) {
      case 'file':
        this.#file(part, referencesOf);
        break;
      case 'gone':
        this.#sum('gone', this.#footprint(part.list.records, referencesOf, false));
        break;
      case 'other':
        this.#other++;
        break;
      case 'damaged':
        this.#damaged++;
        if (this.#damages.length < DAMAGED_MAX)
          this.#damages.push({ inodeId: part.inodeId, message: part.error.message });
    }
  }

  /** The last file is complete. */
  finish(): void {
    if (this.#current !== undefined) this.rank(this.#current);
    this.#current = undefined;
  }

  rank(file: FileWaste): void {
    for (const order of WASTE_ORDERS) this.#worst[order].add(file);
  }

  /** Of the files with loose lists those that may belong among the worst. */
  looseToRank(): ReadonlySet<bigint> {
    const worst = WASTE_ORDERS.map((order) => MEASURES[order]).flatMap((measure) =>
      [...this.#loose].toSorted(([, a], [, b]) => measure(b.all) - measure(a.all)).slice(0, this.#options.top),
    );
    return new Set(worst.map(([inodeId]) => inodeId));
  }

  /** What nobody finds who asks for the chunks within the length. */
  behindEndOf(inodeId: bigint): Footprint {
    return this.#loose.get(inodeId)?.behindEnd ?? NO_FOOTPRINT;
  }

  report(waiting: Waiting, order: WasteOrder): WasteReport {
    const { live, trash, unlinked, gone } = this.#sums;
    const kept = [live, trash, unlinked, gone].reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    return {
      live: rounded(live),
      trash: rounded(trash),
      unlinked: rounded(unlinked),
      gone: rounded(gone),
      behindEnd: rounded(this.#behindEnd),
      waiting,
      storedBytes: Math.round(kept + waiting.delayed.storedBytes + waiting.pending.storedBytes),
      otherInodes: this.#other,
      damaged: this.#damaged,
      damages: this.#damages,
      top: this.#worst[order].list().map(rounded),
    };
  }

  #file({ file, first, lists }: Extract<WalkPart, { kind: 'file' }>, referencesOf: ReferencesOf): void {
    const { inodeId, state, length } = file;
    let footprint = NO_FOOTPRINT;
    let behindEnd = NO_FOOTPRINT;
    for (const { chunkIndex, records } of lists) {
      const shown = chunkIndex * CHUNK_BYTES < length;
      const one = this.#footprint(records, referencesOf, shown);
      footprint = addFootprint(footprint, one);
      if (!shown) behindEnd = addFootprint(behindEnd, one);
    }
    this.#behindEnd = addFootprint(this.#behindEnd, behindEnd);
    this.#sum(state, footprint, first ? { files: 1, length } : {});
    if (first) {
      this.finish();
      this.#current = { ...footprint, inodeId, state, length };
    } else if (this.#current?.inodeId === inodeId) {
      this.#current = addWaste(this.#current, footprint);
    } else {
      const known = this.#loose.get(inodeId) ?? { all: NO_FOOTPRINT, behindEnd: NO_FOOTPRINT };
      if (known.all === NO_FOOTPRINT && this.#loose.size >= LOOSE_MAX) return;
      this.#loose.set(inodeId, {
        all: addFootprint(known.all, footprint),
        behindEnd: addFootprint(known.behindEnd, behindEnd),
      });
    }
  }

  #footprint(records: readonly SliceRecord[], referencesOf: ReferencesOf, shown: boolean): Footprint {
    return footprintOf(records, this.#options.geometry, { referencesOf, shown });
  }

  #sum(
    kind: FileState | 'gone',
    footprint: Footprint,
    { files = 0, length = 0 }: { readonly files?: number; readonly length?: number } = {},
  ): void {
    const sum = this.#sums[kind];
    this.#sums[kind] = { ...addFootprint(sum, footprint), files: sum.files + files, length: sum.length + length };
  }
}

const NO_SUM: WasteSum = { ...NO_FOOTPRINT, files: 0, length: 0 };

function addWaste(file: FileWaste, footprint: Footprint): FileWaste {
  return { ...file, ...addFootprint(file, footprint) };
}

/** Shares are fractions until all is added. */
function rounded<T extends Footprint>(footprint: T): T {
  const { objects, storedBytes, hiddenBytes, sharedBytes } = footprint;
  return {
    ...footprint,
    objects: Math.round(objects),
    storedBytes: Math.round(storedBytes),
    hiddenBytes: Math.round(hiddenBytes),
    sharedBytes: Math.round(sharedBytes),
  };
}
