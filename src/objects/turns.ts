/**
 * Turns: at most so many calls at once, and a caller that gives up while it waits is let go at once.
 * It stands alone because both the S3 connection (one turn for each socket) and the retry decorator (requests of one
 * store) need it, and because p-limit by itself keeps an aborted caller waiting until its turn comes.
 * It must not know what the calls do.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import { CompactError } from '../errors.ts';

/** The failure of a call whose caller withdrew it. */
export function cancelledError(cause?: unknown): CompactError {
  return new CompactError(
    'The call to the object store was cancelled by its caller; repeat it when the work goes on.',
    {
      kind: 'retry',
      code: 'cancelled',
      cause,
    },
  );
}

export class Turns {
  readonly #limit: LimitFunction;

  constructor(callsMax: number) {
    this.#limit = pLimit(callsMax);
  }

  /**
   * Runs `run` when its turn comes. Rejects with `cancelled` when `signal` aborts before that, and then never runs it;
   * once it runs, its own use of the signal decides.
   */
  take<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal === undefined) return this.#limit(run);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let started = false;
    const onAbort = (): void => {
      if (!started) reject(cancelledError(signal.reason));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#limit(() => {
      started = true;
      if (signal.aborted) throw cancelledError(signal.reason);
      return run();
    })
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
    return promise;
  }
}
