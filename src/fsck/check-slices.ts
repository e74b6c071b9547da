/**
 * fsck for a volume of slices: every object that a list names must exist, with the size that its name says, whether a reader
 * sees anything of it or not: that is what JuiceFS's own fsck demands. A fault counts only if the list, read again, still
 * names the slice, so that clients may compact and delete meanwhile. It changes nothing.
 */
import pLimit from 'p-limit';
import { CompactError, throwIfCancelled } from '../errors.ts';
import {
  blockCount,
  piecesOf,
  type ReferencesOf,
  type SliceGeometry,
  type SliceObject,
  type SliceRecord,
  sliceObject,
} from '../layout/slices/index.ts';
import type { SliceFile, SliceList, SliceVolume } from '../metadata/slice-volume.ts';
import type { ObjectStore } from '../objects/port.ts';
import { STOPPED } from './check-chunk.ts';

/** Objects that are asked for before the next are thought of. */
const BATCH_OBJECTS = 1_000;

/** `unreferenced`: the count of references says that nobody names it; a client will delete it. */
type SliceFaultReason = 'missing' | 'size' | 'unreferenced' | 'damaged';

interface SliceFault {
  readonly inodeId: bigint;
  /** Absent where the inode itself is at fault. */
  readonly chunkIndex?: number;
  readonly reason: SliceFaultReason;
  readonly object?: string;
  /** Whether a reader asks for it. */
  readonly visible: boolean;
  readonly detail: string;
}

export interface SliceFindings {
  files: number;
  lists: number;
  objects: number;
  /** Before compression and encryption. */
  bytes: number;
  faults: number;
  /** Of them: those that a reader meets. */
  visibleFaults: number;
  readonly shown: SliceFault[];
}

interface SliceFsckOptions {
  readonly geometry: SliceGeometry;
  readonly store: Pick<ObjectStore, 'head'>;
  readonly requestsInFlight: number;
  /** Faults that are kept; all are counted. */
  readonly faultsMax: number;
  readonly signal?: AbortSignal;
  /** Called after each list. */
  readonly onList?: (findings: SliceFindings) => void;
}

interface Named extends SliceObject {
  readonly id: bigint;
  readonly visible: boolean;
}

export class SliceFsck {
  readonly findings: SliceFindings = {
    files: 0,
    lists: 0,
    objects: 0,
    bytes: 0,
    faults: 0,
    visibleFaults: 0,
    shown: [],
  };
  readonly #volume: SliceVolume;
  readonly #options: SliceFsckOptions;
  readonly #limit: ReturnType<typeof pLimit>;

  constructor(volume: SliceVolume, options: SliceFsckOptions) {
    this.#volume = volume;
    this.#options = options;
    this.#limit = pLimit(options.requestsInFlight);
  }

  /** The whole volume, but for the lists of files that are gone: their objects are being deleted. */
  async checkVolume(): Promise<void> {
    for await (const { parts, referencesOf } of this.#volume.walk()) {
      for (const part of parts) {
        if (part.kind === 'damaged') this.#damaged(part.inodeId, part.error);
        if (part.kind !== 'file') continue;
        if (part.first) this.findings.files++;
        for (const list of part.lists) await this.#list(part.file.inodeId, list, referencesOf);
      }
    }
  }

  async checkFile(file: SliceFile): Promise<void> {
    this.findings.files++;
    for (const chunkIndex of await this.#volume.chunkIndexes(file)) {
      try {
        const records = await this.#volume.list(file.inodeId, chunkIndex);
        await this.#list(file.inodeId, { chunkIndex, records }, await this.#volume.references(records));
      } catch (error) {
        if (!(error instanceof CompactError) || error.inode === undefined) throw error;
        this.#damaged(file.inodeId, error);
      }
    }
  }

  async #list(inodeId: bigint, { chunkIndex, records }: SliceList, referencesOf: ReferencesOf): Promise<void> {
    let suspects: (Omit<SliceFault, 'inodeId' | 'chunkIndex'> & { readonly id: bigint })[] = [];
    for (const record of records) {
      if (record.id === 0n || referencesOf(record) > 0) continue;
      const detail = `slice ${record.id}: the count of its references is ${referencesOf(record)}`;
      suspects.push({ id: record.id, reason: 'unreferenced', visible: true, detail });
    }
    for (const batch of batchesOf(records, this.#options.geometry)) {
      throwIfCancelled(this.#options.signal, STOPPED);
      const faults = await Promise.all(batch.map((object) => this.#limit(() => this.#object(object))));
      suspects = [...suspects, ...faults.filter((fault) => fault !== null)];
    }
    this.findings.lists++;
    if (suspects.length > 0) {
      const again = new Set((await this.#volume.list(inodeId, chunkIndex)).map(({ id }) => id));
      for (const { id, ...fault } of suspects) if (again.has(id)) this.#add({ inodeId, chunkIndex, ...fault });
    }
    this.#options.onList?.(this.findings);
  }

  async #object({ id, name, bytes, visible }: Named) {
    const head = await this.#options.store.head(name, this.#options.signal);
    this.findings.objects++;
    this.findings.bytes += bytes;
    if (head === null)
      return { id, reason: 'missing' as const, object: name, visible, detail: 'it is not there, or not uploaded yet' };
    // What was compressed or encrypted has a size of its own.
    if (this.#options.geometry.wholeObjects || head.bytes === bytes) return null;
    return { id, reason: 'size' as const, object: name, visible, detail: `it has ${head.bytes} of ${bytes} bytes` };
  }

  #damaged(inodeId: bigint, { message }: CompactError): void {
    this.#add({ inodeId, reason: 'damaged', visible: true, detail: message });
  }

  #add(fault: SliceFault): void {
    this.findings.faults++;
    if (fault.visible) this.findings.visibleFaults++;
    if (this.findings.shown.length < this.#options.faultsMax) this.findings.shown.push(fault);
  }
}

/** The objects of a list's slices, each once, in batches. */
function* batchesOf(records: readonly SliceRecord[], geometry: SliceGeometry): Generator<readonly Named[]> {
  const visible = new Set<string>();
  for (const { id, size, from, begin, end } of piecesOf(records)) {
    const last = Math.floor((from + end - begin - 1) / geometry.blockSize);
    for (let n = Math.floor(from / geometry.blockSize); n <= last; n++)
      visible.add(sliceObject(id, size, n, geometry).name);
  }
  const seen = new Set<bigint>();
  let batch: Named[] = [];
  for (const { id, size } of records) {
    if (id === 0n || seen.has(id)) continue;
    seen.add(id);
    for (let n = 0; n < blockCount(size, geometry.blockSize); n++) {
      const object = sliceObject(id, size, n, geometry);
      batch.push({ ...object, id, visible: visible.has(object.name) });
      if (batch.length < BATCH_OBJECTS) continue;
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
