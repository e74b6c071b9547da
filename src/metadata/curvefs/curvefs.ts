/**
 * The metadata store of a CurveFS cluster, spoken to as its own clients do. It holds the calls and the meaning of their
 * answers; where to send them is beside it. A metaserver compares no content and knows no fence: what it cannot exclude
 * is kept out by rule and by time (docs/adr), in policy. It must hold no policy, and never send a commit twice.
 */
import { printInodeKey } from '../../format.ts';
import type { Filesystem, Inode, InodeKey } from '../../model.ts';
import type { Address } from '../../urls/curvefs.ts';
import {
  type BeginOutcome,
  type ChunkSnapshot,
  type CommitOutcome,
  type CommitRequest,
  checkListBounds,
  damageOf,
  type InodePage,
  type InodePart,
  type MetadataStore,
} from '../port.ts';
import type { StoreKeys } from '../slice-volume.ts';
import { Channels, Deadline } from './channel.ts';
import { commitChunkList } from './commit.ts';
import { toChunkLists, toFilesystem, toInode, type WholeInode } from './convert.ts';
import { filesystemMalformed, inodeMalformed, unavailable } from './faults.ts';
import { type CopysetHealth, copysetHealth } from './health.ts';
import { Mds } from './mds.ts';
import { Metaservers } from './metaservers.ts';
import { type FsInfo, getFsInfo, listClusterFsInfo } from './proto/mds.ts';
import { getInode } from './proto/metaserver.ts';
import { Snapshots } from './snapshots.ts';
import { Topology } from './topology.ts';
import { fileAttributes, walkFiles } from './walk.ts';

interface CurvefsMetadataOptions {
  readonly mds: readonly Address[];
  /** How long one call of the port may take, its tries included; default 10 s. */
  readonly timeoutMs?: number;
  /** The S3 server, instead of the one that the MDS names. */
  readonly endpoint?: string;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Inodes whose lists are read ahead: each may have some megabytes of them, and comes whole whatever its size. */
const AHEAD_MAX = 16;

interface Deps {
  readonly topology: Topology;
  readonly channels: Channels;
  readonly metaservers: Metaservers;
  /** Of one call of the port. */
  readonly timeoutMs: number;
}

/** MetadataStore on CurveFS; see the port for the calls and their errors. */
export class CurvefsMetadata implements MetadataStore {
  readonly storeId = 'curvefs';
  readonly commitForm = 'time-bound';
  readonly #endpoint: string | undefined;
  readonly #mds: Mds;
  readonly #deps: Deps;
  readonly #snapshots = new Snapshots();

  constructor({ mds, timeoutMs = DEFAULT_TIMEOUT_MS, endpoint }: CurvefsMetadataOptions) {
    this.#endpoint = endpoint;
    const channels = new Channels();
    this.#mds = new Mds(mds, channels);
    const topology = new Topology(this.#mds, channels);
    const ways = { topology, channels, timeoutMs };
    this.#deps = { ...ways, metaservers: new Metaservers(ways) };
  }

  async getFilesystem(fsId: number): Promise<Filesystem | null> {
    const info = await this.#fsInfo(fsId);
    return info === null ? null : toFilesystem(info, this.#endpoint);
  }

  /** All file systems of the cluster, as the MDS names them. */
  async filesystems(): Promise<readonly FsInfo[]> {
    return (await this.#mds.call(listClusterFsInfo, {}, this.#deadline())).fsInfo;
  }

  /** The keys that the MDS keeps for a file system's bucket. Never print them. */
  async s3Keys(fsId: number): Promise<StoreKeys> {
    const s3Info = (await this.#fsInfo(fsId))?.detail.s3Info;
    if (s3Info === undefined) throw filesystemMalformed(fsId, 'has no S3 bucket');
    return { accessKeyId: s3Info.ak, secretAccessKey: s3Info.sk };
  }

  async getInode(key: InodeKey): Promise<Inode | null> {
    const { fsId, inodeId } = key;
    const found = (await fileAttributes({ fsId, inodeIds: [inodeId] }, this.#deps)).get(inodeId);
    return found === undefined ? null : toInode(key, found);
  }

  async *inodePages(fsId: number, cursor?: string): AsyncGenerator<InodePage> {
    const info = await this.#fsInfo(fsId);
    if (info === null) {
      yield { keys: [], cursor: null, restarted: cursor !== undefined };
      return;
    }
    yield* walkFiles({ fsId, rootId: info.rootInodeId, cursor }, this.#deps);
  }

  /** One call for each inode, several at a time, given out in the order they were asked for. */
  async *readLists(keys: readonly InodeKey[], versionsMax: number): AsyncGenerator<InodePart> {
    checkListBounds(keys, versionsMax);
    const ahead: Promise<InodePart>[] = [];
    let next = 0;
    while (ahead.length > 0 || next < keys.length) {
      for (let key = keys[next]; key !== undefined && ahead.length < AHEAD_MAX; key = keys[++next]) {
        const part = this.#part(key, versionsMax);
        // Its failure is reported when its turn comes.
        part.catch(() => undefined);
        ahead.push(part);
      }
      const first = ahead.shift();
      if (first !== undefined) yield await first;
    }
  }

  async #part(key: InodeKey, versionsMax: number): Promise<InodePart> {
    try {
      const whole = await this.#whole(key);
      if (whole === null) return { key, inode: null, chunks: [], last: true };
      const { inode, lists } = whole;
      if (inode.type !== 's3' || inode.nlink <= 0) return { key, inode, chunks: [], last: true };
      const chunks = [...lists].map(([chunkIndex, versions]) => ({
        chunkIndex,
        versions: versions.length > versionsMax ? null : versions,
      }));
      return { key, inode, chunks, last: true };
    } catch (error) {
      return { key, error: damageOf(error), last: true };
    }
  }

  /** The lists that are read while the indexes are walked come from the same call, if that is not long ago. */
  async *chunkIndexes(key: InodeKey): AsyncGenerator<number> {
    const whole = await this.#whole(key);
    if (whole === null) return;
    const forget = this.#snapshots.keep(key, whole);
    try {
      yield* whole.lists.keys();
    } finally {
      forget();
    }
  }

  async incarnation(): Promise<string> {
    // Raft: an acknowledged write is not lost with a server, and a chunkId is not given out twice.
    return 'raft';
  }

  async confirmPrimary(): Promise<void> {
    // Raft: only a leader that a majority follows commits, and its next leader has all that it acknowledged.
  }

  async readChunk(key: InodeKey, chunkIndex: number, versionsMax: number, from = 0): Promise<ChunkSnapshot> {
    const whole = this.#snapshots.take(key, chunkIndex) ?? (await this.#whole(key));
    if (whole === null) return { inode: null, versions: [], versionsTotal: 0 };
    const versions = whole.lists.get(chunkIndex) ?? [];
    const part = from > 0 || versions.length > versionsMax ? versions.slice(from, from + versionsMax) : versions;
    return { inode: whole.inode, versions: part, versionsTotal: versions.length };
  }

  /** There is no fence to set; the answer tells whether the inode is one to work on. */
  async begin(key: InodeKey): Promise<BeginOutcome> {
    const inode = await this.getInode(key);
    if (inode === null) return 'missing';
    if (inode.type !== 's3') return 'not-s3';
    return inode.nlink > 0 ? 'begun' : 'unlinked';
  }

  commit(request: CommitRequest): Promise<CommitOutcome> {
    return commitChunkList(request, {
      ...this.#deps,
      nowMs: () => performance.now(),
      read: (key) => this.#whole(key),
      attributes: (key) => this.getInode(key),
    });
  }

  /** There is none. */
  async clearFence(): Promise<boolean> {
    return false;
  }

  /** How the metaservers of a file system look from here. Throws where the MDS does not tell which they are. */
  health(fsId: number): Promise<readonly CopysetHealth[]> {
    return copysetHealth(fsId, this.#deps);
  }

  async close(): Promise<void> {
    this.#deps.channels.close();
  }

  #deadline(): Deadline {
    return new Deadline(this.#deps.timeoutMs);
  }

  async #fsInfo(fsId: number): Promise<FsInfo | null> {
    const { statusCode, fsInfo } = await this.#mds.call(getFsInfo, { fsId }, this.#deadline());
    if (statusCode === 'NOT_FOUND') return null;
    if (statusCode === 'UNDER_DELETING') throw filesystemMalformed(fsId, 'is being deleted');
    if (statusCode !== 'OK' || fsInfo === undefined) {
      throw unavailable(`the MDS cannot tell of file system ${fsId}: ${statusCode}`);
    }
    return fsInfo;
  }

  /** Never with `supportStreaming`: then the lists always come whole in the reply. */
  async #whole(key: InodeKey): Promise<WholeInode | null> {
    const response = await this.#deps.metaservers.read(key, {
      method: getInode,
      request: ({ poolId, copysetId, partitionId }) => ({ poolId, copysetId, partitionId, ...key }),
    });
    if (response === null || response.statusCode === 'NOT_FOUND') return null;
    const { inode: message } = response;
    if (response.statusCode !== 'OK')
      throw unavailable(`the metaserver cannot read inode ${printInodeKey(key)}: ${response.statusCode}`);
    if (message === undefined || response.streaming === true)
      throw inodeMalformed(key, 'the metaserver answered without the inode');
    return { inode: toInode(key, message), lists: toChunkLists(key, message) };
  }
}
