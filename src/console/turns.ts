/**
 * One piece of heavy work at a time, with a short queue: a page that reads long lists must not be asked for so often that
 * the console needs the memory of many. Who comes too many is told to come again.
 */
import { cancelled } from '../errors.ts';

/** Pages that wait for their turn. */
const WAITING_MAX = 16;

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Throws `cancelled` (retry) where too many wait already. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) {
      throw cancelled('too many pages are being made; look again in a moment');
    }
    this.#waiting++;
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }
}
