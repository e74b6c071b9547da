/**
 * Turns: at most so many calls at once, in order, and a caller that gives up while it waits is let go at once.
 * It stands alone because both the S3 connection (one turn for each socket) and the retry decorator (requests of one
 * store) need it, and because every request passes here twice: a free turn costs no promise and no listener, and
 * p-limit would keep an aborted caller waiting until its turn comes. It must not know what the calls do.
 */
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
  #free: number;
  /** In the order of their coming. */
  readonly #waiting = new Set<() => void>();

  constructor(callsMax: number) {
    this.#free = callsMax;
  }

  /**
   * Runs `run` when its turn comes. Rejects with `cancelled` when `signal` aborts before that, and then never runs it;
   * once it runs, its own use of the signal decides.
   */
  async take<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) throw cancelledError(signal.reason);
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      return await run();
    } finally {
      this.#next();
    }
  }

  /** A turn that ends goes to the one who has waited longest, without being free in between. */
  #next(): void {
    for (const start of this.#waiting) {
      this.#waiting.delete(start);
      start();
      return;
    }
    this.#free++;
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      this.#waiting.delete(start);
      reject(cancelledError(signal?.reason));
    };
    const start = (): void => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    };
    this.#waiting.add(start);
    signal?.addEventListener('abort', onAbort, { once: true });
    return promise;
  }
}
