/**
 * The memory that merging may hold at once in this process, whatever the number of jobs. What one block needs is
 * reserved in one request and served in order, so two blocks never wait for each other's second half.
 * Buffers are used again: left to the collector, blocks of several MiB pile up for as long as a chunk lasts. Those in use
 * and those kept for the next are one bound together.
 */
import { Semaphore } from 'async-mutex';

/** The semaphore's release is linear in its value, so bytes are counted in units of this size. */
const UNIT_BYTES = 64 * 1024;
/** Above this, buffers are made in steps of it; below, of powers of two: few sizes find each other again. */
const STEP_BYTES = 1024 * 1024;

/** What one block may take; all of it ends with the block. */
export interface Reservation {
  /** A buffer of `bytes` bytes with any content; one of the sizes that were reserved. */
  take(bytes: number): Buffer;
  /** Gives a buffer of `take` back. Only when nothing can still read or write it: not after a failed request. */
  give(buffer: Buffer): void;
}

export class MemoryBudget {
  readonly #bytesMax: number;
  readonly #semaphore: Semaphore;
  /** Free buffers by capacity. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;
  #usedBytes = 0;

  constructor(bytes: number) {
    const units = Math.max(1, Math.floor(bytes / UNIT_BYTES));
    this.#bytesMax = units * UNIT_BYTES;
    this.#semaphore = new Semaphore(units);
  }

  /** Bytes of the buffers that are in use or kept; at most the budget, but for one block that is larger than it. */
  get heldBytes(): number {
    return this.#usedBytes + this.#freeBytes;
  }

  /** Runs `work` while buffers of these sizes, each once, are reserved; a block larger than the whole budget runs alone. */
  async reserve<T>(sizes: readonly number[], work: (own: Reservation) => Promise<T>): Promise<T> {
    let bytes = 0;
    for (const size of sizes) bytes += capacityOf(size);
    const units = Math.min(this.#bytesMax, Math.max(UNIT_BYTES, bytes)) / UNIT_BYTES;
    return this.#semaphore.runExclusive(async () => {
      let ownBytes = 0;
      try {
        return await work({
          take: (size) => {
            ownBytes += capacityOf(size);
            return this.#take(size);
          },
          give: (buffer) => {
            ownBytes -= buffer.buffer.byteLength;
            this.#give(buffer);
          },
        });
      } finally {
        // What was not given back may still be written to, so nobody gets it again: the collector has it.
        this.#usedBytes -= ownBytes;
      }
    }, units);
  }

  #take(bytes: number): Buffer {
    const capacity = capacityOf(bytes);
    const found = this.#free.get(capacity)?.pop();
    if (found !== undefined) this.#freeBytes -= capacity;
    this.#usedBytes += capacity;
    this.#evict();
    return (found ?? Buffer.allocUnsafeSlow(capacity)).subarray(0, bytes);
  }

  #give(buffer: Buffer): void {
    const capacity = buffer.buffer.byteLength;
    this.#usedBytes -= capacity;
    const free = this.#free.get(capacity) ?? [];
    free.push(Buffer.from(buffer.buffer));
    this.#free.set(capacity, free);
    this.#freeBytes += capacity;
    this.#evict();
  }

  /** Buffers of other sizes make room for those that are in use now. */
  #evict(): void {
    for (const [capacity, free] of this.#free) {
      while (this.heldBytes > this.#bytesMax && free.pop() !== undefined) this.#freeBytes -= capacity;
      if (free.length === 0) this.#free.delete(capacity);
      if (this.heldBytes <= this.#bytesMax) return;
    }
  }
}

/** A multiple of UNIT_BYTES. */
function capacityOf(bytes: number): number {
  if (bytes > STEP_BYTES) return Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
  return Math.max(UNIT_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
}
