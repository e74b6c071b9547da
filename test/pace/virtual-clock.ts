/** A clock that stands still until it is moved: everything that is due happens in order, whatever the machine does. */

import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/clock.ts';
import { type MonotonicMs, monotonicMs } from '../../src/time.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  monotonicMs(): MonotonicMs {
    return monotonicMs(this.#nowMs);
  }

  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const sleeper = { atMs: this.#nowMs + Math.max(0, ms), wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }

  /** Lets everything happen that is due until then. */
  async runUntil(untilMs: number): Promise<void> {
    for (;;) {
      await setImmediate();
      let next: Sleeper | undefined;
      for (const one of this.#sleepers) if (next === undefined || one.atMs < next.atMs) next = one;
      if (next === undefined || next.atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#sleepers.delete(next);
      next.wake();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }
}
