/**
 * A client of a file system in Redis whose reading can be judged: it writes by the library's own writer (src/writer), as
 * there is only one, and reads with raw ioredis and SDK calls, names, records and contents spelled a second time, so that
 * a writer that breaks the format is found out. What it wrote is remembered as the file's history.
 */
import type { Redis } from 'ioredis';
import type { InodeKey } from '../../../src/model.ts';
import { APPEND_VERSIONS_MAX, FsLists } from '../../../src/writer/fs-lists.ts';
import { recordOf } from '../oracle/names.ts';
import type { FileState, OracleVersion } from '../oracle/types.ts';
import { FileClient, type FileClientOptions } from './file-client.ts';

export interface RedisFilesOptions extends FileClientOptions {
  readonly redis: Redis;
  /** First part of the metadata keys. */
  readonly prefix: string;
}

/** Longer than tests take servers away for. */
const CALL_MS = 120_000;

export class RedisFiles extends FileClient<RedisFilesOptions> {
  readonly #lists: FsLists;

  constructor(options: RedisFilesOptions) {
    super(options);
    this.#lists = new FsLists({ redis: options.redis, keyPrefix: options.prefix, timeoutMs: CALL_MS });
  }

  async createFilesystem(): Promise<void> {
    const { bucket, geometry, fsId, objectPrefix = 0 } = this.options;
    const uuid = `uuid-${this.options.prefix}-${fsId}`;
    await this.#lists.createFilesystem(fsId, { name: 'test', uuid, bucket, ...geometry, objectPrefix });
  }

  /** `fields` are set behind the writer's back, to break the format. */
  override async createInode(inodeId: bigint, fields: Readonly<Record<string, string | number>> = {}): Promise<void> {
    await this.#lists.createInode(this.#keyOf(inodeId));
    if (Object.keys(fields).length > 0) await this.options.redis.hset(this.inodeKey(inodeId), fields);
    this.newHistory(inodeId);
  }

  override async append(inodeId: bigint, file: Pick<FileState, 'lists' | 'length'>): Promise<void> {
    const { redis } = this.options;
    const history = this.history(inodeId);
    await this.putOriginals(inodeId, file.lists);
    let highest = BigInt((await redis.hget(this.#fsKey(), 'nextChunkId')) ?? 0);
    for (const { chunkId } of [...file.lists.values()].flat()) if (chunkId > highest) highest = chunkId;
    // Another one's numbers: those that the file took where it comes from.
    await redis.hset(this.#fsKey(), { nextChunkId: highest.toString() });
    for (const [chunkIndex, versions] of file.lists) {
      for (let from = 0; from < versions.length; from += APPEND_VERSIONS_MAX) {
        const part = versions.slice(from, from + APPEND_VERSIONS_MAX);
        await this.#lists.append(this.#keyOf(inodeId), { chunkIndex, versions: part, length: file.length });
      }
      for (const version of versions) history.append(version);
    }
    await this.#lists.truncate(this.#keyOf(inodeId), file.length);
    history.setLength(file.length);
  }

  /** One write inside one chunk: objects first, then record, index and length in one step. */
  override async write(inodeId: bigint, offset: number, len: number, zero = false): Promise<OracleVersion> {
    const { fsId, geometry } = this.options;
    const chunkId = await this.#lists.takeChunkId(fsId);
    const version: OracleVersion = { chunkId, compaction: 0n, offset, len, size: len, zero };
    const chunkIndex = Math.floor(offset / geometry.chunkSize);
    await this.putOriginals(inodeId, new Map([[chunkIndex, [version]]]));
    const history = this.history(inodeId);
    await this.#lists.append(this.#keyOf(inodeId), { chunkIndex, versions: [version], length: offset + len });
    history.append(version);
    history.setLength(Math.max(history.length, offset + len));
    return version;
  }

  async truncate(inodeId: bigint, length: number): Promise<void> {
    await this.#lists.truncate(this.#keyOf(inodeId), length);
    this.history(inodeId).setLength(length);
  }

  async unlink(inodeId: bigint): Promise<void> {
    await this.#lists.unlink(this.#keyOf(inodeId));
  }

  /** The lists and length as a client reads them now. */
  override async state(inodeId: bigint): Promise<FileState> {
    const { redis } = this.options;
    const key = this.inodeKey(inodeId);
    const lists = new Map<number, OracleVersion[]>();
    for (const index of (await redis.smembers(`${key}:chunks`)).map(Number).sort((a, b) => a - b)) {
      lists.set(index, (await redis.lrange(`${key}:${index}`, 0, -1)).map(recordOf));
    }
    return this.fileState(inodeId, lists, Number(await redis.hget(key, 'length')));
  }

  inodeKey(inodeId: bigint): string {
    return `${this.options.prefix}:{${this.options.fsId}:${inodeId}}`;
  }

  #fsKey(): string {
    return `${this.options.prefix}:{${this.options.fsId}}`;
  }

  #keyOf(inodeId: bigint): InodeKey {
    return { fsId: this.options.fsId, inodeId };
  }
}
