/**
 * The one source of chance in a seeded world, so that a seed repeats a run to the last step. It stands apart so that
 * nobody in the world reaches for Math.random. It must not be shared between runs.
 */
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

export class Random {
  readonly #generator;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
  }

  /** A whole number in `[0, below)`. */
  below(below: number): number {
    return uniformInt(this.#generator, 0, below - 1);
  }

  /** In `[0, 1)`. */
  unit(): number {
    return this.below(2 ** 30) / 2 ** 30;
  }

  /** One of them; the list must not be empty. */
  pick<T>(list: readonly T[]): T {
    const one = list[this.below(list.length)];
    if (one === undefined) throw new RangeError('nothing to pick from');
    return one;
  }
}
