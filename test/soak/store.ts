/**
 * The files of a soak on Redis and S3, written and read with raw calls as a client of the file system would, many at a
 * time. It shares no code with `src/`. What a file must read as is reported by the rule of shapes.ts alone.
 */
import { createHash, type Hash } from 'node:crypto';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ChainableCommander, Redis } from 'ioredis';
import pLimit from 'p-limit';
import { originalObjects, referencedObjects } from '../kit/oracle/layout.ts';
import { recordOf, recordText } from '../kit/oracle/names.ts';
import { expectedFile, fullReadGets, readFile, visibleObjects } from '../kit/oracle/reader.ts';
import type { FileState, OracleVersion } from '../kit/oracle/types.ts';
import { FS_ID, fileOf, GEOMETRY, nextChunkId } from './shapes.ts';

/** Inodes that are written or read together. */
const BATCH = 250;
const REQUESTS_MAX = 48;

export interface StoreOptions {
  readonly redis: Redis;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly metadataPrefix: string;
  readonly seed: number;
  readonly inodes: number;
}

/** What reading all files has shown. */
export interface Verdict {
  readonly faults: readonly string[];
  /** Names that the lists reference, with the bytes that each object must have. */
  readonly referenced: ReadonlyMap<string, number>;
  readonly bytes: number;
  readonly versions: number;
  /** GETs of one full read of every file, now and as it was written. */
  readonly gets: number;
  readonly getsWritten: number;
}

export class SoakStore {
  readonly #options: StoreOptions;
  readonly #limit = pLimit(REQUESTS_MAX);

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** Writes every file: objects first, then the lists. */
  async load(onProgress: (inodes: number, objects: number) => void): Promise<{ objects: number; bytes: number }> {
    const { redis, seed, inodes, bucket, metadataPrefix } = this.#options;
    const { blockSize, chunkSize } = GEOMETRY;
    const own = { name: 'soak', uuid: `soak-${metadataPrefix}`, bucket, blockSize, chunkSize, objectPrefix: 0 };
    await redis.hset(`${metadataPrefix}:{${FS_ID}}`, { ...own, nextChunkId: nextChunkId(inodes) });
    const total = { objects: 0, bytes: 0 };
    for (const numbers of this.#batches()) {
      const files = numbers.map((number) => fileOf(seed, number));
      const objects = files.flatMap((file) => [...originalObjects(file)]);
      await Promise.all(objects.map(({ name, bytes }) => this.#limit(() => this.#put(name, bytes))));
      const batch = redis.pipeline();
      for (const file of files) this.#record(batch, file);
      throwFirst(await batch.exec());
      total.objects += objects.length;
      total.bytes += objects.reduce((sum, { bytes }) => sum + bytes.length, 0);
      onProgress(numbers.at(-1) ?? 0, total.objects);
    }
    return total;
  }

  /** Reads every byte of every file through its lists, and holds it against what was written. */
  async verify(onProgress: (inodes: number) => void): Promise<Verdict> {
    const faults: string[] = [];
    const referenced = new Map<string, number>();
    const sums = { bytes: 0, versions: 0, gets: 0, getsWritten: 0 };
    for (const numbers of this.#batches()) {
      const states = await this.#states(numbers);
      const names = states.flatMap((state) => [...visibleObjects(state, 0, state.length)]);
      const objects = await this.#fetch(names);
      for (const state of states) {
        const written = fileOf(this.#options.seed, Number(state.inodeId));
        const fault = faultOf(state, written, objects);
        if (fault !== null) faults.push(`inode ${state.inodeId} (${written.shape}): ${fault}`);
        for (const [name, bytes] of referencedObjects(state)) referenced.set(name, bytes);
        sums.bytes += state.length;
        sums.versions += [...state.lists.values()].reduce((sum, list) => sum + list.length, 0);
        sums.gets += fullReadGets(state);
        sums.getsWritten += fullReadGets(written);
      }
      onProgress(numbers.at(-1) ?? 0);
    }
    return { faults, referenced, ...sums };
  }

  /** Everything of the file system in Redis and in the bucket in one number: equal when nothing was written. */
  async fingerprint(): Promise<string> {
    const hash = createHash('sha256');
    for (const numbers of this.#batches()) {
      const batch = this.#options.redis.pipeline();
      for (const number of numbers) batch.hgetall(this.#key(BigInt(number)));
      for (const fields of throwFirst(await batch.exec()))
        hash.update(JSON.stringify(Object.entries(fields as object).toSorted()));
      for (const state of await this.#states(numbers)) hashLists(hash, state);
    }
    for (const [name, { size, etag, modified }] of await this.bucket())
      hash.update(`${name} ${size} ${etag} ${modified}\n`);
    return hash.digest('hex');
  }

  async bucket(): Promise<Map<string, { size: number; etag: string; modified: number }>> {
    const { s3, bucket } = this.#options;
    const objects = new Map<string, { size: number; etag: string; modified: number }>();
    let token: string | undefined;
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
      for (const { Key, Size = 0, ETag = '', LastModified } of page.Contents ?? [])
        if (Key !== undefined && !Key.startsWith('s3compact-'))
          objects.set(Key, { size: Size, etag: ETag, modified: LastModified?.getTime() ?? 0 });
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return objects;
  }

  *#batches(): Generator<number[]> {
    const { inodes } = this.#options;
    for (let first = 1; first <= inodes; first += BATCH)
      yield Array.from({ length: Math.min(BATCH, inodes - first + 1) }, (_, n) => first + n);
  }

  #record(batch: ChainableCommander, { inodeId, length, lists }: FileState): void {
    const key = this.#key(inodeId);
    batch.hset(key, { length, nlink: 1, mtimeMs: 1_700_000_000_000, type: 's3' });
    for (const [index, versions] of lists) {
      batch.rpush(`${key}:${index}`, ...versions.map(recordText));
      batch.sadd(`${key}:chunks`, index);
    }
  }

  /** Lists and lengths as a client reads them now. */
  async #states(numbers: readonly number[]): Promise<FileState[]> {
    const heads = this.#options.redis.pipeline();
    for (const number of numbers)
      heads.hget(this.#key(BigInt(number)), 'length').smembers(`${this.#key(BigInt(number))}:chunks`);
    const answers = throwFirst(await heads.exec());
    const files = numbers.map((number, n) => ({
      inodeId: BigInt(number),
      length: Number(answers[2 * n]),
      indexes: (answers[2 * n + 1] as string[]).map(Number).sort((a, b) => a - b),
    }));
    const ranges = this.#options.redis.pipeline();
    for (const { inodeId, indexes } of files)
      for (const index of indexes) ranges.lrange(`${this.#key(inodeId)}:${index}`, 0, -1);
    const lists = (throwFirst(await ranges.exec()) as string[][])[Symbol.iterator]();
    return files.map(({ inodeId, length, indexes }) => ({
      fsId: FS_ID,
      inodeId,
      objectPrefix: 0,
      geometry: GEOMETRY,
      length,
      lists: new Map<number, OracleVersion[]>(
        indexes.map((index) => [index, (lists.next().value ?? []).map(recordOf)]),
      ),
    }));
  }

  async #fetch(names: readonly string[]): Promise<Map<string, Uint8Array>> {
    const { s3, bucket } = this.#options;
    const objects = new Map<string, Uint8Array>();
    const fetch = async (name: string): Promise<void> => {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
        if (Body !== undefined) objects.set(name, await Body.transformToByteArray());
      } catch (error) {
        if ((error as Error).name !== 'NoSuchKey') throw error;
      }
    };
    await Promise.all(names.map((name) => this.#limit(() => fetch(name))));
    return objects;
  }

  async #put(name: string, bytes: Uint8Array): Promise<void> {
    const { s3, bucket } = this.#options;
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: bytes }));
  }

  #key(inodeId: bigint): string {
    return `${this.#options.metadataPrefix}:{${FS_ID}:${inodeId}}`;
  }
}

function faultOf(state: FileState, written: FileState, objects: ReadonlyMap<string, Uint8Array>): string | null {
  if (state.length !== written.length) return `its length is ${state.length}, it was written as ${written.length}`;
  try {
    const bytes = readFile(state, (name) => objects.get(name));
    const expected = expectedFile(written);
    if (bytes.equals(expected)) return null;
    const at = bytes.findIndex((byte, n) => byte !== expected[n]);
    return `byte ${at} reads as ${bytes[at]}, it was written as ${expected[at]}`;
  } catch (error) {
    return (error as Error).message;
  }
}

function hashLists(hash: Hash, { inodeId, lists }: FileState): void {
  for (const [index, versions] of lists) hash.update(`${inodeId} ${index} ${versions.map(recordText).join(';')}\n`);
}

/** The answers of a pipeline; the first that failed is thrown. */
function throwFirst(answers: readonly (readonly [Error | null, unknown])[] | null): unknown[] {
  return (answers ?? []).map(([error, answer]) => {
    if (error !== null) throw error;
    return answer;
  });
}
