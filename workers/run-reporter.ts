/**
 * Reports to the queue where a run is and what it waits for, for those who look: when there is progress, but not more often
 * than they can read, and once a second while nothing moves. Of a run that ends sooner nothing is said. Losing a word of it must not fail a run, and the last
 * word of a run is not its business.
 */
import type { CompactProgress } from '../src/compact/compact-inode.ts';
import type { JobWait } from '../src/queue/status.ts';

/** Redis hears of progress at most this often. */
const PROGRESS_EVERY_MS = 500;
const LOOK_EVERY_MS = 1_000;

export interface RunUpdate {
  readonly kind: 'running';
  readonly progress?: CompactProgress;
  readonly waits?: JobWait;
}

interface RunReporterOptions {
  readonly report: (update: RunUpdate) => void;
  readonly waits: () => JobWait | null;
}

export class RunReporter {
  readonly #options: RunReporterOptions;
  readonly #timer: NodeJS.Timeout;
  #progress: CompactProgress | undefined;
  #reportedMs = performance.now();

  constructor(options: RunReporterOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#report(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  moved(progress: CompactProgress): void {
    this.#progress = progress;
    if (performance.now() - this.#reportedMs >= PROGRESS_EVERY_MS) this.#report();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    this.#reportedMs = performance.now();
    const waits = this.#options.waits() ?? undefined;
    this.#options.report({ kind: 'running', progress: this.#progress, waits });
  }
}
