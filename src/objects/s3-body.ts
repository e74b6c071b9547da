/**
 * The answer to a ranged GET: checks that it is exactly the range that was asked for and streams it into the caller's
 * memory, without a copy in between (half the CPU of collecting it first).
 * It stands alone because every byte that compaction moves passes here: nothing short, long or shifted may get through.
 */
import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { CompactError } from '../errors.ts';
import { type RequestContext, storeError } from './s3-errors.ts';

export interface RangeTarget {
  /** Offset in the object, bytes. */
  readonly offset: number;
  readonly target: Uint8Array;
  readonly context: RequestContext;
  /** Once aborted, `target` is the caller's again and must not be touched. */
  readonly signal: AbortSignal;
}

/** `bytes 4-19/64`; the total may be `*`. */
const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(?:\d+|\*)$/;

/**
 * Fills the target from the answer.
 * Throws `object-short` when the object ends before the range does, `store-refused` when the server sends another
 * range or the whole object, `store-unavailable` when the body breaks off.
 */
export async function readRange(answer: GetObjectCommandOutput, range: RangeTarget): Promise<void> {
  const body = answer.Body;
  if (!(body instanceof Readable)) throw storeError('store-unavailable', range.context, 'the answer had no body');
  try {
    const fault = rangeFault(answer, range);
    if (fault !== undefined) throw fault;
    await fill(body, range);
  } finally {
    // A body that is not read to its end would hold its socket for ever.
    if (!body.readableEnded) body.destroy();
  }
}

/** Lets go of an answer whose body nobody wants. */
export function discardBody(answer: GetObjectCommandOutput): void {
  if (answer.Body instanceof Readable) answer.Body.destroy();
}

function rangeFault(answer: GetObjectCommandOutput, range: RangeTarget): CompactError | undefined {
  const { offset, target, context } = range;
  const wanted = target.length;
  if (answer.ContentRange === undefined) {
    // The whole object (200 in place of 206) is right only where it is just what was asked for.
    if (offset === 0 && answer.ContentLength === wanted) return undefined;
    return storeError('store-refused', context, 'the server ignored the Range header and sent the whole object');
  }
  const match = CONTENT_RANGE.exec(answer.ContentRange);
  const begin = Number(match?.[1] ?? Number.NaN);
  const bytes = Number(match?.[2] ?? Number.NaN) - begin + 1;
  if (begin !== offset || bytes > wanted || Number.isNaN(bytes))
    return storeError('store-refused', context, `the server sent another range (${answer.ContentRange})`);
  if (bytes < wanted) return shortError(context, `it has only ${bytes} of these bytes`);
  if (answer.ContentLength !== undefined && answer.ContentLength !== bytes)
    return storeError(
      'store-refused',
      context,
      `the server sent ${answer.ContentLength} bytes as ${answer.ContentRange}`,
    );
  return undefined;
}

async function fill(body: Readable, range: RangeTarget): Promise<void> {
  const { target, context, signal } = range;
  let filled = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    signal.throwIfAborted();
    if (filled + chunk.length > target.length)
      throw storeError('store-refused', context, 'the server sent more bytes than it announced');
    target.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled < target.length)
    throw storeError('store-unavailable', context, `the answer broke off after ${filled} bytes`);
}

/** The object ends before the range does. */
export function shortError(context: RequestContext, what: string): CompactError {
  return storeError('object-short', context, `the object is too short: ${what}`);
}
