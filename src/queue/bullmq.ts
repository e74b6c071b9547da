/**
 * How a failed queue command is reported. It stands alone because every file of the queue makes commands, and whoever waits
 * for Redis to come back goes by this one code.
 */
import { CompactError, toError } from '../errors.ts';

/** Runs a queue command and tells its failure as `queue-unavailable`. */
export async function queueCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof CompactError) throw error;
    throw new CompactError(
      `could not ${what}: the queue's Redis did not do it (${toError(error).message}); check REDIS_URL and the server`,
      { kind: 'retry', code: 'queue-unavailable', cause: error },
    );
  }
}

/** What a value in Redis says as JSON; `null` where it is none: who reads it checks its shape anyway. */
export function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
