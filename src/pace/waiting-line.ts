/**
 * A line of callers that wait for a limit: first come, first served, each free to leave at any time, all counted. Every
 * limit has one. Whose turn it is when, the limit decides.
 */
import type { Clock } from '../clock.ts';
import { cancelled } from '../errors.ts';
import { elapsed, type MonotonicMs } from '../time.ts';

/** A limit as it is shown to metrics and `status`; plain JSON. */
export interface LimitState {
  /** 0 means no limit. */
  readonly limit: number;
  /** Callers that wait now. */
  readonly waiting: number;
  /** Callers that ever had to wait. */
  readonly waits: number;
  /** Their time, those that wait now included. */
  readonly waitedMs: number;
}

const CANCELLED = 'a request that waited for a limit was cancelled by its caller; nothing was sent';

interface Place {
  readonly amount: number;
  readonly sinceMs: MonotonicMs;
  readonly resolve: () => void;
}

export class Waiting {
  readonly #clock: Clock;
  /** In order of arrival; a set, so that one that leaves costs nothing. */
  readonly #places = new Set<Place>();
  #waits = 0;
  #waitedMs = 0;
  readonly #onWaited: ((ms: number) => void) | undefined;
  #sleeper: AbortController | undefined;

  /** `onWaited` is called for each wait when it is over, from inside the caller's own asynchronous context. */
  constructor(clock: Clock, onWaited?: (ms: number) => void) {
    this.#clock = clock;
    this.#onWaited = onWaited;
  }

  get empty(): boolean {
    return this.#places.size === 0;
  }

  counts(): Omit<LimitState, 'limit'> {
    const nowMs = this.#clock.monotonicMs();
    let waitedMs = this.#waitedMs;
    for (const place of this.#places) waitedMs += elapsed(place.sinceMs, nowMs);
    return { waiting: this.#places.size, waits: this.#waits, waitedMs };
  }

  /** Resolves when it is served; rejects with `cancelled` when `signal` aborts before, and is no longer in the line. */
  async join(amount: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) throw cancelled(CANCELLED, signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const place: Place = { amount, sinceMs: this.#clock.monotonicMs(), resolve };
    const onAbort = (): void => {
      if (!this.#leave(place)) return;
      // Nobody is left to be woken for: a timer must not keep the process alive.
      if (this.empty) this.wake();
      reject(cancelled(CANCELLED, signal?.reason));
    };
    this.#places.add(place);
    this.#waits++;
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#onWaited?.(elapsed(place.sinceMs, this.#clock.monotonicMs()));
    }
  }

  /** Lets the first one go and returns its amount; 0 when the line is empty. */
  serveFirst(): number {
    for (const place of this.#places) {
      this.#leave(place);
      place.resolve();
      return place.amount;
    }
    return 0;
  }

  /** Sleeps on the line's behalf; ends early when `wake` is called. */
  async sleep(ms: number): Promise<void> {
    this.#sleeper = new AbortController();
    await this.#clock.sleep(ms, this.#sleeper.signal).catch(() => undefined);
    this.#sleeper = undefined;
  }

  wake(): void {
    this.#sleeper?.abort();
  }

  #leave(place: Place): boolean {
    if (!this.#places.delete(place)) return false;
    this.#waitedMs += elapsed(place.sinceMs, this.#clock.monotonicMs());
    return true;
  }
}
