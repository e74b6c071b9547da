/**
 * What stands outside the processes of a seeded world: metadata, object store and reap ledger in memory, their servers'
 * faults (lost last writes, a clock that steps), and the files with their true history. It changes only by what clients,
 * workers and server faults do; whether that was right is the judge's business.
 */
import { ownerObjectName } from '../../../src/format.ts';
import type { CommitForm } from '../../../src/metadata/port.ts';
import type { Filesystem, InodeKey, S3ChunkInfo } from '../../../src/model.ts';
import { History, type HistoryOrder } from '../../kit/oracle/history.ts';
import { originalObjects, referencedObjects } from '../../kit/oracle/layout.ts';
import type { FileState } from '../../kit/oracle/types.ts';
import { MemoryObjectStores } from '../../objects/memory-store.ts';
import { GcBookState } from '../memory-gc-book.ts';
import { LedgerState } from '../memory-ledger.ts';
import { type MemoryInode, MetadataState } from '../memory-metadata.ts';
import { RecordState } from '../record-metadata.ts';
import { MemoryInstallation } from './installation.ts';
import type { Scheduler } from './scheduler.ts';

export const GEOMETRY = { blockSize: 16, chunkSize: 64 };
export const BUCKET = 'world';
export const FS_ID = 1;
/** The object that says whose the bucket is. */
export const OWNER = ownerObjectName(FS_ID);
/** A server that dies loses at most this much: the append-only file is flushed every second. */
const LOST_MS_MAX = 1_000;
const FAR_MS = 365 * 24 * 3_600_000;
const NEIGHBOUR_INODE = 7_777n;
/** No life of the original has this number. */
const CLONE_LIFE = 1_000_000;

/** One file and what its clients have done to it. */
export class SimFile {
  readonly key: InodeKey;
  history: History;
  /** The owner of the metadata has removed the inode. */
  removed = false;

  constructor(inodeId: bigint, order: HistoryOrder) {
    this.history = new History(GEOMETRY, order);
    this.key = { fsId: FS_ID, inodeId };
  }
}

interface MetadataMoment {
  readonly atMs: number;
  readonly inodes: Map<string, MemoryInode>;
  readonly nextChunkId: bigint;
  readonly histories: readonly { readonly history: History; readonly removed: boolean }[];
}

export type LosingServer = 'metadata' | 'queue' | 'both';

export class Stage {
  readonly scheduler: Scheduler;
  readonly metadata: MetadataState;
  readonly stores = new MemoryObjectStores();
  readonly ledger = new LedgerState();
  readonly gcBook = new GcBookState();
  readonly filesystem: Filesystem;
  readonly files: readonly SimFile[];
  /** Objects that a client has promised in the metadata and not yet uploaded (write-back). */
  readonly uploads = new Map<string, Uint8Array>();
  #nextChunkId = 1n;
  #highestChunkId = 0n;
  /** Objects that the store acknowledged and did not keep. */
  readonly untrue = new Map<string, Uint8Array>();
  /** Objects of another file system in the same bucket. */
  readonly neighbours = new Set<string>();
  /** Where workers run on a copy of the metadata. */
  clone: Pick<Stage, 'metadata' | 'ledger' | 'gcBook' | 'installation'> | undefined;
  readonly installation = new MemoryInstallation('original');
  /** The bucket has an owner, and whoever writes or deletes asks who it is. */
  owned = false;
  /** Operators hold the file system, and whoever deletes asks for holds. */
  holds = false;
  /** How far clients' clocks are off. */
  clientsOffMs = 0;
  /** The primary is replaced some time, and some processes will not notice. */
  demotes = false;
  /** What the store tells as the date of what it writes. */
  dates: 'epoch' | 'future' | 'right' = 'right';
  /** How far the ledger's clock is off. */
  clockOffMs = 0;
  /** How often the ledger has lost its last writes. */
  ledgerLosses = 0;
  /** Called when the metadata server has lost every change from this true time on, in ms. */
  onMetadataLost: ((sinceMs: number) => void) | undefined;
  #moments: MetadataMoment[] = [];
  #ledgerMoments: { readonly atMs: number; readonly records: LedgerState['records'] }[] = [];

  constructor(scheduler: Scheduler, inodeIds: readonly bigint[], form: CommitForm = 'fenced') {
    this.scheduler = scheduler;
    this.metadata = form === 'fenced' ? new MetadataState() : new RecordState();
    this.filesystem = { fsId: FS_ID, uuid: 'uuid-1', name: 'fs', bucket: BUCKET, objectPrefix: 0, ...GEOMETRY };
    this.metadata.filesystems.set(FS_ID, { ...this.filesystem, lastChunkId: 0n });
    this.files = inodeIds.map((inodeId) => new SimFile(inodeId, this.metadata.order));
    for (const { key } of this.files) this.metadata.put({ key, length: 0, nlink: 1, mtimeMs: 0, type: 's3' });
    this.stores.bucket(BUCKET);
    this.stores.nowMs = () => this.#dateMs();
    // Small pages, so that a pass has several.
    this.stores.pageMax = 7;
    this.ledger.clock = () => this.scheduler.nowMs + this.clockOffMs;
    this.metadata.beforeChange = () => this.#remember();
    this.ledger.beforeChange = () => this.#rememberRecords();
  }

  #dateMs(): number {
    if (this.dates === 'epoch') return 0;
    return this.scheduler.nowMs + (this.dates === 'future' ? FAR_MS : 0);
  }

  /** Objects of another file system with the same number come into the bucket. */
  addNeighbour(): void {
    for (let n = 0; n < 2; n++) {
      const name = `${FS_ID}_${NEIGHBOUR_INODE}_${this.neighbours.size + 1}_0_0`;
      this.stores.write(BUCKET, name, new Uint8Array(GEOMETRY.blockSize));
      this.neighbours.add(name);
    }
  }

  /** The metadata as it is now is copied, for workers of its own. */
  copyMetadata(): void {
    const metadata = new MetadataState();
    metadata.incarnation = CLONE_LIFE;
    for (const [fsId, filesystem] of this.metadata.filesystems) metadata.filesystems.set(fsId, filesystem);
    for (const [key, inode] of this.metadata.snapshot()) metadata.inodes.set(key, inode);
    const ledger = new LedgerState();
    ledger.clock = this.ledger.clock;
    this.clone = { metadata, ledger, gcBook: new GcBookState(), installation: new MemoryInstallation('copy') };
  }

  /** Another server takes over, without the last writes of the one that was the primary. */
  demote(ms: number): readonly string[] {
    this.metadata.demote();
    return this.#loseMetadata(this.scheduler.nowMs - Math.min(ms, LOST_MS_MAX));
  }

  /** Operators put right what can be put right: lost indexes, dates, whom workers ask, objects that were not kept. */
  setRight(): void {
    this.metadata.demoted = undefined;
    this.metadata.withoutIndexes.clear();
    this.clone = undefined;
    this.dates = 'right';
    const bucket = this.stores.bucket(BUCKET);
    for (const [name, object] of bucket) {
      const modifiedMs = Math.min(object.modifiedMs ?? 0, this.scheduler.nowMs);
      bucket.set(name, { ...object, modifiedMs });
    }
    for (const file of this.files) {
      for (const name of this.referencedBy(file)) {
        const bytes = this.untrue.get(name);
        if (bytes !== undefined && !bucket.has(name)) this.stores.write(BUCKET, name, bytes);
      }
    }
  }

  /** As a client takes an id. */
  takeChunkId(): bigint {
    this.#remember();
    const chunkId = this.#nextChunkId;
    this.#giveOutFrom(chunkId + 1n);
    return chunkId;
  }

  /** Clients have gone on writing: no id that was ever given out comes again. */
  passAllChunkIds(): void {
    this.#giveOutFrom(this.#highestChunkId + 1n);
  }

  #giveOutFrom(next: bigint): void {
    this.#nextChunkId = next;
    if (next > this.#highestChunkId) this.#highestChunkId = next - 1n;
    this.metadata.filesystems.set(FS_ID, { ...this.filesystem, lastChunkId: next - 1n });
  }

  inodeOf(file: SimFile): MemoryInode | undefined {
    return this.metadata.at(file.key);
  }

  /** What a client sees of a file now; `null` when it is gone. */
  stateOf(file: SimFile): FileState | null {
    const found = this.inodeOf(file);
    if (found === undefined || found.inode.nlink === 0) return null;
    return this.state(file, { length: found.inode.length, lists: new Map(found.lists) });
  }

  state(file: SimFile, seen: Pick<FileState, 'length' | 'lists'>): FileState {
    return { ...file.key, objectPrefix: 0, geometry: GEOMETRY, ...seen };
  }

  /** The objects of a version as its writer makes them. */
  objectsOf(file: SimFile, version: S3ChunkInfo): { readonly name: string; readonly bytes: Uint8Array }[] {
    return [...originalObjects(this.state(file, { length: 0, lists: new Map([[0, [version]]]) }))];
  }

  /** The one step in which a write becomes visible; `mtimeMs` is the writer's word. */
  append(file: SimFile, version: S3ChunkInfo, mtimeMs = this.scheduler.nowMs): void {
    if (!this.appendEntry(file, version)) return;
    this.#setLength(file, Math.max(this.#lengthOf(file), version.offset + version.len), mtimeMs);
  }

  /** The version alone: the length comes later, and the time of the write with it. `false` when the file is gone. */
  appendEntry(file: SimFile, version: S3ChunkInfo): boolean {
    const found = this.inodeOf(file);
    if (found === undefined || found.inode.nlink === 0) return false;
    this.#remember();
    this.metadata.append(file.key, Math.floor(version.offset / GEOMETRY.chunkSize), version);
    file.history.append(version);
    return true;
  }

  /** The same append once more: its answer was lost. */
  appendAgain(file: SimFile, version: S3ChunkInfo, mtimeMs: number): void {
    const found = this.inodeOf(file);
    if (found === undefined || found.inode.nlink === 0) return;
    this.metadata.append(file.key, Math.floor(version.offset / GEOMETRY.chunkSize), version);
    file.history.appendAgain(version);
    this.#setLength(file, Math.max(found.inode.length, version.offset + version.len), mtimeMs);
  }

  lengthen(file: SimFile, length: number, mtimeMs: number): void {
    const found = this.inodeOf(file);
    if (found === undefined || found.inode.nlink === 0) return;
    this.#setLength(file, Math.max(found.inode.length, length), mtimeMs);
  }

  truncate(file: SimFile, length: number): void {
    const found = this.inodeOf(file);
    if (found === undefined || found.inode.nlink === 0) return;
    this.#remember();
    this.#setLength(file, length, this.scheduler.nowMs);
  }

  #lengthOf(file: SimFile): number {
    return this.inodeOf(file)?.inode.length ?? 0;
  }

  #setLength(file: SimFile, length: number, mtimeMs: number): void {
    this.metadata.change(file.key, { length, mtimeMs });
    file.history.setLength(length);
    this.metadata.changed();
  }

  unlink(file: SimFile): void {
    if (this.inodeOf(file) === undefined) return;
    this.#remember();
    this.metadata.change(file.key, { nlink: 0 });
    this.metadata.changed();
  }

  /** The owner of the metadata removes an unlinked inode and the objects that its lists reference. */
  remove(file: SimFile): void {
    const found = this.inodeOf(file);
    if (found === undefined || found.inode.nlink > 0) return;
    this.#remember();
    const bucket = this.stores.bucket(BUCKET);
    for (const name of this.referencedBy(file)) bucket.delete(name);
    this.metadata.remove(file.key);
    file.removed = true;
    this.metadata.changed();
  }

  referencedBy(file: SimFile): string[] {
    const found = this.inodeOf(file);
    if (found === undefined) return [];
    return [...referencedObjects(this.state(file, { length: found.inode.length, lists: found.lists })).keys()];
  }

  /** Before each change that a dying server may lose. */
  #remember(): void {
    const atMs = this.scheduler.nowMs;
    this.#moments = this.#moments.filter((moment) => moment.atMs >= atMs - LOST_MS_MAX);
    this.#moments.push({
      atMs,
      inodes: this.metadata.snapshot(),
      nextChunkId: this.#nextChunkId,
      histories: this.files.map(({ history, removed }) => ({ history: history.clone(), removed })),
    });
  }

  #rememberRecords(): void {
    const atMs = this.scheduler.nowMs;
    this.#ledgerMoments = this.#ledgerMoments.filter((moment) => moment.atMs >= atMs - LOST_MS_MAX);
    this.#ledgerMoments.push({ atMs, records: new Map(this.ledger.records) });
  }

  /** A server comes back without its last writes; returns the objects that nobody knows of any more. */
  lose(server: LosingServer, ms: number): { readonly names: readonly string[] } {
    const sinceMs = this.scheduler.nowMs - Math.min(ms, LOST_MS_MAX);
    const names: string[] = [];
    if (server !== 'queue') names.push(...this.#loseMetadata(sinceMs));
    if (server !== 'metadata') names.push(...this.#loseRecords(sinceMs));
    return { names };
  }

  #loseMetadata(sinceMs: number): string[] {
    const moment = this.#moments.find(({ atMs }) => atMs >= sinceMs);
    if (moment === undefined) return [];
    // An owner that removed the objects of an inode that comes back has lost it for good; no compactor can help that.
    if (this.files.some((file, n) => moment.histories[n]?.removed !== file.removed)) return [];
    const before = new Set(this.files.flatMap((file) => this.referencedBy(file)));
    this.#giveOutFrom(moment.nextChunkId);
    for (const [n, file] of this.files.entries()) file.history = moment.histories[n]?.history ?? file.history;
    this.#moments = [];
    this.metadata.restore(moment.inodes);
    this.onMetadataLost?.(moment.atMs);
    for (const file of this.files) for (const name of this.referencedBy(file)) before.delete(name);
    // What clients wrote is orphaned with the version that referenced it. Merged objects are not: their records know of them.
    return [...before].filter((name) => name.endsWith('_0'));
  }

  #loseRecords(sinceMs: number): string[] {
    const moment = this.#ledgerMoments.find(({ atMs }) => atMs >= sinceMs);
    if (moment === undefined) return [];
    this.ledgerLosses++;
    const gone = [...this.ledger.records].filter(([id]) => !moment.records.has(id));
    const names = gone.flatMap(([, { retired, merged }]) => [...retired, ...merged]);
    this.ledger.records.clear();
    for (const [id, record] of moment.records) this.ledger.records.set(id, record);
    this.#ledgerMoments = [];
    return names;
  }
}
