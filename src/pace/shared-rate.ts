/**
 * A rate that all processes of all pods share: bytes are bought from a common budget in small equal lots and spent here,
 * in order of asking. While the budget cannot be asked (Redis away, full or read-only) this process goes on with its own
 * share of the rate: never unlimited, never stuck. Where the budget is kept is behind a port.
 */
import type { Clock } from '../clock.ts';
import { elapsed, later, NEVER } from '../time.ts';
import { type LimitState, Waiting } from './waiting-line.ts';

/** What a purchase came to. `retryMs`: all is sold until then. */
export type Purchase = { readonly kind: 'bought' } | { readonly kind: 'sold-out'; readonly retryMs: number };

/** The common budget. */
export interface SharedBudget {
  /** Bytes in one lot; the same for every buyer of the same rate. */
  readonly lotBytes: number;
  /** Buys one lot. Rejects when the budget cannot be asked; must settle by itself within seconds. */
  buy(): Promise<Purchase>;
  /** Processes that have bought lately, this one included; called now and then. Rejects as `buy` does. */
  members(): Promise<number>;
}

export interface SharedRateOptions {
  readonly clock: Clock;
  /** Bytes a second of all workers together; 0 means no limit. */
  readonly perSecond: number;
  readonly budget: SharedBudget;
  /** Processes to share with until the budget has said how many there are: those of this pod, at least. */
  readonly membersAtFirst: number;
  readonly onWaited?: (ms: number) => void;
  /** In [0, 1). */
  readonly random?: () => number;
}

export interface SharedState extends LimitState {
  /** Whether the common budget answers; without it this process keeps to its share. */
  readonly shared: boolean;
  readonly members: number;
}

/** How long a process keeps to its share before it asks again. */
const ASK_AGAIN_MS = 2_000;
const MEMBERS_EVERY_MS = 10_000;
const SOLD_OUT_WAIT_MIN_MS = 5;
const SOLD_OUT_WAIT_MAX_MS = 1_100;
/** Those who wait for the same moment come a little apart. */
const JITTER_MS = 20;

export class SharedRate {
  readonly #options: SharedRateOptions;
  readonly #line: Waiting;
  #balance = 0;
  #members: number;
  #membersAtMs = NEVER;
  #askAgainAtMs = NEVER;
  #serving = false;

  constructor(options: SharedRateOptions) {
    this.#options = options;
    this.#members = Math.max(1, options.membersAtFirst);
    this.#line = new Waiting(options.clock, options.onWaited);
  }

  /** Waits until what was taken before is paid for. Rejects with `cancelled` when `signal` aborts before its turn. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#options.perSecond === 0 || bytes <= 0) return;
    if (this.#line.empty && this.#balance > 0) {
      this.#balance -= bytes;
      return;
    }
    const turn = this.#line.join(bytes, signal);
    if (!this.#serving) void this.#serve();
    await turn;
  }

  state(): SharedState {
    const { perSecond } = this.#options;
    return { limit: perSecond, ...this.#line.counts(), shared: !this.#alone(), members: this.#members };
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    while (!this.#line.empty) {
      if (this.#balance > 0) this.#balance -= this.#line.serveFirst();
      else if (this.#alone()) await this.#earn();
      else await this.#buy();
    }
    this.#serving = false;
  }

  #alone(): boolean {
    return this.#options.clock.monotonicMs() < this.#askAgainAtMs;
  }

  async #buy(): Promise<void> {
    const { budget, clock, random = Math.random } = this.#options;
    try {
      await this.#count();
      const purchase = await budget.buy();
      if (purchase.kind === 'bought') {
        this.#balance += budget.lotBytes;
        return;
      }
      const ms = Math.min(SOLD_OUT_WAIT_MAX_MS, Math.max(SOLD_OUT_WAIT_MIN_MS, purchase.retryMs));
      await this.#line.sleep(ms + random() * JITTER_MS);
    } catch {
      // Seen in `state().shared`; what is wrong with Redis is reported by those whose work needs it.
      this.#askAgainAtMs = later(clock.monotonicMs(), ASK_AGAIN_MS);
    }
  }

  /** One lot of this process's share of the rate, in the time that it takes. */
  async #earn(): Promise<void> {
    const { budget, perSecond, clock } = this.#options;
    const share = perSecond / this.#members;
    const beganMs = clock.monotonicMs();
    await this.#line.sleep((budget.lotBytes * 1000) / share);
    // Woken early, because nobody waited any more: only the time that has passed is earned.
    const earned = (elapsed(beganMs, clock.monotonicMs()) * share) / 1000;
    this.#balance += Math.min(budget.lotBytes, earned);
  }

  async #count(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (elapsed(this.#membersAtMs, nowMs) < MEMBERS_EVERY_MS) return;
    this.#members = Math.max(1, await this.#options.budget.members());
    this.#membersAtMs = nowMs;
  }
}
