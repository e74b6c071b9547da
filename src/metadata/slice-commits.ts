/**
 * What compacting a volume in the slice layout changes in its metadata: the second port beside `slice-volume.ts`, which
 * only reads. Only `compact` and `reap` get it. It must hold no policy.
 *
 * An attempt is one number. Its fence goes from `open` to `committed` or to `cleared`, each in one atomic step, and is
 * forgotten when nothing is left to do: what became of an attempt is read there, whatever has become of the list since.
 * Errors are CompactError, as of `port.ts`; doubt in a record or a count is `record-malformed` (halt), with the inode.
 */
import type { SliceRecord } from '../layout/slices/index.ts';
import type { CommitOutcome } from './port.ts';

/** A commit replaces at most this many records, as a client's own does; a longer list goes prefix by prefix. */
export const COMMIT_RECORDS_MAX = 1_000;
/** So many ids are taken at a time at most. */
export const SLICE_IDS_MAX = 2_048;

/** `[first, first + count)`: ids that nobody else is given. */
export interface OwnIds {
  readonly first: bigint;
  readonly count: number;
}

export function isOwnId({ first, count }: OwnIds, id: bigint): boolean {
  return id >= first && id < first + BigInt(count);
}

/** The first of the ids that were asked for; or how long to wait for some that are old enough. */
export type TakenIds =
  | { readonly first: bigint; readonly nowMs: number }
  | { readonly first: null; readonly waitMs: number };

export interface SliceFence {
  readonly attempt: bigint;
  readonly inodeId: bigint;
  readonly chunkIndex: number;
  /** By the metadata server's clock (`TakenIds.nowMs`): from then on nothing is begun or committed. */
  readonly deadlineMs: number;
}

export interface SliceCommitRequest {
  readonly fence: SliceFence;
  /** Exactly the records that were read: the list must still begin with them (I5). */
  readonly replaced: readonly SliceRecord[];
  /** Ascending and disjoint. */
  readonly replacement: readonly SliceRecord[];
  /** Of this attempt: the first names the delayed delete of what is let go, the others are for new slices. */
  readonly ids: OwnIds;
  /** What is let go counts as replaced so much later. */
  readonly delayMs: number;
}

export type RetiredSlice = Pick<SliceRecord, 'id' | 'size'>;

/**
 * `absent`: it never began, or nothing is left to do. `cleared`: it never commits. `committed`: what it let go waits as a
 * delayed delete. `deleting`: these slices have no reference any more, and their objects are to be deleted.
 */
export type FenceState =
  | { readonly state: 'absent' | 'cleared' | 'committed' }
  | { readonly state: 'deleting'; readonly slices: readonly RetiredSlice[] };

export interface SliceCommits {
  /** Names this volume in reap records. */
  readonly storeId: string;
  /** Which life of the server it is; another text after each restart or failover. Throws `metadata-unavailable` (retry) where it does not say. */
  incarnation(): Promise<string>;
  /** The same, of the server that everybody writes to. Throws `metadata-unavailable` (retry) when that is not certain. */
  confirmPrimary(): Promise<string>;
  /**
   * `highestKnown`: the largest id that a list names; a volume whose counter is behind it gives ids out again. Each life of
   * the server gives other ids.
   */
  takeIds(count: number, highestKnown: bigint): Promise<TakenIds>;
  /** `late`: the deadline is over. */
  begin(fence: SliceFence): Promise<'begun' | 'taken' | 'late'>;
  /** Never throws for an outcome: what cannot be known is `unknown`. */
  commit(request: SliceCommitRequest): Promise<CommitOutcome>;
  /**
   * From here on the attempt cannot commit any more; what became of it. `anew`: where nothing is known of it, it is `cleared`
   * from now on; only for an attempt that is known not to have committed.
   */
  clear(attempt: bigint, anew?: boolean): Promise<FenceState>;
  /**
   * Of a committed attempt: takes the references of what it let go, unless a client has, and answers which slices nothing
   * names any more. `early`: it is not due.
   */
  release(attempt: bigint): Promise<FenceState | 'early'>;
  /** Nothing is left to do for this attempt. `gone`: slices whose objects are deleted. */
  forget(attempt: bigint, gone?: readonly RetiredSlice[]): Promise<void>;
  /** Throws what the server has against the other calls (`metadata-refused`, `metadata-unavailable`); changes nothing. */
  tryRights(): Promise<void>;
}
