/**
 * Whether a process of a pool still says something: it is asked now and then, and whatever comes from it counts, however
 * late. It stands alone because its rule is about time and nothing else. It ends no process.
 */

const ASK_EVERY_MS = 30_000;
/** So many periods in a row without a word: two minutes, as the liveness probe gives a pod. */
const MISSES_MAX = 4;

interface StuckWatchOptions {
  readonly ask: () => void;
  /** Called at most once; then nothing is asked any more. */
  readonly onStuck: (silentMs: number) => void;
  readonly everyMs?: number | undefined;
}

export class StuckWatch {
  readonly #options: StuckWatchOptions;
  readonly #everyMs: number;
  #heard = false;
  #misses = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StuckWatchOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? ASK_EVERY_MS;
    this.#ask();
  }

  /** Something came from the process. */
  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #ask(): void {
    this.#heard = false;
    this.#options.ask();
    const dueMs = performance.now() + this.#everyMs;
    this.#timer = setTimeout(() => this.#judge(dueMs), this.#everyMs);
    this.#timer.unref();
  }

  #judge(dueMs: number): void {
    // Whoever is this late itself was stopped, or had no CPU: so may the other one have been.
    const late = performance.now() - dueMs > this.#everyMs;
    this.#misses = this.#heard || late ? 0 : this.#misses + 1;
    if (this.#misses < MISSES_MAX) this.#ask();
    else this.#options.onStuck(this.#misses * this.#everyMs);
  }
}
