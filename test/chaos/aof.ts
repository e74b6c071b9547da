/**
 * The append-only file of a killed Redis, cut as a power failure would have left it. SIGKILL alone loses nothing: the
 * kernel has what Redis wrote. With a flush every second the last second may be missing, so the end is cut off at where
 * the file was some time before. What was cut is kept: it is the evidence for what only scrub can find (I12).
 */
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SAMPLE_EVERY_MS = 20;
/** Longer than any loss. */
const SAMPLES_KEPT_MS = 5_000;

export class AofTail {
  readonly #directory: string;
  readonly #timer: NodeJS.Timeout;
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  /** Every end that was cut off, and where. */
  readonly #lost: { readonly at: number; readonly bytes: Buffer }[] = [];

  constructor(directory: string) {
    this.#directory = join(directory, 'appendonlydir');
    this.#timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
  }

  /** Cuts off what was appended in the last `ms` before `killedAtMs`; returns how many bytes. Redis must be gone. */
  cut(killedAtMs: number, ms: number): number {
    const before = this.#samples.findLast(({ atMs }) => atMs <= killedAtMs - ms);
    const path = this.#path();
    if (before === undefined || path === undefined) return 0;
    const file = openSync(path, 'r+');
    try {
      const tail = Buffer.alloc(Math.max(0, statSync(path).size - before.bytes));
      readSync(file, tail, 0, tail.length, before.bytes);
      this.#lost.push({ at: before.bytes, bytes: tail });
      ftruncateSync(file, before.bytes);
      this.#samples = [];
      return tail.length;
    } finally {
      closeSync(file);
    }
  }

  /**
   * Of these object names those that Redis was first told of in an end that it lost: nothing of what it kept by then has
   * them. Only reap records hold object names, and the file is never rewritten, so such a name's record was added within
   * the lost second.
   */
  firstToldInLostEnd(names: readonly string[]): string[] {
    const path = this.#path();
    if (names.length === 0 || path === undefined) return [];
    const file = readFileSync(path);
    return names.filter((name) => {
      const quoted = `"${name}"`;
      const first = file.indexOf(quoted);
      return this.#lost.some(({ at, bytes }) => bytes.includes(quoted) && (first < 0 || first >= at));
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const path = this.#path();
    if (path === undefined) return;
    const bytes = statSync(path, { throwIfNoEntry: false })?.size;
    if (bytes === undefined) return;
    const atMs = performance.now();
    this.#samples = this.#samples.filter((sample) => sample.atMs > atMs - SAMPLES_KEPT_MS);
    this.#samples.push({ atMs, bytes });
  }

  #path(): string | undefined {
    const name = this.#files().findLast((one) => one.endsWith('.incr.aof'));
    return name === undefined ? undefined : join(this.#directory, name);
  }

  /** None before the server has made its folder, or when the folder has been taken away before the timer was. */
  #files(): readonly string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}
