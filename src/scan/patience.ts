/**
 * Waiting for a server that is away: a call that may simply be made again is made again, ever more slowly, until the
 * patience is over. Failures that time does not mend pass at once.
 */
import type { Clock } from '../clock.ts';
import { CompactError } from '../errors.ts';
import { elapsed, latest, type MonotonicMs } from '../time.ts';
import type { ScanOptions } from './types.ts';

const PAUSE_FIRST_MS = 100;
const PAUSE_MAX_MS = 5_000;

type PatienceOptions = Pick<ScanOptions, 'patienceMs' | 'onWait'> & { readonly signal: AbortSignal };

export class Patience {
  readonly #clock: Clock;
  readonly #options: PatienceOptions;
  #progressAtMs: MonotonicMs;

  constructor(clock: Clock, options: PatienceOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#progressAtMs = clock.monotonicMs();
  }

  /** Something went well: a long call that fails after this has its whole patience. */
  progress(): void {
    this.#progressAtMs = this.#clock.monotonicMs();
  }

  /** The call's value; throws its last failure when that is no `retry`, or patience or the wish for it has ended. */
  async with<T>(call: () => Promise<T>): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    let pauseMs = PAUSE_FIRST_MS;
    let failedAtMs = startMs;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof CompactError) || error.kind !== 'retry' || this.#options.signal.aborted) throw error;
        if (this.#progressAtMs > failedAtMs) pauseMs = PAUSE_FIRST_MS;
        failedAtMs = this.#clock.monotonicMs();
        const sinceMs = elapsed(latest(startMs, this.#progressAtMs), failedAtMs);
        if (sinceMs + pauseMs > this.#options.patienceMs) throw error;
        this.#options.onWait?.(error);
        await this.#clock.sleep(pauseMs, this.#options.signal).catch(() => undefined);
        pauseMs = Math.min(PAUSE_MAX_MS, 2 * pauseMs);
      }
    }
  }
}
