/**
 * A CurveFS client as far as its chunk lists go (facts §3, §4): it takes a chunkId from the MDS, puts the objects, appends
 * by UpdateInode together with the length, and reads what GetInode shows. It speaks to the stand-in's servers over sockets
 * with the stand-in's own frames. What goes wrong with real clients is said by its caller: an append sent twice, entries
 * before the length, a second writer with an older id.
 */
import type { FileState, OracleVersion } from '../../../kit/oracle/types.ts';
import { FileClient, type FileClientOptions } from '../../../kit/support/file-client.ts';
import { RpcCaller } from './client.ts';
import type { CurveCluster } from './cluster.ts';
import type { Version } from './records.ts';
import { ROOT_INODE } from './state.ts';
import type { Message } from './wire.ts';

export interface CurveWriterOptions extends FileClientOptions {
  readonly cluster: CurveCluster;
  /** How old what it writes claims to be: files that have come to rest. */
  readonly agedMs?: number;
}

const METASERVER = 'curvefs.metaserver.MetaServerService';
const REDIRECTED = 9;
/** Entries in one record: several flushes may go with one update of the inode. */
const RECORD_SIZES = [1, 1, 3, 1, 2];
/** Tries of a call that meets a leader that has moved. */
const TRIES_MAX = 100;

export class CurveWriter extends FileClient<CurveWriterOptions> {
  readonly #callers = new Map<number, Promise<RpcCaller>>();
  #nextName = 0;

  /** A file in the root directory; its number may be chosen. */
  override async createInode(inodeId?: bigint): Promise<bigint> {
    const { cluster, fsId } = this.options;
    const parentInodeId = ROOT_INODE;
    const name = `file-${this.#nextName++}`;
    const times = this.#times();
    const fields = { mtime: times.mtime, ctime: times.ctime, parent: [parentInodeId] };
    const id = inodeId ?? cluster.state.newInodeId(fsId);
    cluster.state.putInode({ fsId, inodeId: id }, fields);
    cluster.state.addEntry(fsId, { parentInodeId, name, inodeId: id });
    this.newHistory(id);
    return id;
  }

  override async append(inodeId: bigint, file: Pick<FileState, 'lists' | 'length'>): Promise<void> {
    await this.putOriginals(inodeId, file.lists);
    const history = this.history(inodeId);
    for (const [index, versions] of file.lists) {
      for (const version of versions) history.append(version);
      for (const record of recordsOf(versions)) await this.#update(inodeId, { add: new Map([[index, record]]) });
      for (const { chunkId } of versions) this.options.cluster.state.passChunkId(chunkId);
    }
    history.setLength(file.length);
    await this.#update(inodeId, { length: file.length });
  }

  /** One write inside one chunk: objects first, then entry and length in one request. */
  override async write(inodeId: bigint, offset: number, len: number, zero = false): Promise<OracleVersion> {
    const version = await this.put(inodeId, offset, len, zero);
    await this.commit(inodeId, [version]);
    return version;
  }

  /** Takes an id and puts the objects; nobody sees them yet. */
  async put(inodeId: bigint, offset: number, len: number, zero = false): Promise<OracleVersion> {
    const { cluster, fsId, geometry } = this.options;
    const chunkId = cluster.state.allocateChunks(1n);
    const version: OracleVersion = { chunkId, compaction: 0n, offset, len, size: len, zero };
    if (!cluster.state.filesystems.has(fsId)) throw new Error(`there is no file system ${fsId}`);
    await this.putOriginals(inodeId, new Map([[Math.floor(offset / geometry.chunkSize), [version]]]));
    return version;
  }

  /** Makes versions of one chunk visible, with the length that they need. */
  async commit(inodeId: bigint, versions: readonly OracleVersion[]): Promise<void> {
    const history = this.history(inodeId);
    const length = Math.max(history.length, ...versions.map(({ offset, len }) => offset + len));
    await this.send(inodeId, versions, length);
    for (const version of versions) history.append(version);
    history.setLength(length);
  }

  /** The request of an append, once more or without a length; what it means for the file is the caller's to say. */
  async send(inodeId: bigint, versions: readonly OracleVersion[], length?: number): Promise<void> {
    const index = Math.floor((versions[0]?.offset ?? 0) / this.options.geometry.chunkSize);
    await this.#update(inodeId, { add: new Map([[index, versions]]), ...(length === undefined ? {} : { length }) });
  }

  async truncate(inodeId: bigint, length: number): Promise<void> {
    await this.#update(inodeId, { length });
    this.history(inodeId).setLength(length);
  }

  async unlink(inodeId: bigint): Promise<void> {
    await this.#call(inodeId, 'UpdateInode', { nlink: 0, ...this.#times() });
  }

  override async state(inodeId: bigint): Promise<FileState> {
    const { inode } = await this.#call(inodeId, 'GetInode', {});
    const { length, s3ChunkInfoMap } = inode as {
      length: bigint;
      s3ChunkInfoMap: ReadonlyMap<bigint, { readonly s3Chunks: readonly Version[] }>;
    };
    const lists = [...s3ChunkInfoMap].map(([index, { s3Chunks }]): [number, OracleVersion[]] => [
      Number(index),
      s3Chunks.map(toOracle),
    ]);
    return this.fileState(inodeId, new Map(lists), Number(length));
  }

  close(): void {
    for (const caller of this.#callers.values()) void caller.then((open) => open.close());
    this.#callers.clear();
  }

  async #update(
    inodeId: bigint,
    { add, length }: { readonly add?: FileState['lists']; readonly length?: number },
  ): Promise<void> {
    const entries = [...(add ?? [])].map(([index, versions]): [bigint, Message] => [
      BigInt(index),
      { s3Chunks: versions.map(toVersion) },
    ]);
    await this.#call(inodeId, 'UpdateInode', {
      ...(length === undefined ? {} : { length: BigInt(length) }),
      ...(add === undefined ? {} : { s3ChunkInfoAdd: new Map(entries) }),
      ...this.#times(),
    });
  }

  #times(): { readonly mtime: bigint; readonly ctime: bigint } {
    const seconds = BigInt(Math.floor((Date.now() - (this.options.agedMs ?? 0)) / 1000));
    return { mtime: seconds, ctime: seconds };
  }

  /** Goes after the leader as often as it moves; anything else than OK is a fault of the test. */
  async #call(inodeId: bigint, method: string, fields: Message): Promise<Message> {
    const { cluster, fsId } = this.options;
    const { copysetId, partitionId } = cluster.state.partitionOf({ fsId, inodeId });
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const caller = await this.#callerTo(cluster.leaderOf(fsId, inodeId).port);
      const request = { poolId: 1, copysetId, partitionId, fsId, inodeId, ...fields };
      const response = await caller.call(`${METASERVER}/${method}`, request);
      if (response['statusCode'] === 0) return response;
      if (response['statusCode'] !== REDIRECTED) throw new Error(`${method}: status ${response['statusCode']}`);
    }
    throw new Error(`${method}: the leader never stands still`);
  }

  #callerTo(port: number): Promise<RpcCaller> {
    const known = this.#callers.get(port) ?? RpcCaller.open(port);
    this.#callers.set(port, known);
    return known;
  }
}

/** Ascending runs, cut into records of several sizes. */
function* recordsOf(versions: readonly OracleVersion[]): Generator<readonly OracleVersion[]> {
  let record = 0;
  for (let from = 0; from < versions.length; ) {
    const size = RECORD_SIZES[record++ % RECORD_SIZES.length] ?? 1;
    yield versions.slice(from, from + size);
    from += size;
  }
}

export function toVersion({ chunkId, compaction, offset, len, size, zero }: OracleVersion): Version {
  return { chunkId, compaction, offset: BigInt(offset), len: BigInt(len), size: BigInt(size), zero };
}

export function toOracle({ chunkId, compaction, offset, len, size, zero }: Version): OracleVersion {
  return { chunkId, compaction, offset: Number(offset), len: Number(len), size: Number(size), zero };
}
