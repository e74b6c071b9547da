/**
 * What the servers of the stand-in share: file systems, partitions, copysets with their leaders, the tables, the counter
 * of chunkIds. In a real cluster etcd and raft keep it; here all replicas see one copy, and a leader is a field. It holds
 * state and lookups; what a request does is in mds.ts and metaserver.ts.
 */
import { type Dentry, DentryTable, DIRECTORY } from './dentries.ts';
import { type InodeFields, type InodePlace, InodeTables, type Lists } from './records.ts';

export const TYPE_S3 = 4;
export const ROOT_INODE = 1n;
export const RECYCLE_INODE = 2n;
/** mds.conf: ids of a partition. */
export const PARTITION_INODES = 1_048_576n;
/** Ids that an MDS takes from etcd at a time; what is left of them is lost with it. */
const CHUNK_BUNDLE = 1000n;

/** FSType and FsStatus. */
export const FS_S3 = 2;
export const FS_INITED = 1;

export interface FilesystemRow {
  readonly fsId: number;
  readonly name: string;
  readonly bucket: string;
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly blockSize: number;
  readonly chunkSize: number;
  readonly objectPrefix: number;
  readonly fsType: number;
  readonly status: number;
}

export interface Partition {
  readonly fsId: number;
  readonly partitionId: number;
  readonly copysetId: number;
  readonly start: bigint;
  readonly end: bigint;
  txId: bigint;
  nextId: bigint;
  deleting: boolean;
}

export interface Copyset {
  readonly copysetId: number;
  /** Ids of the metaservers that host it. */
  readonly members: readonly number[];
  /** `null` while an election is under way. */
  leader: number | null;
  /** What the last heartbeat told the MDS. */
  reportedLeader: number;
}

export interface Commit {
  readonly place: InodePlace;
  readonly add: Lists;
  readonly remove: Lists;
}

export const POOL_ID = 1;

export class ClusterState {
  readonly tables = new InodeTables();
  readonly dentries = new DentryTable();
  readonly filesystems = new Map<number, FilesystemRow>();
  readonly partitions: Partition[] = [];
  readonly copysets = new Map<number, Copyset>();
  /** Every GetOrModifyS3ChunkInfo that took effect and removed something. */
  readonly commits: Commit[] = [];
  /** What a client must never do. */
  readonly violations: string[] = [];
  /** Runs once, between the two steps of the next GetInode. */
  tear: (() => void) | undefined;
  appliedIndex = 1n;
  #nextChunkId = 1n;
  #bundleEnd = 1n;

  allocateChunks(count: bigint): bigint {
    while (this.#nextChunkId + count > this.#bundleEnd) this.#bundleEnd += CHUNK_BUNDLE;
    const begin = this.#nextChunkId;
    this.#nextChunkId += count;
    return begin;
  }

  /** Ids go on behind these. */
  passChunkId(chunkId: bigint): void {
    if (chunkId >= this.#nextChunkId) this.#nextChunkId = chunkId + 1n;
  }

  /** Another MDS took over: what was left of the bundle is lost. */
  dropBundle(): void {
    if (this.#nextChunkId < this.#bundleEnd) this.#nextChunkId = this.#bundleEnd;
  }

  partitionOf({ fsId, inodeId }: InodePlace): Partition {
    const found = this.partitions.find((one) => one.fsId === fsId && one.start <= inodeId && inodeId <= one.end);
    if (found === undefined) throw new RangeError(`no partition has inode ${fsId}/${inodeId}`);
    return found;
  }

  /** A new partition of the file system, on the copysets in turn. */
  addPartition(fsId: number, start?: bigint, end?: bigint): Partition {
    const own = this.partitions.filter((one) => one.fsId === fsId);
    const begin = start ?? BigInt(own.length) * PARTITION_INODES;
    const ids = [...this.copysets.keys()];
    const partition: Partition = {
      fsId,
      partitionId: this.partitions.length + 1,
      copysetId: ids[this.partitions.length % ids.length] ?? 1,
      start: begin,
      end: end ?? begin + PARTITION_INODES - 1n,
      txId: 0n,
      nextId: begin > 3n ? begin : 3n,
      deleting: false,
    };
    this.partitions.push(partition);
    return partition;
  }

  newInodeId(fsId: number): bigint {
    const partition = this.partitions.find((one) => one.fsId === fsId && one.nextId <= one.end);
    if (partition === undefined) throw new RangeError(`file system ${fsId} has no partition with room`);
    return partition.nextId++;
  }

  /** An inode without an entry in any directory. */
  putInode(place: InodePlace, fields: Partial<InodeFields> = {}): void {
    const seconds = BigInt(Math.floor(Date.now() / 1000));
    const times = { mtime: seconds, mtimeNs: 0, ctime: seconds, ctimeNs: 0 };
    this.tables.put(place, { length: 0n, nlink: 1, type: TYPE_S3, parent: [], ...times, ...fields });
  }

  addEntry(fsId: number, entry: Pick<Dentry, 'parentInodeId' | 'name' | 'inodeId'> & Partial<Dentry>): void {
    this.dentries.put({ fsId, txId: 0n, flag: 0, type: TYPE_S3, ...entry });
  }

  /** A new file or directory; returns its id. */
  create(fsId: number, parentInodeId: bigint, name: string, fields: Partial<InodeFields> = {}): bigint {
    const inodeId = this.newInodeId(fsId);
    const type = fields.type ?? TYPE_S3;
    this.putInode({ fsId, inodeId }, { nlink: type === DIRECTORY ? 2 : 1, ...fields, type, parent: [parentInodeId] });
    this.addEntry(fsId, { parentInodeId, name, inodeId, type });
    return inodeId;
  }
}
