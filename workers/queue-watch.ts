/**
 * Whether the queue can be worked on. BullMQ reports every trouble as an `error` event and not every end of one: a Redis
 * that is full or read-only keeps its connection. So a trouble is asked after, by a small write, until the write is done.
 * It reports, once when the queue is lost and once when it is back; it stops no work.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'bullmq';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import type { NotReady } from '../src/observe/readiness.ts';

const ASK_EVERY_MS = 500;

interface QueueWatchOptions {
  /** A write to the queue's Redis; rejects when it is not done, within the time that a command may take. */
  readonly probe: () => Promise<unknown>;
  readonly log: Logger;
}

export class QueueWatch {
  readonly #options: QueueWatchOptions;
  readonly #over = new AbortController();
  #asking = false;
  /** Queues in trouble. */
  readonly #lost = new Set<string>();
  readonly #paused = new Set<Worker>();

  constructor(options: QueueWatchOptions) {
    this.#options = options;
  }

  /** Why no job can be taken, for each queue. */
  notReady(): NotReady[] {
    return [...this.#lost].map((queue) => ({ code: 'queue', what: `the ${queue} queue is not reachable` }));
  }

  /** Also keeps an error event from ending the process. */
  watch(worker: Worker): Worker {
    worker.on('error', (error) => {
      // A connection that is lost is BullMQ's own to get back, with its pauses.
      if (error.name === 'ReplyError') this.#pause(worker);
      void this.#ask(worker.name, error);
    });
    return worker;
  }

  stop(): void {
    this.#over.abort();
  }

  #pause(worker: Worker): void {
    if (this.#paused.has(worker) || this.#over.signal.aborted) return;
    this.#paused.add(worker);
    void worker.pause(true);
  }

  async #resumeAll(): Promise<void> {
    for (const worker of this.#paused) {
      this.#paused.delete(worker);
      await worker.resume();
    }
  }

  async #ask(queue: string, err: Error): Promise<void> {
    if (this.#lost.size > 0) this.#lost.add(queue);
    if (this.#asking) return;
    this.#asking = true;
    const { log } = this.#options;
    // What is no trouble of Redis (the lock of a job is gone) ends with the first answer.
    while (!this.#over.signal.aborted && !(await this.#answers())) {
      if (this.#lost.size === 0)
        log.warn({ event: LOG_EVENTS.queueLost, queue, err }, 'the queue cannot be worked on; waiting');
      this.#lost.add(queue);
      await delay(ASK_EVERY_MS, undefined, { signal: this.#over.signal, ref: false }).catch(() => undefined);
    }
    if (this.#lost.size > 0) log.info({ event: LOG_EVENTS.queueBack, queue }, 'the queue can be worked on again');
    this.#lost.clear();
    // Writes are done and something else is refused: not without a pause either.
    if (this.#paused.size > 0)
      await delay(ASK_EVERY_MS, undefined, { signal: this.#over.signal, ref: false }).catch(() => undefined);
    this.#asking = false;
    if (!this.#over.signal.aborted) await this.#resumeAll();
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#options.probe();
      return true;
    } catch {
      return false;
    }
  }
}
