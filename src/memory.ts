/**
 * A bound on the bytes that merging holds at once in this process, whatever the number of jobs. What one block needs is
 * reserved in one request and served in order, so two blocks never wait for each other's second half (DESIGN §4.10).
 */
import { Semaphore } from 'async-mutex';

/** The semaphore's release is linear in its value, so bytes are counted in units of this size. */
const UNIT_BYTES = 64 * 1024;

export class MemoryBudget {
  readonly #units: number;
  readonly #semaphore: Semaphore;

  constructor(bytes: number) {
    this.#units = Math.max(1, Math.floor(bytes / UNIT_BYTES));
    this.#semaphore = new Semaphore(this.#units);
  }

  /** Runs `work` while `bytes` are reserved; a block larger than the whole budget runs alone. */
  async reserve<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const units = Math.min(this.#units, Math.max(1, Math.ceil(bytes / UNIT_BYTES)));
    return this.#semaphore.runExclusive(work, units);
  }
}
