/**
 * What compaction needs of a metadata service. Adapters (Redis, CurveFS) implement it; `compact`, `reap`, `scan`
 * and the tests see nothing else. It must hold no policy: what to replace is decided by the planner.
 *
 * Errors are CompactError: `metadata-unavailable` (retry; nothing is known to have happened), `metadata-refused`
 * (halt; the server answered and said no: credentials, read-only, wrong type), `record-malformed`, `inode-malformed`,
 * `filesystem-malformed` (halt). Every call ends within the adapter's time-out.
 */
import { CompactError } from '../errors.ts';
import {
  type Filesystem,
  type Inode,
  type InodeKey,
  MERGED_VERSION_BITS,
  type PlacedVersion,
  type S3ChunkInfo,
} from '../model.ts';

/** The inode and a part of one chunk list, read in one atomic step. */
export interface ChunkSnapshot {
  /** `null` when the inode does not exist. */
  readonly inode: Inode | null;
  /** Oldest first; at most the asked number. */
  readonly versions: readonly S3ChunkInfo[];
  /** Versions in the whole list. */
  readonly versionsTotal: number;
}

/** A commit replaces, and writes, at most this many versions; a longer list goes prefix by prefix. */
export const COMMIT_VERSIONS_MAX = 100_000;

/** A call of `readLists` takes at most so many inodes … */
const LIST_KEYS_MAX = 1_000;
/** … and so many versions of a list. */
export const LIST_VERSIONS_MAX = 1_000;

export interface CommitRequest {
  readonly key: InodeKey;
  readonly chunkIndex: number;
  /** The fence that `begin` stored; the commit happens only while it stands. */
  readonly attempt: bigint;
  /** Exactly the versions that were read: the list must still start with them (I5). At least one. */
  readonly replaced: readonly S3ChunkInfo[];
  readonly replacement: readonly S3ChunkInfo[];
  /** Where the plan trims beyond the length: the inode must still have it. */
  readonly requiredLength?: number;
  /**
   * Where the plan drops what versions above the replaced ones hide (docs/adr/0013): the last of those that it saw must
   * still be at its position. Lists change by appends and by commits of their head only, so all below it is there, too.
   */
  readonly requiredAbove?: PlacedVersion;
  /**
   * For a time-bound store, which keeps no fence: called between its look at the list and the write, as late as it can.
   * What it throws ends the commit; nothing is sent.
   */
  readonly beforeSend?: () => Promise<void>;
}

export type StaleReason = 'fence' | 'missing' | 'unlinked' | 'not-s3' | 'length';

/** I6: a commit ends as committed, conflict (the list changed), stale (the inode changed) or unknown. */
export type CommitOutcome =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'conflict' }
  | { readonly outcome: 'stale'; readonly reason: StaleReason }
  | { readonly outcome: 'unknown'; readonly cause: Error };

/** `taken`: this very number stands there already, so it is another attempt's (I3). */
export type BeginOutcome = 'begun' | 'missing' | 'unlinked' | 'not-s3' | 'taken';

/** A part of a walk over all inodes of a file system. */
export interface InodePage {
  readonly keys: readonly InodeKey[];
  /** Where a later walk goes on behind this page; `null` at the end. Opaque text, at most `CURSOR_LENGTH_MAX` long. */
  readonly cursor: string | null;
  /** The walk began anew, because the cursor that it was given does not fit any more. */
  readonly restarted: boolean;
}

export const CURSOR_LENGTH_MAX = 1_000;

/** One chunk list as a walk sees it. */
export interface ChunkList {
  readonly chunkIndex: number;
  /** Oldest first; `null` when there are more than were asked for: then `readChunk` has it. */
  readonly versions: readonly S3ChunkInfo[] | null;
}

/**
 * A part of an inode and its lists, not of one moment: for scores, not for commits. The parts of one inode come one after
 * the other; `last` is the end of it. `error`: this inode cannot be read (halt); nothing else of it comes.
 */
export type InodePart =
  | {
      readonly key: InodeKey;
      readonly inode: Inode | null;
      readonly chunks: readonly ChunkList[];
      readonly last: boolean;
    }
  | { readonly key: InodeKey; readonly error: CompactError; readonly last: true };

/**
 * What a commit of this store promises. `fenced`: it compares the content of the list, and nothing of an
 * attempt is applied once its fence is gone. `time-bound`: the service compares nothing and keeps no fence (CurveFS). The
 * adapter compares before it sends; what was sent may still be applied until lease and deadline are over, whatever has
 * happened to the list since, so until then nobody may conclude anything from a list that looks old.
 */
export type CommitForm = 'fenced' | 'time-bound';

/** An inode, and the incarnation that was asked for before its lists were read. */
export interface ServerLook {
  readonly key: InodeKey;
  readonly incarnation: string;
}

export interface MetadataStore {
  readonly commitForm: CommitForm;
  /** Names this store in reap records, e.g. `redis:fs`; a record of another store is not ours to judge. */
  readonly storeId: string;
  /** `null` when there is no such file system. */
  getFilesystem(fsId: number): Promise<Filesystem | null>;
  /** `null` when there is no such inode. */
  getInode(key: InodeKey): Promise<Inode | null>;
  /**
   * The keys of all linked S3 files of a file system, and perhaps of other inodes, in pages that may be empty: each that
   * is there from the call to the end at least once, in no order. A key may come twice. Memory does not grow with the
   * number of inodes. With the cursor of an earlier page the walk goes on behind it: both walks together have seen every
   * inode that was there all the time. A cursor that cannot promise that any more is not used: the first page says so.
   */
  inodePages(fsId: number, cursor?: string): AsyncIterable<InodePage>;
  /**
   * Many inodes with their chunk lists, in few requests, for scores; at most `LIST_KEYS_MAX` keys. Lists longer than
   * `versionsMax` (at most `LIST_VERSIONS_MAX`) come as `null`. An inode that is no linked S3 file comes without its
   * lists. Memory is bounded whatever the inodes are like.
   */
  readLists(keys: readonly InodeKey[], versionsMax: number): AsyncIterable<InodePart>;
  /** The chunk indexes that have a list, each once, in no order. Throws at the end (halt) when a list is known to be missing among them. */
  chunkIndexes(key: InodeKey): AsyncIterable<number>;
  /**
   * Which life of the servers that keep this inode, and give out its chunkIds, it is: another text after each restart or
   * failover, since a server may have lost its last writes then. A service that never loses them gives a constant. Empty
   * where it cannot be known: that is another one each time.
   */
  incarnation(key: InodeKey): Promise<string>;
  /**
   * Right before objects of these inodes are deleted: the servers that kept them when their lists were read are still the
   * ones that everybody writes to. Throws `metadata-unavailable` (retry) when that is not certain. A service whose reads
   * are those of a majority has nothing to do here.
   */
  confirmPrimary(looks: readonly ServerLook[]): Promise<void>;
  /** At most `versionsMax` versions from the position `from` on; absent: from the first. */
  readChunk(key: InodeKey, chunkIndex: number, versionsMax: number, from?: number): Promise<ChunkSnapshot>;
  /** Stores the fence on a linked S3 inode, replacing any other attempt's; time-bound: only looks, and never says `taken`. */
  begin(key: InodeKey, attempt: bigint): Promise<BeginOutcome>;
  /** Never throws for an outcome: what cannot be known is `unknown`. */
  commit(request: CommitRequest): Promise<CommitOutcome>;
  /**
   * Compare-and-delete of the fence: `true` when it stood and is now gone, `false` when it was not (or no longer) there;
   * time-bound: always `false`.
   */
  clearFence(key: InodeKey, attempt: bigint): Promise<boolean>;
  close(): Promise<void>;
}

/** Throws TypeError for more than a call of `readLists` takes (I8). */
export function checkListBounds(keys: readonly InodeKey[], versionsMax: number): void {
  if (keys.length <= LIST_KEYS_MAX && versionsMax >= 1 && versionsMax <= LIST_VERSIONS_MAX) return;
  throw new TypeError(`readLists takes ${LIST_KEYS_MAX} inodes and ${LIST_VERSIONS_MAX} versions at most`);
}

/** Throws `metadata-refused` (halt) for more, or less, than a commit takes (I8). */
export function checkCommitBounds({ key, replaced, replacement }: CommitRequest): void {
  if (replaced.length >= 1 && Math.max(replaced.length, replacement.length) <= COMMIT_VERSIONS_MAX) return;
  throw new CompactError(
    `a commit replaces 1 to ${COMMIT_VERSIONS_MAX} versions by at most as many, not ${replaced.length} by ${replacement.length}; nothing was sent`,
    { kind: 'halt', code: 'metadata-refused' },
  ).withInode(key);
}

/** What is wrong with one inode must not end a walk over all, and is returned; anything else does, and is thrown. */
export function damageOf(error: unknown): CompactError {
  if (error instanceof CompactError && error.kind === 'halt' && error.inode !== undefined) return error;
  throw error;
}

/** A merged version of the request's own attempt, whose id has room to count them: only this commit can bring it (I3). */
export function ownVersion({ attempt, replacement }: CommitRequest): S3ChunkInfo | undefined {
  const end = attempt + (1n << BigInt(MERGED_VERSION_BITS));
  return replacement.find(({ compaction }) => compaction >= attempt && compaction < end);
}

/** All keys of `inodePages`, one by one. */
export async function* inodeKeys(metadata: Pick<MetadataStore, 'inodePages'>, fsId: number): AsyncGenerator<InodeKey> {
  for await (const page of metadata.inodePages(fsId)) yield* page.keys;
}
