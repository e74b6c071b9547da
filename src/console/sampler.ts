/**
 * One sampler asks for all pages: fifty that are open cost as many calls as one. It asks every two seconds while somebody
 * looks and once a minute otherwise, and remembers an hour of minutes. It must not ask twice at a time.
 */
import { CompactError } from '../errors.ts';
import type { RecentRuns } from '../queue/status.ts';
import { redactText } from '../redact.ts';
import type { StatusReport } from '../view/status-report.ts';

export const WATCHED_MS = 2_000;
const IDLE_MS = 60_000;
const MINUTE_MS = 60_000;
const MINUTES_MAX = 60;

export interface Minute extends RecentRuns {
  readonly atMs: number;
}

/** What was known at one moment; `report` is the last one that could be had. */
export interface Sample {
  readonly report: StatusReport | undefined;
  /** Why there is no newer one. */
  readonly error: string | undefined;
  /** The oldest first. */
  readonly minutes: readonly Minute[];
}

interface SamplerOptions {
  readonly ask: () => Promise<StatusReport>;
  readonly monotonicMs: () => number;
  /** A fault of ours, not of a server. */
  readonly onFault: (error: unknown) => void;
}

export class Sampler {
  readonly #options: SamplerOptions;
  readonly #watchers = new Set<(sample: Sample) => void>();
  #sample: Sample = { report: undefined, error: 'nothing was asked yet', minutes: [] };
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<Sample> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** Asks from now on. */
  start(): void {
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** At most as old as what is shown to those who watch. */
  async fresh(): Promise<Sample> {
    if (this.#options.monotonicMs() - this.#askedMs < WATCHED_MS) return this.#sample;
    return this.#ask();
  }

  /** Calls `watcher` with every new sample until the function that it answers is called. */
  watch(watcher: (sample: Sample) => void): () => void {
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) this.#schedule();
    return () => this.#watchers.delete(watcher);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const wait = this.#watchers.size > 0 ? WATCHED_MS : IDLE_MS;
    const left = Math.max(0, this.#askedMs + wait - this.#options.monotonicMs());
    this.#timer = setTimeout(() => void this.#ask(), left);
  }

  #ask(): Promise<Sample> {
    this.#asking ??= this.#askNow().finally(() => {
      this.#asking = undefined;
      this.#schedule();
    });
    return this.#asking;
  }

  async #askNow(): Promise<Sample> {
    const { minutes, report: last } = this.#sample;
    try {
      const report = await this.#options.ask();
      this.#sample = { report, error: undefined, minutes: withMinute(minutes, report) };
    } catch (error) {
      if (!(error instanceof CompactError)) this.#options.onFault(error);
      const words = error instanceof CompactError ? redactText(error.message) : 'a fault in s3compact; the log has it';
      this.#sample = { report: last, error: words, minutes };
    }
    this.#askedMs = this.#options.monotonicMs();
    for (const watcher of this.#watchers) watcher(this.#sample);
    return this.#sample;
  }
}

/** What ended in the last minute, if none of it is counted yet. */
function withMinute(minutes: readonly Minute[], { nowMs, recent }: StatusReport): readonly Minute[] {
  const lastMs = minutes.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  if (nowMs - lastMs < MINUTE_MS) return minutes;
  return [...minutes, { ...recent, atMs: nowMs }].slice(-MINUTES_MAX);
}
