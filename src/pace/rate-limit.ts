/**
 * A rate of one process: so much a second, in order of asking, on the Clock port. It is not a library's bucket: limiter,
 * bottleneck and p-throttle keep their own time, refuse or starve a request that is larger than the bucket, or cannot let a
 * waiting caller go. It must not know what the units are.
 */
import type { Clock } from '../clock.ts';
import { elapsed, type MonotonicMs } from '../time.ts';
import { type LimitState, Waiting } from './waiting-line.ts';

/** What an idle process may take at once. */
const BURST_MS = 250;
/** The grain of timers; what is owed is counted by the clock, not by how long a sleep was. */
const SLEEP_MIN_MS = 1;

interface RateOptions {
  readonly clock: Clock;
  /** Units a second; 0 means no limit. */
  readonly perSecond: number;
  readonly onWaited?: (ms: number) => void;
}

/**
 * A bucket that may go into debt: whoever is first in line is served as soon as the balance is positive, however much it
 * takes, and those behind it wait until that is paid for. So nobody starves, a request larger than the bucket passes at
 * the right rate, and in any time t at most `perSecond · t` plus one burst plus one request is taken.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #line: Waiting;
  #balance: number;
  #atMs: MonotonicMs;
  #serving = false;

  constructor(options: RateOptions) {
    this.#clock = options.clock;
    this.#perSecond = options.perSecond;
    this.#burst = (options.perSecond * BURST_MS) / 1000;
    this.#balance = this.#burst;
    this.#atMs = options.clock.monotonicMs();
    this.#line = new Waiting(options.clock, options.onWaited);
  }

  /** Waits its turn. Rejects with `cancelled` when `signal` aborts before that; then nothing is taken. */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    if (this.#perSecond === 0 || amount <= 0) return;
    this.#refill();
    if (this.#line.empty && this.#balance > 0) {
      this.#balance -= amount;
      return;
    }
    const turn = this.#line.join(amount, signal);
    if (!this.#serving) void this.#serve();
    await turn;
  }

  state(): LimitState {
    return { limit: this.#perSecond, ...this.#line.counts() };
  }

  /** Serves the line until it is empty. */
  async #serve(): Promise<void> {
    this.#serving = true;
    while (!this.#line.empty) {
      this.#refill();
      if (this.#balance > 0) this.#balance -= this.#line.serveFirst();
      else await this.#line.sleep(Math.max(SLEEP_MIN_MS, (-this.#balance * 1000) / this.#perSecond));
    }
    this.#serving = false;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = (elapsed(this.#atMs, nowMs) * this.#perSecond) / 1000;
    this.#balance = Math.min(this.#burst, this.#balance + earned);
    this.#atMs = nowMs;
  }
}
