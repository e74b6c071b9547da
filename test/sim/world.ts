/**
 * A small world in memory: one file with its writers, an object store, metadata and a reap ledger on one virtual clock,
 * and the real `src/` code run in processes whose every port call can fail. After each change it checks what must always
 * hold: every byte reads as the history says (I1), nothing referenced is missing, nothing is deleted too early (I7).
 */

import type { Clock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import {
  type CompactDeps,
  type CompactLimits,
  type CompactResult,
  compactInode,
} from '../../src/compact/compact-inode.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import { protocolOf } from '../../src/compact/protocol.ts';
import { SEVERAL_WRITERS_TIMES } from '../../src/compact/quiet-period.ts';
import { type Filesystem, type InodeKey, type S3ChunkInfo, UINT64_MAX } from '../../src/model.ts';
import type { ObjectStore, ObjectStores } from '../../src/objects/port.ts';
import { type ReapVerdict, reapRecord } from '../../src/reap/reap-record.ts';
import { monotonicMs, wallMs } from '../../src/time.ts';
import { History } from '../kit/oracle/history.ts';
import { originalObjects, referencedObjects } from '../kit/oracle/layout.ts';
import { readFile, visibleObjects } from '../kit/oracle/reader.ts';
import type { FileState } from '../kit/oracle/types.ts';
import { MemoryObjectStores } from '../objects/memory-store.ts';
import { Boundary } from './boundary.ts';
import { LedgerState, MemoryLedger } from './memory-ledger.ts';
import { MetadataState } from './memory-metadata.ts';

export const GEOMETRY = { blockSize: 16, chunkSize: 64 };
/** For what asks for one and looks at no more than its geometry. */
export const FILESYSTEM: Filesystem = { fsId: 1, uuid: 'u', name: 'n', bucket: 'b', objectPrefix: 0, ...GEOMETRY };
export const KEY: InodeKey = { fsId: 1, inodeId: 9007199254740993n };
const BUCKET = 'world';

export const LIMITS: CompactLimits = {
  policy: { fragmentThreshold: 3, readGapBytes: 4 },
  chunksMax: 10,
  bytesMax: 1 << 20,
  requestsMax: 1000,
  durationMaxMs: 60_000,
  leaseMs: 3_600_000,
  graceMs: 600_000,
  commitTimeoutMs: 1_000,
  blocksInFlight: 1,
  getsInFlight: 1,
};

export class World {
  readonly metadata: MetadataState;
  readonly limits: CompactLimits;
  readonly stores = new MemoryObjectStores();
  readonly ledger = new LedgerState();
  readonly history: History;
  readonly filesystem: Filesystem;
  readonly violations: string[] = [];
  readonly #attemptIds = new AttemptIds(() => 0);
  #nextChunkId: bigint;
  #referenced = new Set<string>();
  /** When a name was last referenced by the lists. */
  readonly #unreferencedAtMs = new Map<string, number>();

  /** Another state is that of another kind of metadata service. */
  constructor(metadata = new MetadataState(), limits: CompactLimits = LIMITS) {
    this.metadata = metadata;
    // A metaserver's ids are given out in the whole cluster: a file's first is a large number.
    this.#nextChunkId = metadata.order === 'id' ? 1_000_000n : 1n;
    this.limits = limits;
    this.history = new History(GEOMETRY, metadata.order);
    this.filesystem = {
      fsId: KEY.fsId,
      uuid: 'uuid-1',
      name: 'fs',
      bucket: BUCKET,
      objectPrefix: 0,
      ...GEOMETRY,
      lastChunkId: UINT64_MAX,
    };
    this.metadata.filesystems.set(KEY.fsId, this.filesystem);
    this.metadata.put({ key: KEY, length: 0, nlink: 1, mtimeMs: 0, type: 's3' });
    this.stores.bucket(BUCKET);
    this.metadata.onChange = () => this.#listsChanged();
    this.stores.before = (call) => {
      if (call.op === 'delete') for (const name of call.names) this.#checkDelete(name);
    };
  }

  /** A client writes: objects first, then the version and the length in one step. */
  write(offset: number, len: number, zero = false): void {
    const chunkId = this.#nextChunkId++;
    const version: S3ChunkInfo = { chunkId, compaction: 0n, offset, len, size: len, zero };
    const index = Math.floor(offset / GEOMETRY.chunkSize);
    for (const { name, bytes } of originalObjects(this.#state(new Map([[index, [version]]])))) {
      this.stores.write(BUCKET, name, bytes);
    }
    this.metadata.append(KEY, index, version);
    this.history.append(version);
    this.truncate(Math.max(this.#inode().inode.length, offset + len));
  }

  /** Takes an id and stores the objects; nobody sees them before `appendLate`. */
  writeLate(offset: number, len: number): S3ChunkInfo {
    const version = { chunkId: this.#nextChunkId++, compaction: 0n, offset, len, size: len, zero: false };
    const lists = new Map([[Math.floor(offset / GEOMETRY.chunkSize), [version]]]);
    for (const { name, bytes } of originalObjects(this.#state(lists))) this.stores.write(BUCKET, name, bytes);
    return version;
  }

  appendLate(version: S3ChunkInfo): void {
    this.metadata.append(KEY, Math.floor(version.offset / GEOMETRY.chunkSize), version);
    this.history.append(version);
    this.truncate(Math.max(this.#inode().inode.length, version.offset + version.len));
  }

  /** Its client sends an append once more: it has heard no answer. */
  appendAgain(version: S3ChunkInfo): void {
    this.metadata.append(KEY, Math.floor(version.offset / GEOMETRY.chunkSize), version);
    this.history.appendAgain(version);
    this.truncate(Math.max(this.#inode().inode.length, version.offset + version.len));
  }

  truncate(length: number): void {
    this.metadata.change(KEY, { length, mtimeMs: this.ledger.nowMs });
    this.history.setLength(length);
    this.metadata.changed();
  }

  unlink(): void {
    this.metadata.change(KEY, { nlink: 0 });
  }

  /** Until the file counts as left alone, where that matters. */
  rest(): void {
    this.ledger.nowMs += SEVERAL_WRITERS_TIMES * (this.limits.quietMs ?? 0) + 1;
  }

  /** Runs the real compaction in a process with this boundary. */
  compact(boundary = new Boundary(), limits: CompactLimits = this.limits): Promise<CompactResult> {
    return compactInode(KEY, this.deps(boundary), { limits });
  }

  /** What a process with this boundary works with. */
  deps(boundary = new Boundary()): CompactDeps {
    return {
      metadata: this.metadata.connect(boundary, () => this.ledger.nowMs),
      objects: throughBoundary(this.stores, boundary),
      ledger: new MemoryLedger(this.ledger, boundary),
      clock: this.clock(boundary),
      memory: new MemoryBudget(1 << 20),
      attemptIds: this.#attemptIds,
    };
  }

  /** Looks at the first due record, waiting for it on the virtual clock. `undefined` when no record is left. */
  async reapFirst(boundary = new Boundary()): Promise<ReapVerdict | undefined> {
    const first = this.ledger.first();
    if (first === undefined) return undefined;
    this.ledger.nowMs = Math.max(this.ledger.nowMs, wallMs(first.record.dueMs));
    this.ledger.take(first.id);
    const verdict = await reapRecord(first.record, {
      metadata: this.metadata.connect(boundary, () => this.ledger.nowMs),
      objects: throughBoundary(this.stores, boundary),
      nowMs: () => new MemoryLedger(this.ledger, boundary).nowMs(),
      graceMs: protocolOf(this.deps().metadata).graceMs(this.limits),
    }).finally(() => this.ledger.leave(first.id));
    if (boundary.gone) return verdict;
    if (verdict.kind === 'done') this.ledger.records.delete(first.id);
    else this.ledger.records.set(first.id, verdict.record);
    return verdict;
  }

  /** Until no record is left; a record that never ends is a violation. */
  async reapAll(): Promise<void> {
    for (let looks = 0; looks < 500; looks++) {
      if ((await this.reapFirst()) === undefined) return;
    }
    this.violations.push(`${this.ledger.records.size} reap records never end`);
  }

  clock(boundary: Boundary): Clock {
    return {
      monotonicMs: () => monotonicMs(this.ledger.nowMs),
      sleep: async (ms) => {
        if (boundary.gone) await boundary.cross('sleep', () => undefined);
        this.ledger.nowMs += ms;
      },
    };
  }

  lists(): ReadonlyMap<number, readonly S3ChunkInfo[]> {
    return this.#inode().lists;
  }

  /** The lists and length as a reader holds them from now on. */
  snapshot(): FileState {
    const lists = new Map([...this.#inode().lists].map(([index, list]) => [index, [...list]]));
    return { ...this.#state(lists), length: this.#inode().inode.length };
  }

  /** What a reader with these lists gets wrong, or `null`. */
  readFault(file: FileState): string | null {
    const objects = this.stores.bucket(BUCKET);
    try {
      return this.history.mismatch(readFile(file, (name) => objects.get(name)?.bytes));
    } catch (error) {
      return (error as Error).message;
    }
  }

  objectNames(): string[] {
    return [...this.stores.bucket(BUCKET).keys()].sort();
  }

  referencedNames(): string[] {
    return [...referencedObjects(this.snapshot()).keys()].sort();
  }

  /** Names of objects that a full read asks for. */
  visibleNames(): Set<string> {
    const file = this.snapshot();
    return visibleObjects(file, 0, file.length);
  }

  #listsChanged(): void {
    const now = new Set(this.referencedNames());
    for (const name of this.#referenced) if (!now.has(name)) this.#unreferencedAtMs.set(name, this.ledger.nowMs);
    this.#referenced = now;
    const fault = this.readFault(this.snapshot());
    if (fault !== null) this.violations.push(`I1: ${fault}`);
  }

  #checkDelete(name: string): void {
    if (this.#referenced.has(name)) this.violations.push(`I7: ${name} is deleted and still referenced`);
    const age = this.ledger.nowMs - (this.#unreferencedAtMs.get(name) ?? Number.NEGATIVE_INFINITY);
    if (age < LIMITS.graceMs) this.violations.push(`I7: ${name} is deleted ${age} ms after it became unreferenced`);
  }

  #inode() {
    const found = this.metadata.at(KEY);
    if (found === undefined) throw new Error('the world has lost its inode');
    return found;
  }

  #state(lists: FileState['lists']): FileState {
    return { ...KEY, objectPrefix: 0, geometry: GEOMETRY, length: this.history.length, lists };
  }
}

function throughBoundary(stores: ObjectStores, boundary: Boundary): ObjectStores {
  return {
    forFilesystem(filesystem): ObjectStore {
      const store = stores.forFilesystem(filesystem);
      return {
        getRange: (...args) => boundary.cross('objects.get', () => store.getRange(...args)),
        getWhole: (...args) => boundary.cross('objects.get', () => store.getWhole(...args)),
        putIfAbsent: (...args) => boundary.cross('objects.put', () => store.putIfAbsent(...args)),
        head: (...args) => boundary.cross('objects.head', () => store.head(...args)),
        list: (...args) => boundary.cross('objects.list', () => store.list(...args)),
        delete: (...args) => boundary.cross('objects.delete', () => store.delete(...args)),
      };
    },
    close: () => undefined,
  };
}
