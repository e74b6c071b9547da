/**
 * One bucket behind the ObjectStore port: which S3 request each operation is, and what each answer means.
 * One try per call; retries and the count of requests are the decorator's (retrying-store.ts). It must hold no policy
 * about which object to touch, and no name is ever written without If-None-Match where the server knows it (I3).
 */
import { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { CompactError } from '../../errors.ts';
import {
  DELETE_BATCH_MAX,
  type DeleteFailure,
  type ListedObject,
  type ObjectHead,
  type ObjectPage,
  type ObjectStore,
  type StoreCapabilities,
  type StoreDiagnosis,
} from '../port.ts';
import { askBucketSettings } from './bucket-settings.ts';
import type { RequestOptions, S3Connection } from './connection.ts';
import { describe, type RangeRead, type S3DataPath } from './data-path-sdk.ts';
import { S3Deletes } from './deletes.ts';
import { errorFacts, type RequestContext, refusesForm, storeError } from './errors.ts';
import { putDamaged, putInForm, type Writes } from './put-forms.ts';

export class S3ObjectStore implements ObjectStore {
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #data: S3DataPath;
  readonly #writes: Writes;
  readonly #deletes: S3Deletes;

  constructor(connection: S3Connection, bucket: string, { data, ...writes }: { readonly data: S3DataPath } & Writes) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#data = data;
    this.#writes = writes;
    this.#deletes = new S3Deletes(connection, bucket);
  }

  capabilities(): StoreCapabilities {
    return this.#connection.capabilities.all();
  }

  diagnosis(): StoreDiagnosis {
    const [connection, bucket] = [this.#connection, this.#bucket];
    return {
      settings: (signal) => askBucketSettings(connection, bucket, signal),
      deleteSingly: (names, signal) => this.#deletes.singly(names, { signal }),
      putDamaged: (name, body, signal) => putDamaged({ connection, data: this.#data, name, body, signal }),
    };
  }

  /** One GET. A body that breaks off is `store-unavailable`, not resumed: pieces are at most a block, and the retry counts. */
  async getRange(name: string, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (target.length > 0) await this.#get({ name, offset, target, signal });
  }

  /** One GET without a range. */
  getWhole(name: string, target: Uint8Array, signal?: AbortSignal): Promise<number> {
    return this.#get({ name, offset: 0, target, signal, whole: true });
  }

  async #get(asked: Omit<RangeRead, 'checksum'>): Promise<number> {
    const { capabilities, asksForChecksums } = this.#connection;
    const read = { ...asked, checksum: asksForChecksums };
    if (!read.checksum) return this.#data.getRange(read);
    try {
      const filled = await this.#data.getRange(read);
      capabilities.accepts('responseChecksums');
      return filled;
    } catch (thrown) {
      if (!(thrown instanceof CompactError && refusesForm(thrown, [400, 501]))) throw thrown;
      const filled = await this.#data.getRange({ ...read, checksum: false });
      capabilities.refuses('responseChecksums');
      return filled;
    }
  }

  /** One PUT, and others in another form where the server refuses the form. The body is never streamed. */
  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'> {
    const isThere = async (): Promise<boolean> => (await this.head(name, signal)) !== null;
    const call = { connection: this.#connection, data: this.#data, name, body, signal, isThere };
    return putInForm({ ...call, ...this.#writes });
  }

  /**
   * One HEAD. Its 404 has no body and so cannot tell a missing object from a missing bucket; only then a one-byte GET
   * asks again, which needs no other permission than reading. `null` is returned only for a plain NoSuchKey (I10).
   */
  async head(name: string, signal?: AbortSignal): Promise<ObjectHead | null> {
    const found = await this.#data.head({ name, signal });
    return found ?? this.#confirmMissing(name, this.#options(describe.head(name), signal));
  }

  /** One ListObjectsV2. By name and not by a token, so that whoever comes later can go on where this one stopped. */
  list(after?: string, signal?: AbortSignal, prefix?: string): Promise<ObjectPage> {
    const from = after === undefined ? 'from the beginning' : `after "${after}"`;
    const options = this.#options(`Listing the bucket ${from}`, signal);
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      StartAfter: after,
      Prefix: prefix,
    });
    return this.#connection.request(options, async (sdk, abort) => {
      const answer = await sdk.send(command, { abortSignal: abort });
      return listedPage(answer, after, this.#connection.context(options));
    });
  }

  /** One DeleteObjects, or single deletes where the server has none. Refuses more than DELETE_BATCH_MAX names (I8). */
  async delete(names: readonly string[], signal?: AbortSignal, before?: () => void): Promise<readonly DeleteFailure[]> {
    if (names.length > DELETE_BATCH_MAX)
      throw new RangeError(`a delete takes at most ${DELETE_BATCH_MAX} names, ${names.length} were given`);
    return names.length === 0 ? [] : this.#deletes.delete(names, { signal, before });
  }

  #options(doing: string, signal: AbortSignal | undefined): RequestOptions {
    return { doing, bucket: this.#bucket, signal };
  }

  #confirmMissing(name: string, options: RequestOptions): Promise<null> {
    return this.#connection.request(options, async (sdk, abort) => {
      try {
        const command = new GetObjectCommand({ Bucket: this.#bucket, Key: name, Range: 'bytes=0-0' });
        const { Body } = await sdk.send(command, { abortSignal: abort });
        if (Body instanceof Readable) Body.destroy();
      } catch (thrown) {
        const facts = errorFacts(thrown);
        if (facts.name === 'NoSuchKey') return null;
        // 416: the object is there, and empty.
        if (facts.status !== 416) throw thrown;
      }
      throw storeError('store-unavailable', this.#connection.context(options), 'the object appeared meanwhile');
    });
  }
}

/**
 * What a listing says, checked: whoever deletes by it must not go by one that is out of order (I10). Throws `store-refused`
 * (halt) for a page that is not ascending, not behind `after`, or not whole. The document itself was looked at before it was
 * parsed (answers.ts).
 */
function listedPage(
  answer: ListObjectsV2CommandOutput,
  after: string | undefined,
  context: RequestContext,
): ObjectPage {
  const refused = (what: string) => storeError('store-refused', context, what);
  if (answer.IsTruncated === undefined)
    throw refused('the server does not say whether its listing is whole (IsTruncated)');
  let previous = after === undefined ? undefined : Buffer.from(after);
  const objects: ListedObject[] = [];
  for (const { Key: name, Size: bytes, LastModified } of answer.Contents ?? []) {
    const modifiedMs = LastModified?.getTime() ?? Number.NaN;
    if (name === undefined || bytes === undefined || Number.isNaN(modifiedMs))
      throw refused('the server listed an object without name, size or time');
    const key = Buffer.from(name);
    if (previous !== undefined && Buffer.compare(previous, key) >= 0)
      throw refused('the server listed objects that are not in the order of their names');
    previous = key;
    objects.push({ name, bytes, modifiedMs });
  }
  if (answer.KeyCount !== undefined && answer.KeyCount !== objects.length)
    throw refused(`the server listed ${objects.length} objects as ${answer.KeyCount}`);
  if (answer.IsTruncated && objects.length === 0) throw refused('the server listed nothing, and more');
  return { objects, more: answer.IsTruncated };
}
