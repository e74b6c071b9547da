/**
 * A clock that leaps over waits: real time goes on while a request is under way, and when none is, the clock stands at the
 * moment when the next sleeper wakes. So a run on a store that refuses takes as long as its requests, and its waits are
 * counted, not waited for. It must know nothing of requests but how many are under way.
 */

import type { Clock } from '../../src/clock.ts';
import { type MonotonicMs, monotonicMs } from '../../src/time.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export class IdleClock implements Clock {
  readonly #sleepers = new Set<Sleeper>();
  #underWay = 0;
  #leaptMs = 0;

  monotonicMs(): MonotonicMs {
    return monotonicMs(performance.now() + this.#leaptMs);
  }

  /** Waits that were leapt over; those of many at a time count once. */
  get leaptMs(): number {
    return this.#leaptMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const onAbort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const sleeper = { atMs: Number(this.monotonicMs()) + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', onAbort);
      this.#look();
    });
  }

  began(): void {
    this.#underWay++;
  }

  ended(): void {
    this.#underWay--;
    this.#look();
  }

  /** When all that follows from the last ending has happened. */
  #look(): void {
    setImmediate(() => {
      if (this.#underWay > 0 || this.#sleepers.size === 0) return;
      const first = [...this.#sleepers].reduce((one, other) => (other.atMs < one.atMs ? other : one));
      this.#leaptMs += Math.max(0, first.atMs - Number(this.monotonicMs()));
      this.#sleepers.delete(first);
      first.wake();
      this.#look();
    });
  }
}
