/**
 * The reap ledger: a port for the durable records that make every object of an attempt either referenced or deleted.
 * `compact` writes them, `reap` works them off, `queue` keeps them; and what `gc` remembers between two looks, which is
 * kept beside them. It holds no behaviour.
 *
 * All times are milliseconds of the ledger's one clock, the queue Redis's TIME.
 */
import type { Layout } from './format.ts';
import type { Filesystem, InodeKey } from './model.ts';
import type { LedgerMs } from './time.ts';

/** A record holds at most this many names; a larger plan writes several. */
export const REAP_NAMES_MAX = 10_000;
/** … and versions: as many as a commit replaces. */
export const REAP_VERSIONS_MAX = 100_000;

/** What an attempt leaves behind for one chunk, whichever way it ends. JSON-able but for the ids. */
export interface ReapRecord {
  /** `MetadataStore.storeId`. */
  readonly storeId: string;
  readonly fsUuid: string;
  readonly bucket: string;
  /** The layout that the names were made with; absent in records of older versions. */
  readonly layout?: Layout;
  readonly key: InodeKey;
  readonly chunkIndex: number;
  /** The fence of the attempt. */
  readonly attempt: bigint;
  /** `MetadataStore.incarnation` before the attempt's fence, or before the last look, whichever came later. */
  readonly incarnation?: string;
  /** Object names that the replaced list has and the replacement has not. */
  readonly retired: readonly string[];
  /** Object names that the attempt writes. */
  readonly merged: readonly string[];
  /** The versions that the attempt replaces, or the record's part of them, oldest first, as text: for a repair. */
  readonly replaced?: readonly string[];
  /** The place of `replaced` in the whole list, where others of the chunk's records have the rest. */
  readonly replacedPart?: { readonly from: number; readonly of: number };
  /** Not to be looked at before. */
  readonly dueMs: LedgerMs;
  /**
   * How long an object stays after it became unreferenced, by the settings of whoever wrote the record; whoever looks has
   * settings of its own, and the longer time counts. Absent in records of older versions.
   */
  readonly graceMs?: number;
  /** When the commit was known to have happened; absent while the attempt runs, or died, and with a time-bound store. */
  readonly stampMs?: LedgerMs;
  /** Names that the first look of an unstamped record found unreferenced. */
  readonly unreferenced?: readonly string[];
  /** When a look first found the inode missing. */
  readonly missingSinceMs?: LedgerMs;
  /** Looks that ended in doubt, for the back-off. */
  readonly doubts?: number;
}

/** What an inode was like, and when that was seen, ledger's clock; plain JSON. */
export interface Look {
  readonly digest: string;
  readonly atMs: LedgerMs;
}

/** Ids up to this one had been given out by then, long enough ago (docs/adr/0040). */
export interface OldIds {
  readonly atMs: LedgerMs;
  readonly chunkId: bigint;
  /** From then on the ids of now are old; absent: nobody has noted them. */
  readonly againMs?: LedgerMs;
}

/** What nobody has written for so long is at rest. */
export const REST_MS = 4 * 60_000;

/** How `compact` sees the ledger. Errors are CompactError `queue-unavailable` (retry). */
export interface ReapLedger {
  /** The ledger's clock. */
  nowMs(): Promise<LedgerMs>;
  /** Which ids are old, and remembers the highest of now unless `lookOnly`; `null`, or no such call: not known. */
  oldIds?(filesystem: Filesystem, lookOnly?: boolean): Promise<OldIds | null>;
  /** Makes a record durable before any of its objects exists; returns its id. */
  add(record: ReapRecord): Promise<string>;
  /** Replaces the record and makes it due at its `dueMs`; adds it anew if it is gone or in work. */
  stamp(id: string, record: ReapRecord): Promise<void>;
  /**
   * Makes an unstamped record due now, because its attempt (or its chunk) is known to be over. Adds it anew if it is gone or in work: a
   * worker that was paused past its lease may have written an object after the record's last look at it.
   */
  expedite(id: string, record: ReapRecord): Promise<void>;
}

/** How `gc` sees the ledger. Errors are CompactError `queue-unavailable` (retry), `queue-unfit` (halt). */
export interface ReapRecords {
  /**
   * Every record that is there at the call and not done at the end, each at least once, in no order. Throws when one
   * cannot be read: whatever it names is then unknown.
   */
  pending(): AsyncIterable<ReapRecord>;
}

/** A name that a look of gc found unreferenced. */
export interface Suspect {
  /** When its inode's lists had been read, ledger's clock. */
  readonly sinceMs: LedgerMs;
  /** `MetadataStore.incarnation` before they were read. */
  readonly incarnation: string;
  /** When the name was first seen unreferenced, whatever became of the metadata server since; absent: `sinceMs`. */
  readonly firstMs?: LedgerMs;
}

/** Where a pass of gc stands, for the one that goes on after an interruption. */
export interface GcPosition {
  /** The next name is behind this one. */
  readonly after: string;
  /** Objects of the file system so far, and how many of them look like orphans. */
  readonly objects: number;
  readonly leaked: number;
  /** Inodes that could not be judged so far: what belongs to them stays. */
  readonly failures: number;
}

/** Names noted at a time; a bucket with more orphans takes more passes (I8). */
export const SUSPECTS_MAX = 100_000;

/** What gc remembers of one file system (by its uuid). Errors are CompactError `queue-unavailable` (retry). */
export interface GcBook {
  position(): Promise<GcPosition | null>;
  setPosition(position: GcPosition | null): Promise<void>;
  /** All names that are noted; at most SUSPECTS_MAX. */
  suspects(): Promise<ReadonlyMap<string, Suspect>>;
  note(suspects: ReadonlyMap<string, Suspect>): Promise<void>;
  forget(names: readonly string[]): Promise<void>;
}
