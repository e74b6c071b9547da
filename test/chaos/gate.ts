/**
 * Keeps writers out while Redis is down and until it is known what it kept. It also counts the lives of Redis, so that
 * a reader notices that its lists are of two lives. It must not wait for Redis itself: whoever restarts it opens the gate.
 */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 10;

export class Gate {
  #life = 1;
  #open = true;
  #sending = 0;

  get life(): number {
    return this.#life;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Resolves while it is open; what is sent in the same turn of the loop is sent before the next death of Redis. */
  async opened(): Promise<void> {
    while (!this.#open) await delay(POLL_MS);
  }

  /** A call whose outcome matters is under way. */
  async sending<T>(call: Promise<T>): Promise<T> {
    this.#sending++;
    try {
      return await call;
    } finally {
      this.#sending--;
    }
  }

  close(): void {
    this.#open = false;
    this.#life++;
  }

  /** Until nothing is under way: the connection is gone, so every call ends. */
  async drained(): Promise<void> {
    while (this.#sending > 0) await delay(POLL_MS);
  }

  reopen(): void {
    this.#open = true;
  }
}
