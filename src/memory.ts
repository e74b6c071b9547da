/**
 * The memory that merging may hold at once in this process, whatever the number of jobs. What one block needs is
 * reserved in one request and served in order, so two blocks never wait for each other's second half (DESIGN §4.10).
 * Buffers are used again: left to the collector, blocks of several MiB pile up for as long as a chunk lasts.
 */
import { Semaphore } from 'async-mutex';

/** The semaphore's release is linear in its value, so bytes are counted in units of this size. */
const UNIT_BYTES = 64 * 1024;

export class MemoryBudget {
  readonly #units: number;
  readonly #semaphore: Semaphore;
  /** Free buffers by capacity, a power of two; together never more than the budget. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;

  constructor(bytes: number) {
    this.#units = Math.max(1, Math.floor(bytes / UNIT_BYTES));
    this.#semaphore = new Semaphore(this.#units);
  }

  /** Runs `work` while `bytes` are reserved; a block larger than the whole budget runs alone. */
  async reserve<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const units = Math.min(this.#units, Math.max(1, Math.ceil(bytes / UNIT_BYTES)));
    return this.#semaphore.runExclusive(work, units);
  }

  /** A buffer of `bytes` bytes with any content; part of what the caller has reserved. */
  take(bytes: number): Buffer {
    const capacity = capacityOf(bytes);
    const found = this.#free.get(capacity)?.pop();
    if (found === undefined) return Buffer.allocUnsafeSlow(capacity).subarray(0, bytes);
    this.#freeBytes -= capacity;
    return found.subarray(0, bytes);
  }

  /** Gives a buffer of `take` back. Only when nothing can still read or write it: not after a failed request. */
  give(buffer: Buffer): void {
    const capacity = buffer.buffer.byteLength;
    if (this.#freeBytes + capacity > this.#units * UNIT_BYTES) return;
    const free = this.#free.get(capacity) ?? [];
    free.push(Buffer.from(buffer.buffer));
    this.#free.set(capacity, free);
    this.#freeBytes += capacity;
  }
}

function capacityOf(bytes: number): number {
  return Math.max(UNIT_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
}
