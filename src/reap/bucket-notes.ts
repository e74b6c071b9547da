/**
 * Reads the small objects that s3compact keeps in the bucket beside the file system's: whose the bucket is, and holds. Neither
 * may be taken for absent when it is only being replaced, or is too large to be ours. It writes and deletes nothing.
 */
import { CompactError, isMissingObject } from '../errors.ts';
import { safeJson } from '../format.ts';
import type { ObjectStore } from '../objects/port.ts';

/** A larger object under such a name is none of ours. */
const NOTE_BYTES_MAX = 16_384;
/** Notes that come and go while one is read, in a row. */
const TRIES_MAX = 5;

/** The text of the object. `null`: there is none. `undefined`: too large to be ours. Throws what the store throws. */
export async function readNote(
  store: ObjectStore,
  name: string,
  signal?: AbortSignal,
): Promise<string | null | undefined> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const head = await store.head(name, signal);
    if (head === null) return null;
    if (head.bytes > NOTE_BYTES_MAX) return undefined;
    const body = Buffer.alloc(head.bytes);
    try {
      await store.getRange(name, 0, body, signal);
      return body.toString();
    } catch (error) {
      // Replaced meanwhile.
      if (!(error instanceof CompactError) || !isMissingObject(error)) throw error;
    }
  }
  throw new CompactError(`object "${name}" changes all the time`, { kind: 'retry', code: 'store-unavailable' });
}

/** JSON, or `undefined`. */
export function parseNote(text: string): Readonly<Record<string, unknown>> | undefined {
  const value = safeJson(text);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
