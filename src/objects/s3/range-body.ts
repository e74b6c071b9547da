/**
 * The answer to a GET of a range, or of a whole object: checks that it is exactly what was asked for and puts it into the
 * caller's memory, without a copy in between (half the CPU of collecting it first).
 * It stands alone because every byte that compaction moves passes here, by either way: nothing short, long or shifted may
 * get through.
 */
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { CompactError } from '../../errors.ts';
import { CRC32C_METADATA, crc32Base64, crc32c } from './checksums.ts';
import { type RequestContext, storeError } from './errors.ts';

interface RangeTarget {
  /** Offset in the object, bytes. */
  readonly offset: number;
  readonly target: Uint8Array;
  /** The whole object was asked for, which may be shorter than `target`. */
  readonly whole?: boolean;
  /** The parts of an error sentence; a function where making them for each request would cost. */
  readonly context: RequestContext | (() => RequestContext);
}

/** What the head of a 2xx answer says of its body. */
interface BodyHead {
  readonly status: number;
  readonly etag: string | undefined;
  readonly contentRange: string | undefined;
  readonly contentLength: number | undefined;
  /** CRC32 of the whole object, where it was asked for and there is one. */
  readonly checksum?: string;
  /** What its writer kept of its CRC-32C. */
  readonly crc32c?: unknown;
}

/** `bytes 4-19/64`; the total may be `*`. */
const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+|\*)$/;

/** Takes one answer, piece by piece. A fault that is returned ends it: the rest of the body is nobody's. */
export class RangeBody {
  readonly #range: RangeTarget;
  /** Bytes that the body must have. */
  #length: number;
  #filled = 0;
  /** Of exactly the bytes that were asked for. */
  #checksum: string | undefined;
  #crc32c: number | undefined;

  constructor(range: RangeTarget) {
    this.#range = range;
    this.#length = range.target.length;
  }

  /** Bytes of `target` that are filled. */
  get filled(): number {
    return this.#filled;
  }

  /**
   * `object-short` when the object ends before the range does, `store-refused` when the server sends another range or the
   * whole object, `store-unavailable` when it is not the store that answers.
   */
  open(head: BodyHead): CompactError | undefined {
    if (head.status === 206 && this.#range.whole !== true) return this.#beginRange(head);
    // Every answer of S3 with an object in it has an ETag; a page of something on the way has none.
    if (head.status !== 200 || (head.etag ?? '') === '')
      return this.#fault('store-unavailable', `the server answered ${head.status} without an object`);
    const { offset, target, whole } = this.#range;
    if (whole === true) return this.#beginWhole(head);
    // The whole object (200 in place of 206) is right only where it is just what was asked for.
    if (offset !== 0 || head.contentLength !== target.length || head.contentRange !== undefined)
      return this.#fault('store-refused', 'the server ignored the Range header and sent the whole object');
    this.#checksum = head.checksum;
    return undefined;
  }

  #beginWhole({ contentLength, checksum, crc32c: kept }: BodyHead): CompactError | undefined {
    const { target } = this.#range;
    if (contentLength === undefined) return this.#fault('store-refused', 'the server gave no Content-Length');
    if (contentLength > target.length)
      return this.#fault('object-damaged', `it has ${contentLength} bytes, and can have at most ${target.length}`);
    this.#length = contentLength;
    this.#checksum = checksum;
    if (typeof kept === 'string' && /^\d{1,10}$/.test(kept)) this.#crc32c = Number(kept);
    return undefined;
  }

  #beginRange({ contentRange, contentLength, checksum }: BodyHead): CompactError | undefined {
    const { offset, target } = this.#range;
    const [, first, last, total] = CONTENT_RANGE.exec(contentRange ?? '') ?? [];
    const begin = Number(first ?? Number.NaN);
    const bytes = Number(last ?? Number.NaN) - begin + 1;
    const isWithin = total === undefined || total === '*' || begin + bytes <= Number(total);
    if (begin !== offset || bytes > target.length || !(bytes > 0) || !isWithin)
      return this.#fault('store-refused', `the server sent another range (${contentRange ?? 'no Content-Range'})`);
    if (bytes < target.length) return shortError(this.#context(), `it has only ${bytes} of these bytes`);
    if (contentLength !== undefined && contentLength !== bytes)
      return this.#fault('store-refused', `the server sent ${contentLength} bytes as ${contentRange}`);
    if (offset === 0 && total === String(bytes)) this.#checksum = checksum;
    return undefined;
  }

  take(piece: Uint8Array): CompactError | undefined {
    const { target } = this.#range;
    if (this.#filled + piece.length > this.#length)
      return this.#fault('store-refused', 'the server sent more bytes than it announced');
    target.set(piece, this.#filled);
    this.#filled += piece.length;
    return undefined;
  }

  /** `store-unavailable` when the body broke off (no announced length is trusted) or is not what was stored. */
  end(): CompactError | undefined {
    const { target } = this.#range;
    if (this.#filled !== this.#length)
      return this.#fault('store-unavailable', `the answer broke off after ${this.#filled} bytes`);
    const body = target.subarray(0, this.#filled);
    if (this.#checksum !== undefined && this.#checksum !== crc32Base64(crc32(body)))
      return this.#fault('store-unavailable', 'the bytes differ from the checksum that the server sent with them');
    if (this.#crc32c === undefined || this.#crc32c === crc32c(body)) return undefined;
    return this.#fault('object-damaged', 'its bytes differ from the CRC-32C that its writer kept with it');
  }

  #fault(code: 'store-refused' | 'store-unavailable' | 'object-damaged', what: string): CompactError {
    return storeError(code, this.#context(), what);
  }

  #context(): RequestContext {
    const { context } = this.#range;
    return typeof context === 'function' ? context() : context;
  }
}

interface StreamedRange extends RangeTarget {
  readonly context: RequestContext;
  /** Once aborted, `target` is the caller's again and must not be touched. */
  readonly signal: AbortSignal;
}

/** Fills the target from the SDK's answer, and says how far; throws what RangeBody returns. */
export async function readRange(answer: GetObjectCommandOutput, range: StreamedRange): Promise<number> {
  const body = answer.Body;
  if (!(body instanceof Readable)) throw storeError('store-unavailable', range.context, 'the answer had no body');
  const taken = new RangeBody(range);
  try {
    throwIfFault(taken.open(headOf(answer)));
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      range.signal.throwIfAborted();
      throwIfFault(taken.take(piece));
    }
    throwIfFault(taken.end());
    return taken.filled;
  } finally {
    // A body that is not read to its end would hold its socket for ever.
    if (!body.readableEnded) body.destroy();
  }
}

function headOf(answer: GetObjectCommandOutput): BodyHead {
  return {
    status: answer.$metadata.httpStatusCode ?? 0,
    etag: answer.ETag,
    contentRange: answer.ContentRange,
    contentLength: answer.ContentLength,
    checksum: wholeChecksum(answer.ChecksumCRC32, answer.ChecksumType),
    crc32c: answer.Metadata?.[CRC32C_METADATA],
  };
}

/** A checksum that is the object's own, and not one of its parts' checksums. */
export function wholeChecksum(crc32: unknown, type: unknown): string | undefined {
  return typeof crc32 === 'string' && type !== 'COMPOSITE' && !crc32.includes('-') ? crc32 : undefined;
}

function throwIfFault(fault: CompactError | undefined): void {
  if (fault !== undefined) throw fault;
}

/** The object ends before the range does. */
export function shortError(context: RequestContext, what: string): CompactError {
  return storeError('object-short', context, `the object is too short: ${what}`);
}
