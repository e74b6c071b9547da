/**
 * What compaction needs of an object store, for one bucket. The S3 adapter implements it; merge, reap and the tests
 * see nothing else. It must hold no policy: which object to read, write or delete is decided elsewhere.
 *
 * Errors are CompactError: `object-missing`, `object-short`, `store-unavailable` (retry); `object-damaged`, `bucket-missing`,
 * `access-denied`, `store-refused` (halt). Every call ends within the adapter's time-out.
 */
import type { Filesystem } from '../model.ts';

/** What HEAD tells; `crc32` (unsigned) only for objects that `putIfAbsent` wrote, and only where the store returns metadata. */
export interface ObjectHead {
  readonly bytes: number;
  readonly crc32?: number;
}

export interface DeleteFailure {
  readonly name: string;
  /** The store's error code, e.g. `AccessDenied`. */
  readonly code: string;
}

/** An object as a listing shows it. */
export interface ListedObject {
  readonly name: string;
  readonly bytes: number;
  /** Of the last write, by the store's clock, ms since 1970. */
  readonly modifiedMs: number;
}

/** Part of a listing: objects by name, ascending in the order of their UTF-8 bytes. */
export interface ObjectPage {
  readonly objects: readonly ListedObject[];
  /** There may be more behind the last one; never set on an empty page. */
  readonly more: boolean;
}

/** Forms of requests that some S3 servers refuse. */
export type StoreCapability =
  | 'conditionalPut'
  | 'checksumHeaders'
  | 'unsignedPayload'
  | 'multiDelete'
  | 'responseChecksums';

/** What is known of each: `refused` only where the same request has succeeded without it. */
export type StoreCapabilities = Readonly<Record<StoreCapability, 'untried' | 'accepted' | 'refused'>>;

/** A rule by which the store itself takes objects away; only enabled ones are spoken of. */
export interface LifecycleRule {
  readonly id: string;
  /** Of the names that it is about. */
  readonly prefix: string;
  /** Only objects with certain tags; those of file systems have none. */
  readonly tagged: boolean;
  /** It deletes objects. */
  readonly expires: boolean;
  /** It moves objects to another storage class. */
  readonly moves: boolean;
  /** It deletes what is no longer the current version. */
  readonly expiresOldVersions: boolean;
}

/** What a bucket is set to; `unknown` where the store does not answer the question. */
export interface BucketSettings {
  readonly versioning: 'off' | 'on' | 'suspended' | 'unknown';
  /** `retains`: each new object is locked for a time. */
  readonly lock: 'off' | 'on' | 'retains' | 'unknown';
  readonly lifecycle: readonly LifecycleRule[] | 'unknown';
}

/** What only a diagnosis asks of a store; one try each. */
export interface StoreDiagnosis {
  settings(signal?: AbortSignal): Promise<BucketSettings>;
  /** One DeleteObject for each, whatever the store knows of batches. */
  deleteSingly(names: readonly string[], signal?: AbortSignal): Promise<readonly DeleteFailure[]>;
  /** A PUT with the checksum of other bytes: `taken` by a store that does not compare; `untried` where none are sent. */
  putDamaged(name: string, body: Uint8Array, signal?: AbortSignal): Promise<'refused' | 'taken' | 'untried'>;
}

/** Largest batch that `delete` takes: the limit of S3's DeleteObjects. */
export const DELETE_BATCH_MAX = 1000;

export interface ObjectStore {
  /** Fills `target` with exactly `target.length` bytes of the object from `offset`, or throws. */
  getRange(name: string, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Puts the whole object at the begin of `target` and says how long it is. Throws `object-damaged` (halt) where it is longer. */
  getWhole(name: string, target: Uint8Array, signal?: AbortSignal): Promise<number>;
  /** Creates the object unless the name is taken (`exists`: nothing was written). `body` must not change meanwhile. */
  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'>;
  /** `null` when there is no such object. */
  head(name: string, signal?: AbortSignal): Promise<ObjectHead | null>;
  /**
   * The next objects of the bucket by name, strictly behind `after`; at most some thousand. With `prefix`, others than those
   * whose names begin so may be left out.
   */
  list(after?: string, signal?: AbortSignal, prefix?: string): Promise<ObjectPage>;
  /**
   * Deletes at most DELETE_BATCH_MAX names; a missing object counts as deleted. Returns what could not be deleted. It may be
   * many requests, to a server without batches: `before` is called right before each, and the call fails with what it throws.
   */
  delete(names: readonly string[], signal?: AbortSignal, before?: () => void): Promise<readonly DeleteFailure[]>;
  /**
   * The same store, of one that waits before it sends: `before` is called right before each try of a PUT, a range read or a
   * delete, when all waiting is over, and the call fails with what it throws. Without this, all send at once.
   */
  guarded?(before: () => void): ObjectStore;
  /** What the requests so far have shown of the server. */
  capabilities?(): StoreCapabilities | undefined;
  /** For `doctor`. */
  diagnosis?(): StoreDiagnosis | undefined;
}

/**
 * How the blocks of a volume become objects where they are compressed or encrypted: such an object can only be read whole,
 * and its size is not the block's.
 */
export interface BlockCodec {
  /** The longest body that a block of so many bytes can have. */
  bodyBytesMax(blockBytes: number): number;
  encode(block: Uint8Array): Promise<Uint8Array>;
  /** Fills `block` from the body. Throws `object-damaged` (halt), without a name, where it is not the body of exactly so many bytes. */
  decode(body: Uint8Array, block: Uint8Array): Promise<void>;
}

/** The bucket of each file system; stores are kept and shared. */
export interface ObjectStores {
  forFilesystem(filesystem: Filesystem): ObjectStore;
  close(): void;
}
