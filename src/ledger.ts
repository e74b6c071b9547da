/**
 * The reap ledger: a port for the durable records that make every object of an attempt either named or deleted
 * (DESIGN §4.2-3). `compact` writes them, `reap` works them off, `queue` keeps them. It holds no behaviour.
 *
 * All times are milliseconds of the ledger's one clock, the queue Redis's TIME (DESIGN §4.9).
 */
import type { InodeKey } from './model.ts';

/** A record holds at most this many names; a larger plan writes several. */
export const REAP_NAMES_MAX = 10_000;

/** What an attempt leaves behind for one chunk, whichever way it ends. JSON-able but for the ids. */
export interface ReapRecord {
  /** `MetadataStore.storeId`. */
  readonly storeId: string;
  readonly fsUuid: string;
  readonly bucket: string;
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
  /** Not to be looked at before. */
  readonly dueMs: number;
  /** When the commit was known to have happened; absent while the attempt runs, or died. */
  readonly stampMs?: number;
  /** Names that the first look of an unstamped record found unnamed. */
  readonly unnamed?: readonly string[];
  /** When a look first found the inode missing. */
  readonly missingSinceMs?: number;
  /** Looks that ended in doubt, for the back-off. */
  readonly doubts?: number;
}

/** How `compact` sees the ledger. Errors are CompactError `queue-unavailable` (retry). */
export interface ReapLedger {
  /** The ledger's clock. */
  nowMs(): Promise<number>;
  /** Makes a record durable before any of its objects exists; returns its id. */
  add(record: ReapRecord): Promise<string>;
  /** Replaces the record and makes it due at its `dueMs`; adds it anew if it is gone or in work. */
  stamp(id: string, record: ReapRecord): Promise<void>;
  /**
   * Makes an unstamped record due now, because its attempt is known to be over. Adds it anew if it is gone or in work: a
   * worker that was paused past its lease may have written an object after the record's last look at it.
   */
  expedite(id: string, record: ReapRecord): Promise<void>;
}
