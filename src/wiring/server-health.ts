/**
 * Whether a server answered lately, as the work itself saw it: no requests of its own while all is well. It stands alone
 * because S3 and the metadata service are judged alike. It only tells; the work waits and tries again by itself.
 */
import type { NotReady } from '../observe/readiness.ts';

/** So many failures in a row: one may be a server that restarts. */
const FAILURES_MIN = 3;
/** A failure this old says nothing about now. */
const LATELY_MS = 60_000;
/** How long a probe may take; /readyz is asked with a time-out, too. */
const PROBE_TIMEOUT_MS = 1_000;

export class Reachable {
  readonly #away: NotReady;
  #failures = 0;
  #lastFailureMs = 0;
  /** Asks the server something small; judged by its ending. */
  probe: ((signal: AbortSignal) => Promise<unknown>) | undefined;

  constructor(away: NotReady) {
    this.#away = away;
  }

  answered(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures++;
    this.#lastFailureMs = performance.now();
  }

  /** Why work cannot be done, or `undefined`. */
  away(): NotReady | undefined {
    const lately = performance.now() - this.#lastFailureMs < LATELY_MS;
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
