/**
 * A client of the file system on real Redis and S3: it writes and reads as docs/format.md and the CurveFS facts say, with raw
 * ioredis and SDK calls. It shares no code with `src/`, so it can tell whether both mean the same format. What it wrote
 * is remembered as the file's history, by which every byte can be judged.
 */
import type { Redis } from 'ioredis';
import { recordOf, recordText } from '../oracle/names.ts';
import type { FileState, OracleVersion } from '../oracle/types.ts';
import { FileClient, type FileClientOptions } from './file-client.ts';

export interface FsWriterOptions extends FileClientOptions {
  readonly redis: Redis;
  /** First part of the metadata keys. */
  readonly prefix: string;
}

export class FsWriter extends FileClient<FsWriterOptions> {
  async createFilesystem(fields: Readonly<Record<string, string | number>> = {}): Promise<void> {
    const { redis, bucket, geometry, objectPrefix = 0 } = this.options;
    const { blockSize, chunkSize } = geometry;
    const uuid = `uuid-${this.options.prefix}-${this.options.fsId}`;
    const own = { name: 'test', uuid, bucket, blockSize, chunkSize, objectPrefix, nextChunkId: 0 };
    await redis.hset(this.#fsKey(), { ...own, ...fields });
  }

  override async createInode(inodeId: bigint, fields: Readonly<Record<string, string | number>> = {}): Promise<void> {
    const own = { length: 0, nlink: 1, mtimeMs: Date.now(), type: 's3' };
    await this.options.redis.hset(this.inodeKey(inodeId), { ...own, ...fields });
    this.newHistory(inodeId);
  }

  override async append(inodeId: bigint, file: Pick<FileState, 'lists' | 'length'>): Promise<void> {
    const history = this.history(inodeId);
    await this.putOriginals(inodeId, file.lists);
    const batch = this.options.redis.multi();
    let highest = BigInt((await this.options.redis.hget(this.#fsKey(), 'nextChunkId')) ?? 0);
    for (const [index, versions] of file.lists) {
      for (const version of versions) {
        history.append(version);
        highest = version.chunkId > highest ? version.chunkId : highest;
      }
      if (versions.length === 0) continue;
      batch.rpush(this.#listKey(inodeId, index), ...versions.map(recordText));
      batch.sadd(`${this.inodeKey(inodeId)}:chunks`, index);
    }
    history.setLength(file.length);
    batch.hset(this.inodeKey(inodeId), { length: file.length, mtimeMs: Date.now() });
    batch.hset(this.#fsKey(), { nextChunkId: highest.toString() });
    await batch.exec();
  }

  /** One write inside one chunk: objects first, then record, index and length in one MULTI. */
  override async write(inodeId: bigint, offset: number, len: number, zero = false): Promise<OracleVersion> {
    const { redis, geometry } = this.options;
    const chunkId = BigInt(await redis.hincrby(this.#fsKey(), 'nextChunkId', 1));
    const version: OracleVersion = { chunkId, compaction: 0n, offset, len, size: len, zero };
    const index = Math.floor(offset / geometry.chunkSize);
    await this.putOriginals(inodeId, new Map([[index, [version]]]));
    const history = this.history(inodeId);
    const length = Math.max(history.length, offset + len);
    await redis
      .multi()
      .rpush(this.#listKey(inodeId, index), recordText(version))
      .sadd(`${this.inodeKey(inodeId)}:chunks`, index)
      .hset(this.inodeKey(inodeId), { length, mtimeMs: Date.now() })
      .exec();
    history.append(version);
    history.setLength(length);
    return version;
  }

  async truncate(inodeId: bigint, length: number): Promise<void> {
    await this.options.redis.hset(this.inodeKey(inodeId), { length, mtimeMs: Date.now() });
    this.history(inodeId).setLength(length);
  }

  async unlink(inodeId: bigint): Promise<void> {
    await this.options.redis.hset(this.inodeKey(inodeId), { nlink: 0 });
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

  #listKey(inodeId: bigint, index: number): string {
    return `${this.inodeKey(inodeId)}:${index}`;
  }
}
