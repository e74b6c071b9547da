/**
 * The words of the CurveFS layout as readonly data: what every other module passes around.
 * It stands alone so that pure planning, ports and adapters agree on shapes without knowing each other.
 * It must hold no behaviour and import nothing.
 *
 * Units: offsets and lengths are bytes as `number` (refused above 2^53); ids are `bigint` (they pass 2^53);
 * extents are half-open `[begin, end)`; every offset is a FILE offset unless its name says otherwise.
 */

/** Ids are unsigned 64-bit numbers. */
export const UINT64_MAX = 2n ** 64n - 1n;

/** Low bits of an attempt's id that its merged versions count in; 0 in the id itself. */
export const MERGED_VERSION_BITS = 12;

/** A file: the file system it belongs to and its number there. */
export interface InodeKey {
  readonly fsId: number;
  readonly inodeId: bigint;
}

/** 0: flat names; 1: directories by inode id / 1000 / 1000; 2: directories by inode id mod 256. */
export type ObjectPrefix = 0 | 1 | 2;

/** Block and chunk size of a file system, bytes; `chunkSize` is a multiple of `blockSize`. */
export interface Geometry {
  readonly blockSize: number;
  readonly chunkSize: number;
}

export interface Filesystem extends Geometry {
  readonly fsId: number;
  /** Identity that survives a re-used fsId; reap records carry it. */
  readonly uuid: string;
  readonly name: string;
  readonly bucket: string;
  readonly objectPrefix: ObjectPrefix;
  readonly endpoint?: string;
  readonly region?: string;
  /** Its clients keep the CRC-32C of each object with it. */
  readonly keepsCrc32c?: boolean;
  /** In which its clients store objects; absent: the bucket's own. */
  readonly storageClass?: string;
  /** The chunkIds up to here will not be given out again; a server that lost its last writes gives out the ones above again. Absent: not known. */
  readonly lastChunkId?: bigint;
}

export interface Inode {
  readonly key: InodeKey;
  readonly length: number;
  readonly nlink: number;
  readonly mtimeMs: number;
  /** When anything of the inode was last changed, if the service tells and it is not `mtimeMs`, which programs may set. */
  readonly changedMs?: number;
  /** `s3` for a file kept in objects; anything else is not ours to touch. */
  readonly type: string;
  /** The fence: the attempt that may commit now, if any. */
  readonly attempt?: bigint;
}

/** One immutable version of a part of a chunk. Position in the chunk list is the only precedence: the last wins. */
export interface S3ChunkInfo {
  readonly chunkId: bigint;
  readonly compaction: bigint;
  readonly offset: number;
  readonly len: number;
  /** Kept as written; no reader uses it. */
  readonly size: number;
  /** Reads as zeros and has no object. */
  readonly zero: boolean;
}

/** The part of the file that a version covers. */
export type Extent = Pick<S3ChunkInfo, 'offset' | 'len'>;

/** A version and its position in a chunk list. */
export interface PlacedVersion {
  readonly position: number;
  readonly version: S3ChunkInfo;
}

/** The bytes of one block of one version; `blockIndex` counts within the chunk. */
export interface ObjectId {
  readonly chunkId: bigint;
  readonly compaction: bigint;
  readonly blockIndex: number;
}

/** A half-open range of file offsets and the version (by its position in the chunk list) whose bytes are read there. */
export interface ValidRange {
  readonly begin: number;
  readonly end: number;
  readonly version: number;
}

/** A copy out of one range read into the merged object; all in bytes. */
export interface Copy {
  /** Offset in the bytes that were read. */
  readonly from: number;
  /** Offset in the merged object. */
  readonly to: number;
  readonly len: number;
}

/** One ranged GET of a source object and where its bytes go. */
export interface SourceRead<Source = ObjectId> {
  readonly source: Source;
  /** Offset in the source object, bytes. */
  readonly offset: number;
  readonly len: number;
  readonly copies: readonly Copy[];
}

/**
 * One object to write: in block `blockIndex`, file extent `[begin, end)`, a part of the block or all that is visible in it.
 * What no copy fills is zero.
 */
export interface MergedBlock<Source = ObjectId> {
  readonly blockIndex: number;
  readonly begin: number;
  readonly end: number;
  readonly reads: readonly SourceRead<Source>[];
}

/** One object to write; its sources are named as the plan knows them, or the store. */
export interface MergeTask<Source = ObjectId> {
  readonly name: string;
  readonly block: MergedBlock<Source>;
}

/** A version to write: blocks that follow each other without a gap. Its names come from the attempt. */
export interface MergedVersion {
  readonly offset: number;
  readonly len: number;
  readonly blocks: readonly MergedBlock[];
  /** It lies above the kept versions, because one of them reaches under it; the others lie below and are disjoint. */
  readonly above: boolean;
}

/** What a plan moves. Reads and writes are S3 requests; bytes are payload. */
export interface PlanCost {
  readonly readRequests: number;
  readonly readBytes: number;
  readonly writeRequests: number;
  readonly writeBytes: number;
}

/** What a plan saves. */
export interface PlanGain {
  /** GETs of one full sequential read, before and after. */
  readonly getsBefore: number;
  readonly getsAfter: number;
  readonly versionsBefore: number;
  readonly versionsAfter: number;
  readonly objectsBefore: number;
  readonly objectsAfter: number;
  /** Bytes of objects that a reader sees; compaction changes none of them. */
  readonly visibleBytes: number;
  /** Bytes of the objects that the lists reference, before and after. */
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
}

/**
 * What to do with one chunk: `replaced` (exactly the versions read) becomes `merged`, `kept` in their old order, and those of
 * `merged` that lie above.
 */
export interface ChunkPlan {
  readonly chunkIndex: number;
  readonly replaced: readonly S3ChunkInfo[];
  readonly kept: readonly S3ChunkInfo[];
  readonly merged: readonly MergedVersion[];
  /** The lowest chunkId of `replaced`: whatever arrives later sorts above the merged versions. */
  readonly mergedChunkId: bigint;
  /** How many merged versions the attempt has made in other chunks: no two of them have one number (I3). */
  readonly mergedBefore?: number;
  /** Set when bytes beyond the length are dropped: the commit then requires this very length. */
  readonly requiredLength?: number;
  /** Set when versions above the replaced ones hide some of them: the commit then requires the last one to be there. */
  readonly requiredAbove?: PlacedVersion;
  readonly cost: PlanCost;
  readonly gain: PlanGain;
  /** Benefit for cost; larger is better; comparable between chunks and inodes. */
  readonly score: number;
  /** Blocks that would pay but did not fit the budget. */
  readonly blocksLeft: number;
  /** Set when more than 1.10 times the visible bytes stay stored. */
  readonly waste?: PlanWaste;
}

/** Why a plan leaves stored bytes that nobody reads, and what it would take to leave none, bytes read plus written. */
export interface PlanWaste {
  /** `price`: the storage price is 0; `budget`: it did not fit; `list`: small holes would keep the list too long. */
  readonly why: 'price' | 'budget' | 'list';
  readonly bytesToMove: number;
}

/** What one run may spend; `Infinity` means no limit. */
export interface ChunkBudget {
  /** Payload read plus written, bytes. */
  readonly bytes: number;
  /** GET plus PUT requests. */
  readonly requests: number;
  /** Merged versions: an attempt can name 2,048. */
  readonly mergedVersions: number;
}

export interface PlanPolicy {
  /** A chunk with more versions than this qualifies. */
  readonly fragmentThreshold: number;
  /** Two ranges of one object at most this far apart are one GET, bytes. */
  readonly readGapBytes: number;
  /**
   * The dial: bytes that may be moved for each GET that a full read saves. Absent, or a chunk's size and more: whatever it
   * takes, so every block that is read from more than one object becomes one.
   */
  readonly bytesPerGet?: number;
  /**
   * Bytes that may be moved for each byte that need not be stored any more (docs/adr/0032). Absent or 0: stored bytes cost
   * nothing, holes are filled, and a plan may store more than before.
   */
  readonly storagePrice?: number;
  /** Merged versions never lie above kept ones: for a metadata service that orders lists by chunkId. */
  readonly mergedFirst?: boolean;
  /** What is at rest, where that is known: a GET is worth more there, and less elsewhere (docs/adr/0040). */
  readonly rest?: RestMark;
}

/** Ids and attempts up to these were given out long enough ago; later ones name what is new. */
export interface RestMark {
  readonly chunkId: bigint;
  readonly compaction: bigint;
  /** For people: what is new was written after this, and is at rest from `againMs` on, where that is known; ms by the ledger's clock. */
  readonly atMs?: number;
  readonly againMs?: number;
}

/** Chunks that are worth it once they are at rest, and not yet. */
export interface Resting {
  readonly chunks: number;
  /** They were written later than this, ms. */
  readonly afterMs: number;
  /** When a run is to come again, ms; absent: so long after the next run or scan as the setting says. */
  readonly againMs?: number;
}

/** What a chunk takes in the bucket, bytes, and how much of it a reader sees. */
export interface ChunkSpace {
  readonly storedBytes: number;
  readonly visibleBytes: number;
}

/** The planner's answer for one chunk. `overBudget` tells what the cheapest block would have cost. */
export type ChunkDecision =
  | ({ readonly kind: 'nothing' } & ChunkSpace)
  | { readonly kind: 'plan'; readonly plan: ChunkPlan }
  | ({ readonly kind: 'overBudget'; readonly cheapestBytes: number; readonly cheapestRequests: number } & ChunkSpace);
