/**
 * A metadata store in memory with the semantics of the Redis adapter: each call takes effect in one step. Every call
 * goes through a process's boundary, where it can be lost, half-lost or cut off. It must pass the metadata contract.
 */

import { CompactError } from '../../src/errors.ts';
import type {
  BeginOutcome,
  ChunkSnapshot,
  CommitForm,
  CommitOutcome,
  CommitRequest,
  InodePage,
  InodePart,
  MetadataStore,
  ServerLook,
} from '../../src/metadata/port.ts';
import type { Filesystem, Inode, InodeKey, S3ChunkInfo } from '../../src/model.ts';
import { Boundary, type Crossing } from './boundary.ts';

/** Inodes of a page. */
const PAGE = 7;

export interface MemoryInode {
  inode: Inode;
  readonly lists: Map<number, S3ChunkInfo[]>;
}

/** What is stored; shared by the metadata ports of all processes. */
export class MetadataState {
  /** What decides which of two versions is read: who was appended later, or also whose chunkId is higher. */
  readonly order: 'arrival' | 'id' = 'arrival';
  readonly filesystems = new Map<number, Filesystem>();
  readonly inodes = new Map<string, MemoryInode>();
  /** Goes up when the server comes back after it died. */
  incarnation = 1;
  /** The server that was the primary before, and does not know that it is not: some processes still ask it. */
  demoted: MetadataState | undefined;
  /** Inodes whose set of chunk indexes is gone; their lists are there. */
  readonly withoutIndexes = new Set<string>();
  /** Called after every change of a list or inode. */
  onChange: (() => void) | undefined;
  /** Called before a process changes a list or a fence. */
  beforeChange: (() => void) | undefined;
  /** Called when a commit takes effect, before `onChange`. */
  onCommit: ((request: CommitRequest) => void) | undefined;
  /** The same of a commit on a demoted server, which nobody will ever read. */
  onCommitElsewhere: ((request: CommitRequest) => void) | undefined;

  at(key: InodeKey): MemoryInode | undefined {
    return this.inodes.get(`${key.fsId}/${key.inodeId}`);
  }

  put(inode: Inode): void {
    this.inodes.set(`${inode.key.fsId}/${inode.key.inodeId}`, { inode, lists: new Map() });
  }

  /** As a writer does it: at the end of the list, in one step. */
  append(key: InodeKey, chunkIndex: number, version: S3ChunkInfo): void {
    const lists = this.at(key)?.lists;
    lists?.set(chunkIndex, [...(lists.get(chunkIndex) ?? []), version]);
  }

  change(key: InodeKey, fields: Partial<Pick<Inode, 'length' | 'nlink' | 'mtimeMs'>>): void {
    const found = this.at(key);
    if (found !== undefined) found.inode = { ...found.inode, ...fields };
  }

  /** The set of chunk indexes of the inode is gone. */
  loseIndexes(key: InodeKey): void {
    this.withoutIndexes.add(`${key.fsId}/${key.inodeId}`);
  }

  /** The owner takes the inode away. */
  remove(key: InodeKey): void {
    this.inodes.delete(`${key.fsId}/${key.inodeId}`);
  }

  /** One process's view of it; `nowMs` is the process's monotonic clock. */
  connect(boundary: Crossing = new Boundary(), _nowMs?: () => number, asksDemoted = false): MetadataStore {
    return new MemoryMetadata(this, boundary, asksDemoted);
  }

  /** Another server takes over: this object is it from now on, and what it was lives on beside it. */
  demote(): void {
    const old = new MetadataState();
    old.incarnation = this.incarnation;
    for (const [fsId, filesystem] of this.filesystems) old.filesystems.set(fsId, filesystem);
    for (const [key, inode] of this.snapshot()) old.inodes.set(key, inode);
    old.onCommit = (request) => this.onCommitElsewhere?.(request);
    this.demoted = old;
    this.incarnation++;
  }

  /** All inodes as they are now, for a server that will lose what comes after. */
  snapshot(): Map<string, MemoryInode> {
    return new Map([...this.inodes].map(([key, { inode, lists }]) => [key, { inode, lists: new Map(lists) }]));
  }

  /** Back to a snapshot. */
  restore(snapshot: ReadonlyMap<string, MemoryInode>): void {
    this.incarnation++;
    this.inodes.clear();
    for (const [key, { inode, lists }] of snapshot) this.inodes.set(key, { inode, lists: new Map(lists) });
    this.changed();
  }

  changed(): void {
    this.onChange?.();
  }
}

/** One process's view of the metadata. */
export class MemoryMetadata implements MetadataStore {
  readonly commitForm: CommitForm = 'fenced';
  readonly storeId = 'memory:fs';
  readonly #primary: MetadataState;
  readonly #boundary: Crossing;
  readonly #asksDemoted: boolean;

  constructor(state: MetadataState, boundary: Crossing = new Boundary(), asksDemoted = false) {
    this.#primary = state;
    this.#boundary = boundary;
    this.#asksDemoted = asksDemoted;
  }

  get #state(): MetadataState {
    return (this.#asksDemoted ? this.#primary.demoted : undefined) ?? this.#primary;
  }

  getFilesystem(fsId: number): Promise<Filesystem | null> {
    return this.#boundary.cross('metadata.getFilesystem', () => this.#state.filesystems.get(fsId) ?? null);
  }

  getInode(key: InodeKey): Promise<Inode | null> {
    return this.#boundary.cross('metadata.getInode', () => this.#state.at(key)?.inode ?? null);
  }

  /** A cursor is the place in the order of creation, and fits one life of the server. */
  async *inodePages(fsId: number, cursor?: string): AsyncGenerator<InodePage> {
    const life = `life-${this.#state.incarnation}`;
    const [life0, place] = cursor?.split('.') ?? [];
    const fits = cursor !== undefined && life0 === life;
    let restarted = cursor !== undefined && !fits;
    let from = fits ? Number(place) : 0;
    for (;;) {
      const inodes = await this.#boundary.cross('metadata.inodePages', () => [...this.#state.inodes.values()]);
      const keys = inodes.slice(from, from + PAGE).map(({ inode }) => inode.key);
      from += PAGE;
      const more = from < inodes.length;
      yield { keys: keys.filter((key) => key.fsId === fsId), cursor: more ? `${life}.${from}` : null, restarted };
      restarted = false;
      if (!more) return;
    }
  }

  async *readLists(keys: readonly InodeKey[], versionsMax: number): AsyncGenerator<InodePart> {
    for (const key of keys) {
      const found = await this.#boundary.cross('metadata.readLists', () => this.#state.at(key));
      const inode = found?.inode ?? null;
      const readable = inode !== null && inode.type === 's3' && inode.nlink > 0;
      const chunks = [...(readable ? (found?.lists ?? []) : [])].map(([chunkIndex, versions]) => ({
        chunkIndex,
        versions: versions.length > versionsMax ? null : [...versions],
      }));
      yield { key, inode, chunks, last: true };
    }
  }

  async *chunkIndexes(key: InodeKey): AsyncGenerator<number> {
    yield* await this.#boundary.cross('metadata.chunkIndexes', () => {
      const found = this.#state.at(key);
      const indexes = [...(found?.lists.keys() ?? [])];
      if (!this.#state.withoutIndexes.has(`${key.fsId}/${key.inodeId}`)) return indexes;
      // A Redis adapter looks for the lists whatever the length; here whoever asks has the length to notice it by, but for 0.
      if (indexes.length === 0 || found?.inode.length !== 0) return [];
      throw new CompactError('the set of chunk indexes is gone', { kind: 'halt', code: 'inode-malformed', inode: key });
    });
  }

  incarnation(): Promise<string> {
    return this.#boundary.cross('metadata.incarnation', () => `life-${this.#state.incarnation}`);
  }

  /** Replicas confirm the writes of the server that they follow, and of no other. */
  confirmPrimary(looks: readonly ServerLook[]): Promise<void> {
    return this.#boundary.cross('metadata.incarnation', () => {
      const demoted = this.#state !== this.#primary;
      const life = `life-${this.#state.incarnation}`;
      if (!demoted && looks.every(({ incarnation }) => incarnation === life)) return;
      throw new CompactError('no replica confirms that this is the primary', {
        kind: 'retry',
        code: 'metadata-unavailable',
      });
    });
  }

  readChunk(key: InodeKey, chunkIndex: number, versionsMax: number, from = 0): Promise<ChunkSnapshot> {
    return this.#boundary.cross('metadata.readChunk', () => {
      const found = this.#state.at(key);
      const list = found?.lists.get(chunkIndex) ?? [];
      return {
        inode: found?.inode ?? null,
        versions: list.slice(from, from + versionsMax),
        versionsTotal: list.length,
      };
    });
  }

  begin(key: InodeKey, attempt: bigint): Promise<BeginOutcome> {
    return this.#boundary.cross('metadata.begin', () => {
      const found = this.#state.at(key);
      if (found === undefined) return 'missing';
      if (found.inode.type !== 's3') return 'not-s3';
      if (found.inode.nlink <= 0) return 'unlinked';
      if (found.inode.attempt === attempt) return 'taken';
      this.#state.beforeChange?.();
      found.inode = { ...found.inode, attempt };
      return 'begun';
    });
  }

  async commit(request: CommitRequest): Promise<CommitOutcome> {
    try {
      return await this.#boundary.cross('metadata.commit', () => this.#apply(request));
    } catch (error) {
      if (this.#boundary.gone) throw error;
      return { outcome: 'unknown', cause: error as Error };
    }
  }

  #apply(request: CommitRequest): CommitOutcome {
    const found = this.#state.at(request.key);
    if (found === undefined) return { outcome: 'stale', reason: 'missing' };
    if (found.inode.attempt !== request.attempt) return { outcome: 'stale', reason: 'fence' };
    if (found.inode.nlink <= 0) return { outcome: 'stale', reason: 'unlinked' };
    if (request.requiredLength !== undefined && found.inode.length !== request.requiredLength) {
      return { outcome: 'stale', reason: 'length' };
    }
    const list = found.lists.get(request.chunkIndex) ?? [];
    const head = list.slice(0, request.replaced.length);
    if (!sameList(head, request.replaced)) return { outcome: 'conflict' };
    const { requiredAbove: above } = request;
    if (above !== undefined && !sameList([above.version], list.slice(above.position, above.position + 1))) {
      return { outcome: 'conflict' };
    }
    this.#state.beforeChange?.();
    const next = [...request.replacement, ...list.slice(request.replaced.length)];
    if (next.length === 0) found.lists.delete(request.chunkIndex);
    else found.lists.set(request.chunkIndex, next);
    this.#state.onCommit?.(request);
    this.#state.changed();
    return { outcome: 'committed' };
  }

  clearFence(key: InodeKey, attempt: bigint): Promise<boolean> {
    return this.#boundary.cross('metadata.clearFence', () => {
      const found = this.#state.at(key);
      if (found?.inode.attempt !== attempt) return false;
      this.#state.beforeChange?.();
      const { attempt: _, ...rest } = found.inode;
      found.inode = rest;
      return true;
    });
  }

  async close(): Promise<void> {}
}

function sameList(a: readonly S3ChunkInfo[], b: readonly S3ChunkInfo[]): boolean {
  const text = (list: readonly S3ChunkInfo[]): string =>
    list.map((v) => [v.chunkId, v.compaction, v.offset, v.len, v.size, v.zero].join()).join(';');
  return a.length === b.length && text(a) === text(b);
}
