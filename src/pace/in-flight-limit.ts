/**
 * Requests in flight to one store: as many as the adaptive limit allows, in order of asking, none while the store has
 * asked to be left alone. It joins the policy (adaptive-limit.ts) with a line of waiting callers; it sends nothing itself.
 */
import type { Clock } from '../clock.ts';
import { elapsed, later, latest, NEVER } from '../time.ts';
import { AdaptiveLimit, type AdaptiveOptions, type Answer } from './adaptive-limit.ts';
import { type LimitState, Waiting } from './waiting-line.ts';

/** A store may not stop us for longer than this at a time (I8). */
export const HOLD_MAX_MS = 60_000;

export interface FlightState extends LimitState {
  readonly inFlight: number;
  readonly ceiling: number;
  /** How often the limit gave way. */
  readonly lowered: number;
  /** Nothing is sent for so long, because the store said so. */
  readonly heldMs: number;
}

export class FlightLimit {
  readonly #clock: Clock;
  readonly #limit: AdaptiveLimit;
  readonly #line: Waiting;
  #inFlight = 0;
  #holdUntilMs = NEVER;
  #pump: Promise<void> | undefined;

  constructor(clock: Clock, options: AdaptiveOptions, onWaited?: (ms: number) => void) {
    this.#clock = clock;
    this.#limit = new AdaptiveLimit(options);
    this.#line = new Waiting(clock, onWaited);
  }

  /** Runs `run` when there is room. Rejects with `cancelled` when `signal` aborts before that, and then never runs it. */
  async take<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#line.empty && this.#hasRoom()) this.#inFlight++;
    else {
      const turn = this.#line.join(1, signal);
      this.#serve();
      await turn;
    }
    try {
      return await run();
    } finally {
      this.#inFlight--;
      this.#serve();
    }
  }

  answered(answer: Answer): void {
    this.#limit.answered(answer);
    this.#serve();
  }

  /** `retryAfterMs`: the store said when to come back. */
  refused(answer: Pick<Answer, 'sentAtMs' | 'endedAtMs'>, retryAfterMs = 0): void {
    this.#limit.refused(answer);
    if (retryAfterMs <= 0) return;
    const untilMs = later(this.#clock.monotonicMs(), Math.min(HOLD_MAX_MS, retryAfterMs));
    this.#holdUntilMs = latest(this.#holdUntilMs, untilMs);
  }

  state(): FlightState {
    return {
      limit: this.#limit.limit,
      ...this.#line.counts(),
      inFlight: this.#inFlight,
      ceiling: this.#limit.ceiling,
      lowered: this.#limit.lowered,
      heldMs: Math.max(0, this.#heldMs()),
    };
  }

  #hasRoom(): boolean {
    return this.#inFlight < this.#limit.limit && this.#heldMs() <= 0;
  }

  #heldMs(): number {
    const ms = elapsed(this.#clock.monotonicMs(), this.#holdUntilMs);
    return Number.isFinite(ms) ? ms : 0;
  }

  #serve(): void {
    while (!this.#line.empty && this.#hasRoom()) {
      this.#inFlight++;
      this.#line.serveFirst();
    }
    // Room comes back by itself when a request ends; only the end of a hold must be waited for.
    if (!this.#line.empty && this.#heldMs() > 0) this.#pump ??= this.#afterHold();
  }

  async #afterHold(): Promise<void> {
    await this.#line.sleep(this.#heldMs());
    this.#pump = undefined;
    this.#serve();
  }
}
