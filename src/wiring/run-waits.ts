/**
 * What one run waits for at this moment: S3, a limit, memory, ids, the metadata service. A run waits for several things at a
 * time; the one that somebody can do something about is shown. It counts what begins and ends, so it is quick; nothing
 * rests on it.
 */
import type { JobWait } from '../queue/status.ts';
import { redactText } from '../redact.ts';

/** Longer than a healthy store needs for a request: below it, a run simply works. */
const SLOW_MS = 1_000;
const WORDS_MAX = 300;

type WaitThing = 'limit' | 's3' | 'memory' | 'metadata';

export class RunWaits {
  readonly #nowMs: () => number;
  readonly #count = new Map<WaitThing, number>();
  /** Since when something of the kind is under way without an end of any. */
  readonly #sinceMs = new Map<WaitThing, number>();
  /** When ids for new slices are old enough. */
  #idsMs: number | undefined;
  #refusal: { readonly message: string; readonly sinceMs: number } | undefined;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  began(thing: WaitThing): void {
    const count = this.#count.get(thing) ?? 0;
    this.#count.set(thing, count + 1);
    if (count === 0) this.#sinceMs.set(thing, this.#nowMs());
  }

  ended(thing: WaitThing): void {
    this.#count.set(thing, Math.max(0, (this.#count.get(thing) ?? 0) - 1));
    this.#sinceMs.set(thing, this.#nowMs());
  }

  /** Ids for new slices must grow old for so long; `null`: they are. */
  ids(forMs: number | null): void {
    this.#idsMs = forMs === null ? undefined : this.#nowMs() + forMs;
  }

  /** S3 did not serve a request; it is tried again. */
  refused(message: string): void {
    this.#refusal = { message, sinceMs: this.#refusal?.sinceMs ?? this.#nowMs() };
  }

  served(): void {
    this.#refusal = undefined;
  }

  /** `limits`: those of the process for which somebody waits. `null`: it works. */
  now(limits: readonly string[] = []): JobWait | null {
    if (this.#refusal !== undefined) {
      const { message, sinceMs } = this.#refusal;
      return { for: 's3', what: redactText(message).slice(0, WORDS_MAX), forMs: this.#ago(sinceMs) };
    }
    if (this.#idsMs !== undefined) return { for: 'ids', what: idsWaitText(this.#idsMs - this.#nowMs()) };
    if (this.#isUnderWay('memory')) return this.#waitFor('memory', 'memory for its merge (S3COMPACT_MEMORY)');
    if (this.#isUnderWay('limit')) return this.#waitFor('limit', limits.length === 0 ? 'its turn' : limits.join(', '));
    if (this.#isSlow('s3')) return this.#waitFor('s3', 'an answer');
    return this.#isSlow('metadata') ? this.#waitFor('metadata', 'an answer') : null;
  }

  #isUnderWay(thing: WaitThing): boolean {
    return (this.#count.get(thing) ?? 0) > 0;
  }

  #isSlow(thing: WaitThing): boolean {
    return this.#isUnderWay(thing) && this.#ago(this.#sinceMs.get(thing) ?? 0) >= SLOW_MS;
  }

  #waitFor(thing: WaitThing, what: string): JobWait {
    return { for: thing, what, forMs: this.#ago(this.#sinceMs.get(thing) ?? 0) };
  }

  #ago(sinceMs: number): number {
    return Math.round(this.#nowMs() - sinceMs);
  }
}

export function idsWaitText(leftMs: number): string {
  return `${Math.max(1, Math.ceil(leftMs / 1000))} s until the ids for new slices are old enough`;
}
