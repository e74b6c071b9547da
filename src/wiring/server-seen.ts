/**
 * What the work itself saw of one server last: an answer, or a failure with its words. It stands beside server-health.ts,
 * which judges whether work can be done now, since whoever looks at night wants the last words and their age, also when
 * all is well again. It asks nothing and decides nothing.
 */
import { redactText } from '../redact.ts';

/** Longer messages are cut: a report is read by people, and many workers write one. */
const WORDS_MAX = 400;

/** Ages in ms before now; absent: never. */
export interface SeenAges {
  readonly answeredAgoMs?: number | undefined;
  readonly failedAgoMs?: number | undefined;
  /** For how long every request has failed; absent: the last one was answered. */
  readonly failingForMs?: number | undefined;
  /** What the last failure was. */
  readonly error?: string | undefined;
}

export class ServerSeen {
  readonly #nowMs: () => number;
  #answeredMs: number | undefined;
  #failedMs: number | undefined;
  #failingSinceMs: number | undefined;
  #error: string | undefined;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  answered(): void {
    this.#answeredMs = this.#nowMs();
    this.#failingSinceMs = undefined;
  }

  failed(message: string): void {
    this.#failedMs = this.#nowMs();
    this.#failingSinceMs ??= this.#failedMs;
    this.#error = message;
  }

  ages(): SeenAges {
    const nowMs = this.#nowMs();
    const ago = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(nowMs - ms));
    const told = {
      answeredAgoMs: ago(this.#answeredMs),
      failedAgoMs: ago(this.#failedMs),
      failingForMs: ago(this.#failingSinceMs),
      error: this.#error === undefined ? undefined : redactText(this.#error).slice(0, WORDS_MAX),
    };
    return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
  }
}
