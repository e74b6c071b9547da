/**
 * Turns: at most so many calls at once, in order, and a caller that gives up while it waits is let go at once (p-limit would
 * keep it until its turn comes). Every request passes here twice: a free turn costs no promise and no listener. It must not
 * know what the calls do.
 */
import { type CompactError, cancelled } from '../errors.ts';
import { type AbortListener, listen, unlisten } from './abort.ts';

/** The failure of a call whose caller withdrew it. */
export function cancelledError(cause?: unknown): CompactError {
  return cancelled('The call to the object store was cancelled by its caller; repeat it when the work goes on.', cause);
}

/** Places of those who have been served are taken back when there are so many. */
const SERVED_MAX = 1_024;

export class Turns {
  #free: number;
  /** In the order of their coming; the first `#served` places are empty. */
  #waiting: (Waiter | undefined)[] = [];
  #served = 0;

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
    else await new Promise<void>((resolve, reject) => this.#waiting.push(new Waiter(signal, { resolve, reject })));
    try {
      return await run();
    } finally {
      this.#next();
    }
  }

  /** A turn that ends goes to the one who has waited longest, without being free in between. */
  #next(): void {
    while (this.#served < this.#waiting.length) {
      const waiter = this.#waiting[this.#served];
      this.#waiting[this.#served++] = undefined;
      if (this.#served === SERVED_MAX) {
        this.#waiting = this.#waiting.slice(SERVED_MAX);
        this.#served = 0;
      }
      if (waiter?.start()) return;
    }
    this.#waiting.length = 0;
    this.#served = 0;
    this.#free++;
  }
}

interface Settling {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class Waiter implements AbortListener {
  place = 0;
  readonly #signal: AbortSignal | undefined;
  #settling: Settling | undefined;

  constructor(signal: AbortSignal | undefined, settling: Settling) {
    this.#signal = signal;
    this.#settling = settling;
    if (signal !== undefined) listen(signal, this);
  }

  /** `false` when it has given up. */
  start(): boolean {
    if (this.#settling === undefined) return false;
    if (this.#signal !== undefined) unlisten(this.#signal, this);
    this.#settling.resolve();
    return true;
  }

  aborted(): void {
    this.#settling?.reject(cancelledError(this.#signal?.reason));
    this.#settling = undefined;
  }
}
