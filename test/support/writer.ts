/**
 * A client of the file system on real Redis and S3: it writes and reads as DESIGN §6 and the CurveFS facts say, with raw
 * ioredis and SDK calls. It shares no code with `src/`, so it can tell whether both mean the same format. What it wrote
 * is remembered as the file's history, by which every byte can be judged.
 */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Redis } from 'ioredis';
import pLimit from 'p-limit';
import { History } from '../oracle/history.ts';
import { namedObjects, originalObjects } from '../oracle/layout.ts';
import { recordOf, recordText } from '../oracle/names.ts';
import { readFile, visibleObjects } from '../oracle/reader.ts';
import type { FileState, OracleGeometry, OracleVersion } from '../oracle/types.ts';

export interface FsWriterOptions {
  readonly redis: Redis;
  readonly s3: S3Client;
  readonly bucket: string;
  /** First part of the metadata keys. */
  readonly prefix: string;
  readonly fsId: number;
  readonly geometry: OracleGeometry;
  readonly objectPrefix?: 0 | 1 | 2;
}

/** Requests of the test's own under way at a time. */
const REQUESTS_MAX = 16;

export class FsWriter {
  readonly options: FsWriterOptions;
  readonly #histories = new Map<bigint, History>();

  constructor(options: FsWriterOptions) {
    this.options = options;
  }

  async createFilesystem(fields: Readonly<Record<string, string | number>> = {}): Promise<void> {
    const { redis, bucket, geometry, objectPrefix = 0 } = this.options;
    const { blockSize, chunkSize } = geometry;
    const uuid = `uuid-${this.options.prefix}-${this.options.fsId}`;
    const own = { name: 'test', uuid, bucket, blockSize, chunkSize, objectPrefix, nextChunkId: 0 };
    await redis.hset(this.#fsKey(), { ...own, ...fields });
  }

  async createInode(inodeId: bigint, fields: Readonly<Record<string, string | number>> = {}): Promise<void> {
    const own = { length: 0, nlink: 1, mtimeMs: Date.now(), type: 's3' };
    await this.options.redis.hset(this.inodeKey(inodeId), { ...own, ...fields });
    this.#histories.set(inodeId, new History(this.options.geometry));
  }

  /** Appends these versions, all objects by the content rule, and sets the length: a part of a file's life at once. */
  async append(inodeId: bigint, file: Pick<FileState, 'lists' | 'length'>): Promise<void> {
    const history = this.history(inodeId);
    const state = this.#state(inodeId, file.lists, file.length);
    const limit = pLimit(REQUESTS_MAX);
    await Promise.all([...originalObjects(state)].map(({ name, bytes }) => limit(() => this.#put(name, bytes))));
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
  async write(inodeId: bigint, offset: number, len: number, zero = false): Promise<OracleVersion> {
    const { redis, geometry } = this.options;
    const chunkId = BigInt(await redis.hincrby(this.#fsKey(), 'nextChunkId', 1));
    const version: OracleVersion = { chunkId, compaction: 0n, offset, len, size: len, zero };
    const index = Math.floor(offset / geometry.chunkSize);
    const state = this.#state(inodeId, new Map([[index, [version]]]), offset + len);
    for (const { name, bytes } of originalObjects(state)) await this.#put(name, bytes);
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

  history(inodeId: bigint): History {
    const history = this.#histories.get(inodeId);
    if (history === undefined) throw new Error(`inode ${inodeId} was not made by this writer`);
    return history;
  }

  /** The lists and length as a client reads them now. */
  async state(inodeId: bigint): Promise<FileState> {
    const { redis } = this.options;
    const key = this.inodeKey(inodeId);
    const lists = new Map<number, OracleVersion[]>();
    for (const index of (await redis.smembers(`${key}:chunks`)).map(Number).sort((a, b) => a - b)) {
      lists.set(index, (await redis.lrange(`${key}:${index}`, 0, -1)).map(recordOf));
    }
    return this.#state(inodeId, lists, Number(await redis.hget(key, 'length')));
  }

  /** What a client with these lists (default: the current ones) reads wrong, or `null`. Fetches what it would. */
  async readFault(inodeId: bigint, state?: FileState): Promise<string | null> {
    const file = state ?? (await this.state(inodeId));
    const objects = await this.#fetchAll([...visibleObjects(file, 0, file.length)]);
    try {
      return this.history(inodeId).mismatch(readFile(file, (name) => objects.get(name)));
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** All names in the bucket, sorted. */
  async bucketNames(): Promise<string[]> {
    return [...(await this.bucketSizes()).keys()].sort();
  }

  /** All objects in the bucket with their sizes in bytes. */
  async bucketSizes(): Promise<Map<string, number>> {
    const { s3, bucket } = this.options;
    const sizes = new Map<string, number>();
    let token: string | undefined;
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
      for (const { Key, Size = 0 } of page.Contents ?? []) if (Key !== undefined) sizes.set(Key, Size);
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return sizes;
  }

  /** All names that the lists of these inodes name, sorted. */
  async namedNames(inodeIds: readonly bigint[]): Promise<string[]> {
    const names: string[] = [];
    for (const inodeId of inodeIds) names.push(...namedObjects(await this.state(inodeId)).keys());
    return names.sort();
  }

  async deleteObjects(names: readonly string[]): Promise<void> {
    const { s3, bucket } = this.options;
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: names.map((Key) => ({ Key })) } }));
  }

  async putObject(name: string, bytes: Uint8Array): Promise<void> {
    await this.options.s3.send(new PutObjectCommand({ Bucket: this.options.bucket, Key: name, Body: bytes }));
  }

  async objectBytes(name: string): Promise<Uint8Array> {
    const bytes = (await this.#fetchAll([name])).get(name);
    if (bytes === undefined) throw new Error(`there is no object ${name}`);
    return bytes;
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

  #state(inodeId: bigint, lists: FileState['lists'], length: number): FileState {
    const { fsId, geometry, objectPrefix = 0 } = this.options;
    return { fsId, inodeId, objectPrefix, geometry, length, lists };
  }

  async #put(name: string, bytes: Uint8Array): Promise<void> {
    const { s3, bucket } = this.options;
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: bytes, IfNoneMatch: '*' }));
  }

  async #fetchAll(names: readonly string[]): Promise<Map<string, Uint8Array>> {
    const { s3, bucket } = this.options;
    const objects = new Map<string, Uint8Array>();
    const limit = pLimit(REQUESTS_MAX);
    const fetch = async (name: string): Promise<void> => {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
        if (Body !== undefined) objects.set(name, await Body.transformToByteArray());
      } catch (error) {
        if ((error as { name?: string }).name !== 'NoSuchKey') throw error;
      }
    };
    await Promise.all(names.map((name) => limit(() => fetch(name))));
    return objects;
  }
}
