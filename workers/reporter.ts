/**
 * Reports to the queue's Redis every few seconds what this worker process sees, so that `s3compact status` knows it elsewhere.
 * It only reports: one that is lost costs nothing, and it never keeps a process alive or work waiting.
 */

import { endsWithin } from '../src/clock.ts';
import type { NotReady } from '../src/observe/readiness.ts';
import { WorkerReports } from '../src/queue/worker-reports.ts';
import { wallMs } from '../src/time.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';

const EVERY_MS = 2_000;
const LAST_WORDS_MS = 250;

export class Reporter {
  readonly #clients: WorkClients;
  readonly #worker: string;
  readonly #reports: WorkerReports;
  readonly #notReady: () => Promise<readonly NotReady[]>;
  readonly #timer: NodeJS.Timeout;
  #reporting: Promise<void> | undefined;

  constructor(clients: WorkClients, worker: string, notReady: () => Promise<readonly NotReady[]>) {
    this.#clients = clients;
    this.#worker = worker;
    this.#notReady = notReady;
    this.#reports = new WorkerReports(clients.status);
    this.#timer = setInterval(() => this.#reportOnce(), EVERY_MS);
    this.#timer.unref();
    this.#reportOnce();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const gone = async (): Promise<void> => {
      await this.#reporting;
      await this.#reports.remove(this.#worker);
    };
    await endsWithin(
      gone().catch(() => undefined),
      LAST_WORDS_MS,
    );
  }

  /** A Redis that is slow gets no second report beside the first. */
  #reportOnce(): void {
    this.#reporting ??= this.#report()
      .catch(() => undefined)
      .finally(() => {
        this.#reporting = undefined;
      });
  }

  async #report(): Promise<void> {
    const { ledger, observer } = this.#clients;
    const notReady = [...(await this.#notReady())];
    const atMs = wallMs(await ledger.nowMs());
    await this.#reports.put({ worker: this.#worker, atMs, notReady, ...observer.seen() });
  }
}
