/**
 * The requests that compaction makes by the thousand: range reads, writes and HEADs. One port for the two ways they can go: by
 * the SDK (here), which can do everything anywhere, and past it (data-path-fast.ts), which costs a tenth.
 * One request for each call; what follows from the answer (other forms, other requests) is decided in put-forms.ts and
 * store.ts.
 */
import { hash } from 'node:crypto';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectHead } from '../port.ts';
import { CRC32C_METADATA, crc32Base64, crc32Hex } from './checksums.ts';
import type { S3Connection } from './connection.ts';
import { clockRefusal, errorFacts, type RequestContext, storeError } from './errors.ts';
import { readRange, shortError } from './range-body.ts';
import { BEFORE_SIGNING, editHeaders } from './sdk-hooks.ts';

/** User metadata with the CRC32 of the body, eight hex digits: HEAD returns it on nearly any server, checksums only on some. */
export const CRC32_METADATA = 's3compact-crc32';
export const STORAGE_CLASS = 'x-amz-storage-class';
/** In place of a body's hash: its CRC32 header is signed. */
const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

export interface RangeRead {
  readonly name: string;
  readonly offset: number;
  /** Not empty. */
  readonly target: Uint8Array;
  /** All of the object, which may be shorter than `target`; `offset` is 0. */
  readonly whole?: boolean;
  /** Asks for the checksum of the whole object. */
  readonly checksum: boolean;
  readonly signal: AbortSignal | undefined;
}

/** How a PUT is sent. */
export interface PutForm {
  /** With If-None-Match. */
  readonly conditional: boolean;
  /** With x-amz-checksum-crc32. */
  readonly checksum: boolean;
  /** Without a hash of the body in the signature (42 % of a PUT's CPU); only with a checksum, which is signed in its place. */
  readonly unsigned: boolean;
}

export interface Put {
  readonly name: string;
  readonly body: Uint8Array;
  /** CRC32 of the body, unsigned. */
  readonly crc32: number;
  /** CRC-32C of the body, to be kept with it. */
  readonly crc32c?: number;
  /** Absent: the bucket's own. */
  readonly storageClass?: string;
  readonly form: PutForm;
  readonly signal: AbortSignal | undefined;
}

export type PutOutcome = 'created' | 'exists';

export interface Head {
  readonly name: string;
  readonly signal: AbortSignal | undefined;
}

/** One request each. Errors as of ObjectStore. */
export interface S3DataPath {
  /** How many bytes of the target were filled: all of them but for a whole object. */
  getRange(read: RangeRead): Promise<number>;
  put(put: Put): Promise<PutOutcome>;
  /** `null` for 404, which has no body and so cannot tell a missing object from a missing bucket. */
  head(head: Head): Promise<ObjectHead | null>;
}

/** How each request is described in an error. */
export const describe = {
  head: (name: string): string => `Looking at object "${name}"`,
  read: ({ name, offset, target, whole }: RangeRead): string =>
    whole === true
      ? `Reading all of object "${name}"`
      : `Reading ${target.length} bytes at offset ${offset} of object "${name}"`,
  write: (name: string, bytes: number): string => `Writing object "${name}" (${bytes} bytes)`,
};

/** The Range header of a read; absent for a whole object. */
export function rangeOf({ offset, target, whole }: RangeRead): string | undefined {
  return whole === true ? undefined : `bytes=${offset}-${offset + target.length - 1}`;
}

const CRC32_TEXT = /^[0-9a-f]{8}$/;

/** What the headers of a HEAD say; `crc32Text` is whatever stands there. */
export function objectHead(bytes: number | undefined, crc32Text: unknown, context: RequestContext): ObjectHead {
  if (bytes === undefined) throw storeError('store-refused', context, 'the server gave no Content-Length');
  const isChecksum = typeof crc32Text === 'string' && CRC32_TEXT.test(crc32Text);
  return { bytes, ...(isChecksum ? { crc32: Number.parseInt(crc32Text, 16) } : {}) };
}

/** The value of x-amz-content-sha256. */
export function payloadOf({ form, body }: Put): string {
  return form.unsigned ? UNSIGNED_PAYLOAD : hash('sha256', body, 'hex');
}

/** A refused PUT that says that the name is taken. */
export function isTaken(thrown: unknown, { form }: Put): boolean {
  return form.conditional && errorFacts(thrown).status === 412;
}

const askForChecksum = editHeaders(({ headers }) => {
  headers['x-amz-checksum-mode'] = 'ENABLED';
});

/** By the SDK. */
export class SdkDataPath implements S3DataPath {
  readonly #connection: S3Connection;
  readonly #bucket: string;

  constructor(connection: S3Connection, bucket: string) {
    this.#connection = connection;
    this.#bucket = bucket;
  }

  getRange(read: RangeRead): Promise<number> {
    const { name, checksum, signal } = read;
    const options = { doing: describe.read(read), bucket: this.#bucket, signal };
    const context = this.#connection.context(options);
    const range = rangeOf(read);
    return this.#connection.request(options, async (sdk, abort) => {
      try {
        const where = { Bucket: this.#bucket, Key: name };
        const command = new GetObjectCommand(range === undefined ? where : { ...where, Range: range });
        // Not the SDK's own parameter: it would compare ranges with checksums of whole objects.
        if (checksum) command.middlewareStack.add(askForChecksum, BEFORE_SIGNING);
        const answer = await sdk.send(command, { abortSignal: abort });
        return await readRange(answer, { ...read, context, signal: abort });
      } catch (thrown) {
        if (errorFacts(thrown).status !== 416) throw thrown;
        throw shortError(context, 'it ends at or before this offset');
      }
    });
  }

  head({ name, signal }: Head): Promise<ObjectHead | null> {
    const options = { doing: describe.head(name), bucket: this.#bucket, signal };
    return this.#connection.request(options, async (sdk, abort) => {
      // The SDK corrects its clock by the answer.
      const signedMs = Date.now() + sdk.config.systemClockOffset;
      try {
        const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: name });
        const { ContentLength, Metadata } = await sdk.send(command, { abortSignal: abort });
        return objectHead(ContentLength, Metadata?.[CRC32_METADATA], this.#connection.context(options));
      } catch (thrown) {
        if (errorFacts(thrown).status === 404) return null;
        throw clockRefusal(thrown, signedMs, this.#connection.context(options)) ?? thrown;
      }
    });
  }

  put(put: Put): Promise<PutOutcome> {
    const { name, body, crc32, form, signal } = put;
    const options = { doing: describe.write(name, body.length), bucket: this.#bucket, signal };
    return this.#connection.request(options, async (sdk, abort) => {
      const command = new PutObjectCommand({
        Bucket: this.#bucket,
        Key: name,
        Body: body,
        ContentLength: body.length,
        Metadata: {
          [CRC32_METADATA]: crc32Hex(crc32),
          ...(put.crc32c === undefined ? {} : { [CRC32C_METADATA]: `${put.crc32c}` }),
        },
        ...(form.checksum ? { ChecksumCRC32: crc32Base64(crc32) } : {}),
        // I3: a name is written once.
        ...(form.conditional ? { IfNoneMatch: '*' } : {}),
      });
      const setPayload = editHeaders(({ headers }) => {
        headers['x-amz-content-sha256'] = payloadOf(put);
        // Not the SDK's own parameter: its type knows only the classes of AWS.
        if (put.storageClass !== undefined) headers[STORAGE_CLASS] = put.storageClass;
      });
      command.middlewareStack.add(setPayload, BEFORE_SIGNING);
      try {
        await sdk.send(command, { abortSignal: abort });
        return 'created';
      } catch (thrown) {
        if (isTaken(thrown, put)) return 'exists';
        throw thrown;
      }
    });
  }
}
