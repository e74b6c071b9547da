/**
 * The requests that compaction makes by the thousand: range reads, writes, batch deletes. One port for the two ways they
 * can go: by the SDK (here), which can do everything anywhere, and past it (s3-fast.ts), which costs a tenth.
 * One request for each call; what follows from the answer (other requests, other operations) is the store's business.
 */
import { DeleteObjectsCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { DeleteFailure } from '../port.ts';
import type { S3Connection } from './connection.ts';
import { errorFacts } from './errors.ts';
import { readRange, shortError } from './range-body.ts';

/** User metadata with the CRC32 of the body, eight hex digits: HEAD returns it on any server, checksums only on some. */
export const CRC32_METADATA = 's3compact-crc32';
/** What servers without DeleteObjects, or that want it in another form, answer to it. */
const NO_MULTI_DELETE: ReadonlySet<string> = new Set([
  'NotImplemented',
  'MethodNotAllowed',
  'MalformedXML',
  'MissingContentMD5',
]);

export interface RangeRead {
  readonly name: string;
  readonly offset: number;
  /** Not empty. */
  readonly target: Uint8Array;
  readonly signal: AbortSignal | undefined;
}

export interface Put {
  readonly name: string;
  readonly body: Uint8Array;
  /** CRC32 of the body, unsigned. */
  readonly checksum: number;
  readonly signal: AbortSignal | undefined;
  /** With If-None-Match. */
  readonly conditional: boolean;
}

export type PutOutcome = 'created' | 'exists' | 'unsupported';

/** One request each; `unsupported`: the server does not know the condition, or the batch. Errors as of ObjectStore. */
export interface S3DataPath {
  getRange(read: RangeRead): Promise<void>;
  put(put: Put): Promise<PutOutcome>;
  deleteBatch(names: readonly string[], signal?: AbortSignal): Promise<readonly DeleteFailure[] | 'unsupported'>;
}

/** How each request is told in an error. */
export const telling = {
  read: (name: string, offset: number, bytes: number): string =>
    `Reading ${bytes} bytes at offset ${offset} of object "${name}"`,
  write: (name: string, bytes: number): string => `Writing object "${name}" (${bytes} bytes)`,
  deleteBatch: (names: readonly string[]): string => `Deleting ${names.length} objects ("${names[0] ?? ''}" first)`,
};

/** The four bytes of x-amz-checksum-crc32, most significant first. */
export function crc32Base64(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}

/** The value of CRC32_METADATA. */
export function crc32Hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

/** What a refused PUT means beyond being refused, if anything. */
export function refusedPut(thrown: unknown, put: Put): PutOutcome | undefined {
  const { status, name: code } = errorFacts(thrown);
  if (put.conditional && status === 412) return 'exists';
  if (put.conditional && (status === 501 || code === 'NotImplemented')) return 'unsupported';
  return undefined;
}

/** Whether a refused batch says that there are no batches. */
export function lacksMultiDelete(thrown: unknown): boolean {
  const { status, name: code } = errorFacts(thrown);
  return status === 501 || status === 405 || NO_MULTI_DELETE.has(code);
}

/** A name that was not there is deleted. */
export function realFailures(failures: Iterable<DeleteFailure>): readonly DeleteFailure[] {
  return [...failures].filter((failure) => failure.code !== 'NoSuchKey');
}

/** By the SDK. */
export class SdkDataPath implements S3DataPath {
  readonly #connection: S3Connection;
  readonly #bucket: string;

  constructor(connection: S3Connection, bucket: string) {
    this.#connection = connection;
    this.#bucket = bucket;
  }

  async getRange({ name, offset, target, signal }: RangeRead): Promise<void> {
    const options = { doing: telling.read(name, offset, target.length), bucket: this.#bucket, signal };
    const context = this.#connection.context(options);
    const range = `bytes=${offset}-${offset + target.length - 1}`;
    await this.#connection.request(options, async (sdk, abort) => {
      try {
        const command = new GetObjectCommand({ Bucket: this.#bucket, Key: name, Range: range });
        const answer = await sdk.send(command, { abortSignal: abort });
        await readRange(answer, { offset, target, context, signal: abort });
      } catch (thrown) {
        if (errorFacts(thrown).status !== 416) throw thrown;
        throw shortError(context, 'it ends at or before this offset');
      }
    });
  }

  put(put: Put): Promise<PutOutcome> {
    const { name, body, checksum, signal } = put;
    const options = { doing: telling.write(name, body.length), bucket: this.#bucket, signal };
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: name,
      Body: body,
      ContentLength: body.length,
      ChecksumCRC32: crc32Base64(checksum),
      Metadata: { [CRC32_METADATA]: crc32Hex(checksum) },
      // I3: a name is written once.
      ...(put.conditional ? { IfNoneMatch: '*' } : {}),
    });
    return this.#connection.request(options, async (sdk, abort) => {
      try {
        await sdk.send(command, { abortSignal: abort });
        return 'created';
      } catch (thrown) {
        const outcome = refusedPut(thrown, put);
        if (outcome === undefined) throw thrown;
        return outcome;
      }
    });
  }

  deleteBatch(names: readonly string[], signal?: AbortSignal): Promise<readonly DeleteFailure[] | 'unsupported'> {
    const options = { doing: telling.deleteBatch(names), bucket: this.#bucket, signal };
    const command = new DeleteObjectsCommand({
      Bucket: this.#bucket,
      Delete: { Quiet: true, Objects: names.map((name) => ({ Key: name })) },
    });
    return this.#connection.request(options, async (sdk, abort) => {
      try {
        const answer = await sdk.send(command, { abortSignal: abort });
        return realFailures(
          (answer.Errors ?? []).map((error) => ({ name: error.Key ?? '', code: error.Code ?? 'Unknown' })),
        );
      } catch (thrown) {
        if (lacksMultiDelete(thrown)) return 'unsupported';
        throw thrown;
      }
    });
  }
}
