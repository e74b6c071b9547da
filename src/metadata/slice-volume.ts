/**
 * What reading a volume in the slice layout needs of its metadata. Adapters (JuiceFS on Redis) implement it; reports,
 * fsck and commands see nothing else. It reads only: there is no call here that writes.
 *
 * Errors are CompactError, as of `port.ts`: `metadata-unavailable` (retry), `metadata-refused`, `filesystem-missing`,
 * `filesystem-malformed`, `inode-malformed`, `record-malformed` (halt). Every call ends within the adapter's time-out.
 */
import type { CompactError } from '../errors.ts';
import type { ReferencesOf, SliceGeometry, SliceRecord } from '../layout/slices/index.ts';

/** Where the objects are, as the S3 adapter takes it. */
export interface VolumeBucket {
  readonly bucket: string;
  readonly endpoint?: string;
  readonly region?: string;
  /** Clients keep the CRC-32C of each object with it, unless the address says otherwise. */
  readonly keepsCrc32c: boolean;
  /** In which clients store objects; absent: the bucket's own. */
  readonly storageClass?: string;
}

/** What the volume says of itself; no secret is in here. */
export interface VolumeSetting extends SliceGeometry {
  readonly uuid: string;
  /** The kind of object store, e.g. `s3`. */
  readonly storage: string;
  /** `null`: of a kind, or in a form, that cannot be read here. */
  readonly store: VolumeBucket | null;
  /** `none`, `lz4`, `zstd`. */
  readonly compression: string;
  /** `none`, or the algorithm by its name in the setting. */
  readonly encryption: string;
  /** More than 1: objects are spread over so many buckets. */
  readonly shards: number;
  readonly trashDays: number;
  readonly metaVersion: number;
  readonly changeLog: boolean;
  /** Storage classes that files may choose, beside the usual one, and tags that objects get. */
  readonly tiers: number;
}

/** Keys of the object store that the volume keeps for its clients. Never print them. */
export interface StoreKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** trash: deleted by a user, kept for some days. unlinked: deleted, and still open somewhere. */
export type FileState = 'live' | 'trash' | 'unlinked';

export interface SliceFile {
  readonly inodeId: bigint;
  readonly length: number;
  readonly mtimeMs: number;
  readonly nlink: number;
  readonly state: FileState;
}

export interface SliceList {
  readonly chunkIndex: number;
  /** Oldest first. */
  readonly records: readonly SliceRecord[];
}

/**
 * What a walk meets. `file`: a file with some of its lists, and more parts may follow; each file has exactly one `first`
 * part. `gone`: a list whose file was deleted and whose clean-up waits. `damaged`: what cannot be read; the walk goes on.
 */
export type WalkPart =
  | { readonly kind: 'file'; readonly file: SliceFile; readonly first: boolean; readonly lists: readonly SliceList[] }
  | { readonly kind: 'other'; readonly inodeId: bigint; readonly type: string }
  | { readonly kind: 'gone'; readonly inodeId: bigint; readonly list: SliceList }
  | { readonly kind: 'damaged'; readonly inodeId: bigint; readonly error: CompactError };

export interface WalkPage {
  readonly parts: readonly WalkPart[];
  /** Of all records in `parts`, as they were at this moment. */
  readonly referencesOf: ReferencesOf;
  /** As of InodePage (`port.ts`); absent: there is no going on from behind this page. */
  readonly cursor?: string | null;
  readonly restarted: boolean;
}

/** Slices that wait to be deleted; bytes as a share where lists name them, too. */
export interface WaitingSlices {
  readonly slices: number;
  readonly bytes: number;
  readonly storedBytes: number;
}

/** What clients' hourly jobs have still to delete. */
export interface Waiting {
  /** Replaced by compactions, kept for the days of the trash. */
  readonly delayed: WaitingSlices & { readonly overdueSlices: number; readonly malformed: number };
  /** Nothing names them any more. */
  readonly pending: WaitingSlices;
  /** Deleted files whose lists remain; bytes are their lengths. */
  readonly files: { readonly count: number; readonly bytes: number };
}

/** A client that keeps a session. */
export interface ClientSession {
  readonly version: string;
  readonly host: string;
  readonly mountPoint: string;
  readonly expiresMs: number;
}

export interface VolumeHealth {
  readonly sessions: readonly ClientSession[];
  /** When the jobs that clients do once an hour were last begun, ms; 0: never. */
  readonly jobs: { readonly deletedFiles: number; readonly trash: number; readonly slices: number };
  /** Without it nobody works off delayed deletes. */
  readonly hasTrash: boolean;
}

export interface SliceVolume {
  /** Throws `filesystem-missing` where there is no volume. */
  setting(): Promise<VolumeSetting>;
  /** `null`: the volume keeps none. */
  keys(): Promise<StoreKeys | null>;
  /** The private key of its objects, as PEM, itself protected or not; `null`: they are not encrypted. Never print it. */
  encryptKey(): Promise<string | null>;
  /** `null`: no such inode. */
  inode(inodeId: bigint): Promise<{ readonly type: string; readonly file: SliceFile | null } | null>;
  /** The inode at a path from the root; `null` where there is none. */
  find(path: string): Promise<bigint | null>;
  /** A path of an inode, as far as it can be found with little work; `null` otherwise. */
  pathOf(inodeId: bigint): Promise<string | null>;
  /** Of those that can be found so; each directory is read once. */
  pathsOf(inodeIds: readonly bigint[]): Promise<ReadonlyMap<bigint, string>>;
  /** The chunks of a file that have a list, within its length, ascending. */
  chunkIndexes(file: SliceFile): Promise<readonly number[]>;
  /** Throws `record-malformed` (halt). */
  list(inodeId: bigint, chunkIndex: number): Promise<readonly SliceRecord[]>;
  references(records: readonly SliceRecord[]): Promise<ReferencesOf>;
  /** All files and lists, each at least once, not of one moment. Memory does not grow with their number. */
  walk(cursor?: string): AsyncIterable<WalkPage>;
  waiting(): Promise<Waiting>;
  health(): Promise<VolumeHealth>;
  close(): Promise<void>;
}
