/**
 * Object stores in memory, for the simulation and for tests of whatever stands on the port. Each operation takes
 * effect in one step between two hooks, so a test can lose a request (throw in `before`), lose an answer (throw in
 * `after`), delay either on a virtual clock, or look at the world in between. It waits for nothing by itself and must
 * pass the same contract as the real servers (contract.ts).
 */
import { crc32 } from 'node:zlib';
import { CompactError, type ErrorCode, type ErrorKind } from '../../src/errors.ts';
import type { Filesystem } from '../../src/model.ts';
import {
  DELETE_BATCH_MAX,
  type DeleteFailure,
  type ObjectHead,
  type ObjectPage,
  type ObjectStore,
  type ObjectStores,
} from '../../src/objects/port.ts';

export interface StoredObject {
  readonly bytes: Uint8Array;
  /** Only of objects that `putIfAbsent` wrote. */
  readonly crc32?: number;
  /** When it was written, by the store's clock; 0 for what a test put in by hand. */
  readonly modifiedMs?: number;
}

/** One call of the port, as the hooks see it. */
export interface StoreCall {
  readonly op: 'get' | 'put' | 'head' | 'list' | 'delete';
  readonly bucket: string;
  /** One name; for `delete` the whole batch, for `list` the one to begin behind, if any. */
  readonly names: readonly string[];
  /** Of a read: where it begins, bytes. */
  readonly offset?: number;
  /** Payload of a read or a write, bytes. */
  readonly bytes?: number;
  readonly signal?: AbortSignal;
}

export type StoreHook = (call: StoreCall) => void | Promise<void>;

/** As S3 lists. */
const LIST_PAGE_MAX = 1_000;

function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A fault to throw from a hook. */
export function storeFault(code: ErrorCode, message = `injected ${code}`): CompactError {
  const retried: readonly ErrorCode[] = ['object-missing', 'object-short', 'store-unavailable', 'cancelled'];
  const kind: ErrorKind = retried.includes(code) ? 'retry' : 'halt';
  return new CompactError(message, { kind, code });
}

export class MemoryObjectStores implements ObjectStores {
  /** All there is: name to object, per bucket. A test may change it at any time. */
  readonly buckets = new Map<string, Map<string, StoredObject>>();
  /** Runs before an operation takes effect; a throw means that it never did. */
  before: StoreHook | undefined;
  /** Runs after it took effect; a throw means that only the answer was lost. */
  after: StoreHook | undefined;
  /** The store's code for a name that a delete must leave alone. */
  refuseDelete: ((bucket: string, name: string) => string | undefined) | undefined;
  /** The store's clock. */
  nowMs: () => number = Date.now;
  /** Objects on one page of a listing. */
  pageMax = LIST_PAGE_MAX;
  /** `false`: a server that ignores If-None-Match and overwrites. */
  honoursIfNoneMatch = true;
  readonly #stores = new Map<string, MemoryObjectStore>();
  #closed = false;

  get closed(): boolean {
    return this.#closed;
  }

  /** Makes an empty bucket, or returns the one there is. */
  bucket(name: string): Map<string, StoredObject> {
    const known = this.buckets.get(name) ?? new Map<string, StoredObject>();
    this.buckets.set(name, known);
    return known;
  }

  /** Writes as a client of the file system does: no condition, no checksum of ours. */
  write(bucket: string, name: string, bytes: Uint8Array): void {
    this.bucket(bucket).set(name, { bytes: Uint8Array.from(bytes), modifiedMs: this.nowMs() });
  }

  forFilesystem(filesystem: Pick<Filesystem, 'bucket'>): ObjectStore {
    const known = this.#stores.get(filesystem.bucket) ?? new MemoryObjectStore(this, filesystem.bucket);
    this.#stores.set(filesystem.bucket, known);
    return known;
  }

  close(): void {
    this.#closed = true;
  }
}

class MemoryObjectStore implements ObjectStore {
  readonly #stores: MemoryObjectStores;
  readonly #bucket: string;

  constructor(stores: MemoryObjectStores, bucket: string) {
    this.#stores = stores;
    this.#bucket = bucket;
  }

  async getRange(name: string, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (target.length === 0) return;
    const call: StoreCall = { op: 'get', bucket: this.#bucket, names: [name], offset, bytes: target.length };
    await this.#step(call, signal, (objects) => {
      const bytes = objects.get(name)?.bytes;
      if (bytes === undefined) throw storeFault('object-missing', `no object "${name}"`);
      if (offset + target.length > bytes.length)
        throw storeFault('object-short', `object "${name}" has only ${bytes.length} bytes`);
      target.set(bytes.subarray(offset, offset + target.length));
    });
  }

  getWhole(name: string, target: Uint8Array, signal?: AbortSignal): Promise<number> {
    const call: StoreCall = { op: 'get', bucket: this.#bucket, names: [name], offset: 0, bytes: target.length };
    return this.#step(call, signal, (objects) => {
      const bytes = objects.get(name)?.bytes;
      if (bytes === undefined) throw storeFault('object-missing', `no object "${name}"`);
      if (bytes.length > target.length)
        throw new CompactError(`object "${name}" has ${bytes.length} bytes`, { kind: 'halt', code: 'object-damaged' });
      target.set(bytes);
      return bytes.length;
    });
  }

  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'> {
    const call: StoreCall = { op: 'put', bucket: this.#bucket, names: [name], bytes: body.length };
    return this.#step(call, signal, (objects) => {
      if (this.#stores.honoursIfNoneMatch && objects.has(name)) return 'exists';
      objects.set(name, { bytes: Uint8Array.from(body), crc32: crc32(body), modifiedMs: this.#stores.nowMs() });
      return 'created';
    });
  }

  head(name: string, signal?: AbortSignal): Promise<ObjectHead | null> {
    return this.#step({ op: 'head', bucket: this.#bucket, names: [name] }, signal, (objects) => {
      const found = objects.get(name);
      if (found === undefined) return null;
      return { bytes: found.bytes.length, ...(found.crc32 === undefined ? {} : { crc32: found.crc32 }) };
    });
  }

  list(after?: string, signal?: AbortSignal, prefix = ''): Promise<ObjectPage> {
    const call: StoreCall = { op: 'list', bucket: this.#bucket, names: after === undefined ? [] : [after] };
    return this.#step(call, signal, (objects) => {
      const behind = (name: string) => after === undefined || compareNames(name, after) > 0;
      const names = [...objects.keys()].filter((name) => name.startsWith(prefix) && behind(name));
      const page = names.sort(compareNames).slice(0, this.#stores.pageMax);
      return {
        objects: page.map((name) => {
          const { bytes, modifiedMs = 0 } = objects.get(name) ?? { bytes: new Uint8Array() };
          return { name, bytes: bytes.length, modifiedMs };
        }),
        more: page.length < names.length,
      };
    });
  }

  async delete(names: readonly string[], signal?: AbortSignal, before?: () => void): Promise<readonly DeleteFailure[]> {
    if (names.length > DELETE_BATCH_MAX) throw new RangeError(`a delete takes at most ${DELETE_BATCH_MAX} names`);
    if (names.length === 0) return [];
    before?.();
    return this.#step({ op: 'delete', bucket: this.#bucket, names: [...names] }, signal, (objects) => {
      const failures: DeleteFailure[] = [];
      for (const name of names) {
        const code = this.#stores.refuseDelete?.(this.#bucket, name);
        if (code === undefined) objects.delete(name);
        else failures.push({ name, code });
      }
      return failures;
    });
  }

  async #step<T>(
    call: StoreCall,
    signal: AbortSignal | undefined,
    effect: (objects: Map<string, StoredObject>) => T,
  ): Promise<T> {
    const told = signal === undefined ? call : { ...call, signal };
    this.#throwIfEnded(signal);
    await this.#stores.before?.(told);
    this.#throwIfEnded(signal);
    const objects = this.#stores.buckets.get(this.#bucket);
    if (objects === undefined) throw storeFault('bucket-missing', `no bucket "${this.#bucket}"`);
    const result = effect(objects);
    await this.#stores.after?.(told);
    return result;
  }

  #throwIfEnded(signal: AbortSignal | undefined): void {
    if (this.#stores.closed || signal?.aborted) throw storeFault('cancelled');
  }
}
