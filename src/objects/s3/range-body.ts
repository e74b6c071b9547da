/**
 * The answer to a ranged GET: checks that it is exactly the range that was asked for and puts it into the caller's
 * memory, without a copy in between (half the CPU of collecting it first).
 * It stands alone because every byte that compaction moves passes here, by either way: nothing short, long or shifted may
 * get through.
 */
import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { CompactError } from '../../errors.ts';
import { type RequestContext, storeError } from './errors.ts';

export interface RangeTarget {
  /** Offset in the object, bytes. */
  readonly offset: number;
  readonly target: Uint8Array;
  /** The parts of an error sentence; a function where making them for each request would cost. */
  readonly context: RequestContext | (() => RequestContext);
}

/** What the head of an answer says of its body. */
export interface BodyHead {
  readonly contentRange: string | undefined;
  readonly contentLength: number | undefined;
}

/** `bytes 4-19/64`; the total may be `*`. */
const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(?:\d+|\*)$/;

/** Takes one answer, piece by piece. A fault that is returned ends it: the rest of the body is nobody's. */
export class RangeBody {
  readonly #range: RangeTarget;
  #filled = 0;

  constructor(range: RangeTarget) {
    this.#range = range;
  }

  /**
   * `object-short` when the object ends before the range does, `store-refused` when the server sends another range or the
   * whole object.
   */
  begin({ contentRange, contentLength }: BodyHead): CompactError | undefined {
    const { offset, target } = this.#range;
    const wanted = target.length;
    if (contentRange === undefined) {
      // The whole object (200 in place of 206) is right only where it is just what was asked for.
      if (offset === 0 && contentLength === wanted) return undefined;
      return this.#fault('store-refused', 'the server ignored the Range header and sent the whole object');
    }
    const match = CONTENT_RANGE.exec(contentRange);
    const begin = Number(match?.[1] ?? Number.NaN);
    const bytes = Number(match?.[2] ?? Number.NaN) - begin + 1;
    if (begin !== offset || bytes > wanted || Number.isNaN(bytes))
      return this.#fault('store-refused', `the server sent another range (${contentRange})`);
    if (bytes < wanted) return shortError(this.#context(), `it has only ${bytes} of these bytes`);
    if (contentLength !== undefined && contentLength !== bytes)
      return this.#fault('store-refused', `the server sent ${contentLength} bytes as ${contentRange}`);
    return undefined;
  }

  take(piece: Uint8Array): CompactError | undefined {
    const { target } = this.#range;
    if (this.#filled + piece.length > target.length)
      return this.#fault('store-refused', 'the server sent more bytes than it announced');
    target.set(piece, this.#filled);
    this.#filled += piece.length;
    return undefined;
  }

  /** `store-unavailable` when the body broke off: no announced length is trusted. */
  end(): CompactError | undefined {
    if (this.#filled === this.#range.target.length) return undefined;
    return this.#fault('store-unavailable', `the answer broke off after ${this.#filled} bytes`);
  }

  #fault(code: 'store-refused' | 'store-unavailable', what: string): CompactError {
    return storeError(code, this.#context(), what);
  }

  #context(): RequestContext {
    const { context } = this.#range;
    return typeof context === 'function' ? context() : context;
  }
}

export interface StreamedRange extends RangeTarget {
  readonly context: RequestContext;
  /** Once aborted, `target` is the caller's again and must not be touched. */
  readonly signal: AbortSignal;
}

/** Fills the target from the SDK's answer; throws what RangeBody returns. */
export async function readRange(answer: GetObjectCommandOutput, range: StreamedRange): Promise<void> {
  const body = answer.Body;
  if (!(body instanceof Readable)) throw storeError('store-unavailable', range.context, 'the answer had no body');
  try {
    await fill(body, { contentRange: answer.ContentRange, contentLength: answer.ContentLength }, range);
  } finally {
    // A body that is not read to its end would hold its socket for ever.
    if (!body.readableEnded) body.destroy();
  }
}

/** Lets go of an answer whose body nobody wants. */
export function discardBody(answer: GetObjectCommandOutput): void {
  if (answer.Body instanceof Readable) answer.Body.destroy();
}

async function fill(body: Readable, head: BodyHead, range: StreamedRange): Promise<void> {
  const taken = new RangeBody(range);
  throwIfFault(taken.begin(head));
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    range.signal.throwIfAborted();
    throwIfFault(taken.take(piece));
  }
  throwIfFault(taken.end());
}

function throwIfFault(fault: CompactError | undefined): void {
  if (fault !== undefined) throw fault;
}

/** The object ends before the range does. */
export function shortError(context: RequestContext, what: string): CompactError {
  return storeError('object-short', context, `the object is too short: ${what}`);
}
