/**
 * What the work itself saw of one server: whether it answered lately, so that work can be done, and its last words with
 * their age, for whoever looks at night when all is well again. It stands alone because S3 and the metadata service are
 * judged alike. It makes no requests while all is well, and decides nothing: the work waits and tries again by itself.
 */
import type { NotReady } from '../observe/readiness.ts';
import { redactText } from '../redact.ts';

/** So many failures in a row: one may be a server that restarts. */
const FAILURES_MIN = 3;
/** A failure this old says nothing about now. */
const LATELY_MS = 60_000;
/** How long a probe may take; /readyz is asked with a time-out, too. */
const PROBE_TIMEOUT_MS = 1_000;

/** An outage is reported when nothing was answered for so long: a busy store refuses some requests in a row, and then serves. */
export const REPORT_AFTER_MS = 10_000;

/** Called once when an outage has lasted for `REPORT_AFTER_MS`, and once when it is over. */
interface OutageReport {
  lost(error: Error): void;
  back(awayMs: number): void;
}

export class Reachable {
  readonly #away: NotReady;
  readonly #report: OutageReport | undefined;
  readonly #nowMs: () => number;
  #failures = 0;
  #firstFailureMs = 0;
  #lastFailureMs = 0;
  #reported = false;
  /** Asks the server something small; judged by its ending. */
  probe: ((signal: AbortSignal) => Promise<unknown>) | undefined;

  constructor(away: NotReady, report?: OutageReport, nowMs: () => number = () => performance.now()) {
    this.#away = away;
    this.#report = report;
    this.#nowMs = nowMs;
  }

  answered(): void {
    this.#failures = 0;
    if (!this.#reported) return;
    this.#reported = false;
    this.#report?.back(Math.round(this.#nowMs() - this.#firstFailureMs));
  }

  failed(error: Error): void {
    this.#lastFailureMs = this.#nowMs();
    if (this.#failures++ === 0 && !this.#reported) this.#firstFailureMs = this.#lastFailureMs;
    const long = this.#lastFailureMs - this.#firstFailureMs >= REPORT_AFTER_MS;
    if (this.#reported || this.#failures < FAILURES_MIN || !long) return;
    this.#reported = true;
    this.#report?.lost(error);
  }

  /** Why work cannot be done, or `undefined`. */
  away(): NotReady | undefined {
    const lately = this.#nowMs() - this.#lastFailureMs < LATELY_MS;
    return this.#failures >= FAILURES_MIN && lately ? this.#away : undefined;
  }

  /** The same; a server that failed is asked whether it is back, so that nobody has to wait for work to find out. */
  async checked(): Promise<NotReady | undefined> {
    if (this.away() === undefined || this.probe === undefined) return this.away();
    try {
      await this.probe(AbortSignal.timeout(PROBE_TIMEOUT_MS));
      this.answered();
    } catch {
      // It is still away: that is what is reported.
    }
    return this.away();
  }
}

/** Longer messages are cut: a report is read by people, and many workers write one. */
const WORDS_MAX = 400;

/** Ages in ms before now; absent: never. */
export interface SeenAges {
  readonly answeredAgoMs?: number;
  readonly failedAgoMs?: number;
  /** For how long every request has failed; absent: the last one was answered. */
  readonly failingForMs?: number;
  /** What the last failure was. */
  readonly error?: string;
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
    const seen = {
      answeredAgoMs: ago(this.#answeredMs),
      failedAgoMs: ago(this.#failedMs),
      failingForMs: ago(this.#failingSinceMs),
      error: this.#error === undefined ? undefined : redactText(this.#error).slice(0, WORDS_MAX),
    };
    return Object.fromEntries(Object.entries(seen).filter(([, value]) => value !== undefined));
  }
}
