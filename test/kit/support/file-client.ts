/**
 * What every client of a file system in the tests does, whatever keeps the metadata: objects on a real S3 server, by the
 * content rule and as the CurveFS facts say, and a history of what was written, by which every byte can be judged. It
 * shares no code with `src/`. How lists are kept and read is for those who extend it.
 */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { History } from '../oracle/history.ts';
import { originalObjects, referencedObjects } from '../oracle/layout.ts';
import { readFile, visibleObjects } from '../oracle/reader.ts';
import type { FileState, OracleGeometry, OracleVersion } from '../oracle/types.ts';

export interface FileClientOptions {
  readonly s3: S3Client;
  readonly bucket: string;
  readonly fsId: number;
  readonly geometry: OracleGeometry;
  readonly objectPrefix?: 0 | 1 | 2;
}

/** Requests of the test's own under way at a time. */
const REQUESTS_MAX = 16;

export abstract class FileClient<Options extends FileClientOptions = FileClientOptions> {
  readonly options: Options;
  readonly #histories = new Map<bigint, History>();

  constructor(options: Options) {
    this.options = options;
  }

  /** An empty file of this number. */
  abstract createInode(inodeId: bigint): Promise<unknown>;

  /** Appends these versions, all objects by the content rule, and sets the length: a part of a file's life at once. */
  abstract append(inodeId: bigint, file: Pick<FileState, 'lists' | 'length'>): Promise<void>;

  /** One write inside one chunk: objects first, then what makes it visible. */
  abstract write(inodeId: bigint, offset: number, len: number, zero?: boolean): Promise<OracleVersion>;

  /** The lists and length as a client reads them now. */
  abstract state(inodeId: bigint): Promise<FileState>;

  history(inodeId: bigint): History {
    const history = this.#histories.get(inodeId);
    if (history === undefined) throw new Error(`inode ${inodeId} was not made by this writer`);
    return history;
  }

  protected newHistory(inodeId: bigint): void {
    this.#histories.set(inodeId, new History(this.options.geometry));
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

  /** All objects in the bucket with their sizes in bytes, without those that s3compact keeps there for itself. */
  async bucketSizes(): Promise<Map<string, number>> {
    const { s3, bucket } = this.options;
    const sizes = new Map<string, number>();
    let token: string | undefined;
    do {
      const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
      for (const { Key, Size = 0 } of page.Contents ?? []) {
        if (Key !== undefined && !Key.startsWith('s3compact-')) sizes.set(Key, Size);
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return sizes;
  }

  /** All names that the lists of these inodes name, sorted. */
  async referencedNames(inodeIds: readonly bigint[]): Promise<string[]> {
    const names: string[] = [];
    for (const inodeId of inodeIds) names.push(...referencedObjects(await this.state(inodeId)).keys());
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

  protected fileState(inodeId: bigint, lists: FileState['lists'], length: number): FileState {
    const { fsId, geometry, objectPrefix = 0 } = this.options;
    return { fsId, inodeId, objectPrefix, geometry, length, lists };
  }

  /** The objects of these lists as their writer makes them; none may be there already. */
  protected async putOriginals(inodeId: bigint, lists: FileState['lists']): Promise<void> {
    const { s3, bucket } = this.options;
    const limit = pLimit(REQUESTS_MAX);
    const put = (Key: string, Body: Uint8Array) =>
      limit(() => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body, IfNoneMatch: '*' })));
    await Promise.all(
      [...originalObjects(this.fileState(inodeId, lists, 0))].map(({ name, bytes }) => put(name, bytes)),
    );
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
