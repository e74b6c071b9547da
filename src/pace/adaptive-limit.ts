/**
 * How many requests a store is sent at a time, so that it is given way to when it is in trouble: halved when it refuses
 * (503, SlowDown, time-out), lowered when it answers clearly slower than it used to, raised step by step while it is well.
 * Pure: it is given times and keeps none. No library that was looked at limits by concurrency with a clock of the caller.
 *
 * "Slower" compares the median of a window of answers with a slowly moving base of the same kind of request (operation
 * and size), so that one slow answer, or a noisy store, is not taken for trouble, and large reads are not for slow ones.
 */
import { elapsed, type MonotonicMs, NEVER } from '../time.ts';

/** A window is judged when it has so many answers and is so old: whichever pair is first. */
const WINDOW_FULL = { samples: 32, ms: 250 };
const WINDOW_ENOUGH = { samples: 8, ms: 1_000 };
/** Above this multiple of the base an answer counts as slow: the spread of a healthy store's medians stays below. */
const SLOW_RATIO = 2.5;
/** A single slow window may be an accident. */
const SLOW_WINDOWS_MIN = 2;
const REFUSED_FACTOR = 0.5;
/** A slow store that answers is treated more gently than one that refuses. */
const SLOW_FACTOR_MIN = 0.5;
const SLOW_FACTOR_MAX = 0.9;
/** A tenth, but at least one: from 1 to 32 in 20 good windows, which is 5 to 20 s. */
const RAISE_FACTOR = 0.1;
/** Weight of one window in the base. While it is slow the base hardly moves: trouble must last minutes to become normal. */
const BASE_WEIGHT = 0.02;
const BASE_WEIGHT_SLOW = 0.002;
/** A new base learns fast. */
const BASE_WEIGHT_FIRST = 0.5;
/** Sizes in one kind: each is up to four times as large as the one before. */
const SIZE_STEP_BITS = 2;
const SMALLEST_SIZE = 4096;

export interface AdaptiveOptions {
  readonly floor: number;
  readonly ceiling: number;
}

export interface Answer {
  readonly op: string;
  readonly bytes: number;
  readonly sentAtMs: MonotonicMs;
  readonly endedAtMs: MonotonicMs;
}

interface Base {
  logMs: number;
  windows: number;
}

export class AdaptiveLimit {
  readonly #floor: number;
  readonly #ceiling: number;
  readonly #bases = new Map<string, Base>();
  readonly #window = new Map<string, number[]>();
  #limit: number;
  #samples = 0;
  #windowSinceMs: MonotonicMs | undefined;
  #slowWindows = 0;
  #loweredAtMs = NEVER;
  /** How often it gave way. */
  lowered = 0;

  constructor({ floor, ceiling }: AdaptiveOptions) {
    this.#floor = floor;
    this.#ceiling = Math.max(floor, ceiling);
    this.#limit = this.#ceiling;
  }

  /** Requests that may be in flight now: a whole number from floor to ceiling. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  get ceiling(): number {
    return this.#ceiling;
  }

  /** The store answered, whatever it said. */
  answered(answer: Answer): void {
    const kind = kindOf(answer);
    const times = this.#window.get(kind) ?? [];
    times.push(Math.log(Math.max(0.01, elapsed(answer.sentAtMs, answer.endedAtMs))));
    this.#window.set(kind, times);
    this.#samples++;
    this.#windowSinceMs ??= answer.endedAtMs;
    const ageMs = elapsed(this.#windowSinceMs, answer.endedAtMs);
    const complete = [WINDOW_FULL, WINDOW_ENOUGH].some(({ samples, ms }) => this.#samples >= samples && ageMs >= ms);
    if (complete) this.#judge(answer.endedAtMs);
  }

  /** The store refused, or did not answer. Those that were sent before it gave way say nothing new. */
  refused({ sentAtMs, endedAtMs }: Pick<Answer, 'sentAtMs' | 'endedAtMs'>): void {
    if (sentAtMs < this.#loweredAtMs) return;
    this.#lower(REFUSED_FACTOR, endedAtMs);
    this.#startWindow();
  }

  #judge(nowMs: MonotonicMs): void {
    const ratio = Math.exp(this.#logRatio());
    const slow = ratio > SLOW_RATIO;
    for (const [kind, times] of this.#window) this.#learn(kind, median(times), slow);
    this.#startWindow();
    this.#slowWindows = slow ? this.#slowWindows + 1 : 0;
    if (!slow) this.#limit = Math.min(this.#ceiling, this.#limit + Math.max(1, this.#limit * RAISE_FACTOR));
    else if (this.#slowWindows >= SLOW_WINDOWS_MIN)
      this.#lower(Math.min(SLOW_FACTOR_MAX, Math.max(SLOW_FACTOR_MIN, SLOW_RATIO / ratio)), nowMs);
  }

  /** How far the window's answers are above their bases: the kinds weighted by their answers. */
  #logRatio(): number {
    let sum = 0;
    let weight = 0;
    for (const [kind, times] of this.#window) {
      const base = this.#bases.get(kind);
      if (base === undefined) continue;
      sum += (median(times) - base.logMs) * times.length;
      weight += times.length;
    }
    return weight === 0 ? 0 : sum / weight;
  }

  #learn(kind: string, logMs: number, slow: boolean): void {
    const base = this.#bases.get(kind);
    if (base === undefined) {
      this.#bases.set(kind, { logMs, windows: 1 });
      return;
    }
    const usual = slow ? BASE_WEIGHT_SLOW : Math.max(BASE_WEIGHT, BASE_WEIGHT_FIRST / base.windows);
    base.logMs += usual * (logMs - base.logMs);
    base.windows++;
  }

  #lower(factor: number, nowMs: MonotonicMs): void {
    this.#limit = Math.max(this.#floor, this.#limit * factor);
    this.#loweredAtMs = nowMs;
    this.lowered++;
  }

  #startWindow(): void {
    this.#window.clear();
    this.#samples = 0;
    this.#windowSinceMs = undefined;
  }
}

/** At most some dozens: operations times sizes up to the largest object. */
function kindOf({ op, bytes }: Answer): string {
  return `${op} ${Math.max(0, Math.ceil(Math.log2(Math.max(1, bytes) / SMALLEST_SIZE) / SIZE_STEP_BITS))}`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
