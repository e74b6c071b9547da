/**
 * One bucket behind the ObjectStore port: which S3 request each operation is, and what each answer means.
 * One try per call; retries and the count of requests are the decorator's (limits.ts). It must hold no policy about
 * which object to touch, and no name is ever written without If-None-Match where the server knows it (I3).
 */
import { crc32 } from 'node:zlib';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { CompactError } from '../../errors.ts';
import { DELETE_BATCH_MAX, type DeleteFailure, type ObjectHead, type ObjectPage, type ObjectStore } from '../port.ts';
import type { RequestOptions, S3Connection } from './connection.ts';
import { CRC32_METADATA, type S3DataPath } from './data-path-sdk.ts';
import { errorFacts, storeError } from './errors.ts';
import { listedPage } from './list.ts';
import { discardBody } from './range-body.ts';

const CRC32_TEXT = /^[0-9a-f]{8}$/;
/** Single deletes at a time where the server has no batch: a quarter of the sockets, so that reads go on. */
const SINGLE_DELETES_MAX = 16;
export class S3ObjectStore implements ObjectStore {
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #data: S3DataPath;

  constructor(connection: S3Connection, bucket: string, data: S3DataPath) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#data = data;
  }

  /** One GET. A body that breaks off is `store-unavailable`, not resumed: pieces are at most a block, and the retry counts. */
  getRange(name: string, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (target.length === 0) return Promise.resolve();
    return this.#data.getRange({ name, offset, target, signal });
  }

  /** One PUT, and a second one the first time a server refuses the condition. The body is never streamed nor hashed but for CRC32. */
  async putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'> {
    const checksum = crc32(body);
    if (this.#connection.has('conditionalPut')) {
      const outcome = await this.#data.put({ name, body, checksum, signal, conditional: true });
      if (outcome !== 'unsupported') return outcome;
      this.#connection.lacks('conditionalPut');
    }
    await this.#data.put({ name, body, checksum, signal, conditional: false });
    return 'created';
  }

  /**
   * One HEAD. Its 404 has no body and so cannot tell a missing object from a missing bucket; only then a one-byte GET
   * asks again, which needs no other permission than reading. `null` is returned only for a plain NoSuchKey (I10).
   */
  async head(name: string, signal?: AbortSignal): Promise<ObjectHead | null> {
    const options = this.#options(`Looking at object "${name}"`, signal);
    const found = await this.#connection.request(options, async (sdk, abort) => {
      try {
        return await sdk.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: name }), { abortSignal: abort });
      } catch (thrown) {
        if (errorFacts(thrown).status === 404) return null;
        throw thrown;
      }
    });
    if (found === null) return this.#confirmMissing(name, options);
    if (found.ContentLength === undefined)
      throw storeError('store-refused', this.#connection.context(options), 'the server told no Content-Length');
    const checksum = metadataCrc32(found);
    return { bytes: found.ContentLength, ...(checksum === undefined ? {} : { crc32: checksum }) };
  }

  /** One ListObjectsV2. By name and not by a token, so that whoever comes later can go on where this one stopped. */
  list(after?: string, signal?: AbortSignal): Promise<ObjectPage> {
    const from = after === undefined ? 'from the beginning' : `after "${after}"`;
    const options = this.#options(`Listing the bucket ${from}`, signal);
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      ...(after === undefined ? {} : { StartAfter: after }),
    });
    return this.#connection.request(options, async (sdk, abort) => {
      const answer = await sdk.send(command, { abortSignal: abort });
      return listedPage(answer, after, this.#connection.context(options));
    });
  }

  /**
   * One DeleteObjects, or single deletes where the server has none (each under its own time-out; the first failure of
   * the whole store ends them all). Refuses more than DELETE_BATCH_MAX names (I8).
   */
  async delete(names: readonly string[], signal?: AbortSignal): Promise<readonly DeleteFailure[]> {
    if (names.length > DELETE_BATCH_MAX)
      throw new RangeError(`a delete takes at most ${DELETE_BATCH_MAX} names, ${names.length} were given`);
    if (names.length === 0) return [];
    if (this.#connection.has('multiDelete')) {
      const failures = await this.#data.deleteBatch(names, signal);
      if (failures !== 'unsupported') return failures;
      this.#connection.lacks('multiDelete');
    }
    return this.#deleteSingly(names, signal);
  }

  #options(doing: string, signal: AbortSignal | undefined): RequestOptions {
    return { doing, bucket: this.#bucket, signal };
  }

  #confirmMissing(name: string, options: RequestOptions): Promise<null> {
    return this.#connection.request(options, async (sdk, abort) => {
      try {
        const command = new GetObjectCommand({ Bucket: this.#bucket, Key: name, Range: 'bytes=0-0' });
        discardBody(await sdk.send(command, { abortSignal: abort }));
      } catch (thrown) {
        const facts = errorFacts(thrown);
        if (facts.name === 'NoSuchKey') return null;
        // 416: the object is there, and empty.
        if (facts.status !== 416) throw thrown;
      }
      throw storeError('store-unavailable', this.#connection.context(options), 'the object appeared meanwhile');
    });
  }

  async #deleteSingly(names: readonly string[], signal?: AbortSignal): Promise<readonly DeleteFailure[]> {
    const failures: DeleteFailure[] = [];
    let broken: unknown;
    await pLimit(SINGLE_DELETES_MAX).map(names, async (name) => {
      if (broken !== undefined) return;
      try {
        const failure = await this.#deleteOne(name, signal);
        if (failure !== null) failures.push(failure);
      } catch (thrown) {
        if (!(thrown instanceof CompactError && thrown.code === 'object-missing')) broken ??= thrown;
      }
    });
    if (broken !== undefined) throw broken;
    return failures;
  }

  #deleteOne(name: string, signal?: AbortSignal): Promise<DeleteFailure | null> {
    return this.#connection.request(this.#options(`Deleting object "${name}"`, signal), async (sdk, abort) => {
      try {
        await sdk.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: name }), { abortSignal: abort });
        return null;
      } catch (thrown) {
        // A policy may protect single keys, as in a batch; other refusals concern them all.
        if (errorFacts(thrown).name === 'AccessDenied') return { name, code: 'AccessDenied' };
        throw thrown;
      }
    });
  }
}

function metadataCrc32(head: HeadObjectCommandOutput): number | undefined {
  const text = head.Metadata?.[CRC32_METADATA];
  return text !== undefined && CRC32_TEXT.test(text) ? Number.parseInt(text, 16) : undefined;
}
