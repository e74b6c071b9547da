/**
 * A metadata service in memory with the record semantics of a CurveFS metaserver (facts §2): what clients append are
 * records ordered by chunkId, what a commit removes is a range of ids, and nothing is compared or fenced. Commits go by
 * the adapter's own code, so that its looks and refusals are what is tried; sockets and leaders are left to test/metadata/curvefs/cluster.
 */
import { commitChunkList } from '../../src/metadata/curvefs/commit.ts';
import type { Metaservers, Written } from '../../src/metadata/curvefs/metaservers.ts';
import type {
  BeginOutcome,
  ChunkSnapshot,
  CommitOutcome,
  CommitRequest,
  InodePage,
  InodePart,
  MetadataStore,
} from '../../src/metadata/port.ts';
import { type Filesystem, type Inode, type InodeKey, type S3ChunkInfo, UINT64_MAX } from '../../src/model.ts';
import { InodeTables, OK, STORAGE_INTERNAL_ERROR, type Version } from '../metadata/curvefs/cluster/records.ts';
import { toOracle, toVersion } from '../metadata/curvefs/cluster/writer.ts';
import { Boundary, type Crossing, ProcessGone } from './boundary.ts';
import { type MemoryInode, MetadataState } from './memory-metadata.ts';

/** Metadata as a metaserver keeps it; `at` is a view. */
export class RecordState extends MetadataState {
  override readonly order = 'id';
  readonly tables = new InodeTables();

  override at(key: InodeKey): MemoryInode | undefined {
    const inode = super.at(key)?.inode;
    if (inode === undefined) return undefined;
    const lists = [...this.tables.lists(key)].map(([index, list]): [number, S3ChunkInfo[]] => [
      Number(index),
      list.map(toOracle),
    ]);
    return { inode, lists: new Map(lists) };
  }

  override change(key: InodeKey, fields: Partial<Pick<Inode, 'length' | 'nlink' | 'mtimeMs'>>): void {
    const found = super.at(key);
    if (found !== undefined) found.inode = { ...found.inode, ...fields };
  }

  override append(key: InodeKey, chunkIndex: number, version: S3ChunkInfo): void {
    const add = new Map([[BigInt(chunkIndex), [toVersion(version)]]]);
    const status = this.tables.modify(key, { add, remove: new Map() });
    if (status !== OK) throw new Error(`an append was answered with ${status}`);
  }

  override connect(
    boundary: Crossing = new Boundary(),
    nowMs: () => number = () => 0,
    _asksDemoted = false,
  ): MetadataStore {
    return new RecordMetadata(this, boundary, nowMs);
  }
}

/** As the settings of the simulated runs have it. */
const COMMIT_TIMEOUT_MS = 1_000;

interface Whole {
  readonly inode: Inode;
  readonly lists: ReadonlyMap<number, readonly S3ChunkInfo[]>;
}

/** What the builder of the adapter's request gives. */
interface ModifyRequest {
  readonly s3ChunkInfoAdd: ReadonlyMap<bigint, { readonly s3Chunks: readonly S3ChunkInfo[] }>;
  readonly s3ChunkInfoRemove: ReadonlyMap<bigint, { readonly s3Chunks: readonly S3ChunkInfo[] }>;
}

/** One process's view of it: each call is one request to the leader. */
export class RecordMetadata implements MetadataStore {
  readonly commitForm = 'time-bound';
  readonly storeId = 'records:fs';
  readonly #state: RecordState;
  readonly #boundary: Crossing;
  /** The process's monotonic clock. */
  readonly #nowMs: () => number;

  constructor(state: RecordState, boundary: Crossing, nowMs: () => number) {
    this.#state = state;
    this.#nowMs = nowMs;
    this.#boundary = boundary;
  }

  getFilesystem(fsId: number): Promise<Filesystem | null> {
    return this.#boundary.cross('metadata.getFilesystem', () => {
      const found = this.#state.filesystems.get(fsId);
      if (found === undefined) return null;
      // An MDS never gives a chunkId out twice.
      return { ...found, lastChunkId: UINT64_MAX };
    });
  }

  async getInode(key: InodeKey): Promise<Inode | null> {
    return (await this.#whole('metadata.getInode', key))?.inode ?? null;
  }

  async *inodePages(fsId: number): AsyncGenerator<InodePage> {
    const keys = await this.#boundary.cross('metadata.inodePages', () =>
      [...this.#state.inodes.values()].map(({ inode }) => inode.key),
    );
    yield { keys: keys.filter((key) => key.fsId === fsId), cursor: null, restarted: false };
  }

  async *readLists(keys: readonly InodeKey[]): AsyncGenerator<InodePart> {
    for (const key of keys) {
      const whole = await this.#whole('metadata.readLists', key);
      const chunks = [...(whole?.lists ?? [])].map(([chunkIndex, versions]) => ({ chunkIndex, versions }));
      yield { key, inode: whole?.inode ?? null, chunks, last: true };
    }
  }

  async *chunkIndexes(key: InodeKey): AsyncGenerator<number> {
    const whole = await this.#whole('metadata.chunkIndexes', key);
    for (const [chunkIndex, versions] of whole?.lists ?? []) if (versions.length > 0) yield chunkIndex;
  }

  async incarnation(): Promise<string> {
    return 'raft';
  }

  async confirmPrimary(): Promise<void> {}

  async readChunk(key: InodeKey, chunkIndex: number, versionsMax: number, from = 0): Promise<ChunkSnapshot> {
    const whole = await this.#whole('metadata.readChunk', key);
    const list = whole?.lists.get(chunkIndex) ?? [];
    return {
      inode: whole?.inode ?? null,
      versions: list.slice(from, from + versionsMax),
      versionsTotal: whole === null ? 0 : list.length,
    };
  }

  async begin(key: InodeKey): Promise<BeginOutcome> {
    const inode = (await this.#whole('metadata.begin', key))?.inode;
    if (inode === undefined) return 'missing';
    if (inode.type !== 's3') return 'not-s3';
    return inode.nlink > 0 ? 'begun' : 'unlinked';
  }

  commit(request: CommitRequest): Promise<CommitOutcome> {
    const write = (_: InodeKey, call: { request: (partition: object) => unknown }) => {
      // Right before it is sent: what the adapter looks at once more, it looks at now.
      const sent = call.request({ poolId: 1, copysetId: 1, partitionId: 1 }) as ModifyRequest;
      return this.#send(request, sent);
    };
    return commitChunkList(request, {
      metaservers: { write } as unknown as Metaservers,
      timeoutMs: COMMIT_TIMEOUT_MS,
      nowMs: this.#nowMs,
      read: (key) => this.#whole('metadata.readChunk', key),
      attributes: (key) => this.getInode(key),
    });
  }

  async clearFence(): Promise<boolean> {
    return false;
  }

  async close(): Promise<void> {}

  /** What is lost on the way may have been, or may yet be, carried out. */
  async #send(request: CommitRequest, sent: ModifyRequest): Promise<Written<{ readonly statusCode: string }>> {
    try {
      const status = await this.#boundary.cross('metadata.commit', () => this.#apply(request, sent));
      const statusCode = status === OK ? 'OK' : 'STORAGE_INTERNAL_ERROR';
      return { kind: 'answered', response: { statusCode } };
    } catch (error) {
      if (error instanceof ProcessGone || this.#boundary.gone) throw error;
      return { kind: 'unknown', cause: error as Error };
    }
  }

  #apply(request: CommitRequest, sent: ModifyRequest): number {
    const state = this.#state;
    const add = listsOf(sent.s3ChunkInfoAdd);
    const remove = listsOf(sent.s3ChunkInfoRemove);
    const status = state.tables.modify(request.key, { add, remove });
    if (status !== OK && status !== STORAGE_INTERNAL_ERROR)
      throw new Error(`a metaserver cannot answer ${status} here`);
    if (status !== OK) return status;
    state.onCommit?.(request);
    state.changed();
    return status;
  }

  /** The attributes and all lists, as one GetInode shows them. */
  #whole(name: string, key: InodeKey): Promise<Whole | null> {
    return this.#boundary.cross(name, () => this.#state.at(key) ?? null);
  }
}

function listsOf(sent: ModifyRequest['s3ChunkInfoAdd']): Map<bigint, Version[]> {
  return new Map([...sent].map(([index, { s3Chunks }]) => [index, s3Chunks.map(toVersion)]));
}
