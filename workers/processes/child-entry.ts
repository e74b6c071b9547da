/**
 * The entry of one process of a pool: it gets its settings from the pool, works until it is asked to stop, and answers
 * what it is asked. Without its pool (killed, say) it drains and ends by itself, so nothing outlives a dead pod's main
 * process. It decides nothing about restarts: the pool does.
 */
import { CompactError, toError } from '../../src/errors.ts';
import { createLogger, LOG_EVENTS, type Logger } from '../../src/observe/log.ts';
import { openWork } from '../../src/wiring/volume-clients.ts';
import type { RunningWorker } from '../running.ts';
import { startWorker } from '../worker.ts';
import type { PoolAnswer, PoolOrder } from './child-process.ts';

/** Resolves when the last answer is on its way. */
let sent = Promise.resolve();

function send(answer: PoolAnswer): void {
  // The pool may be gone; then nobody is left to hear it.
  if (!process.connected) return;
  sent = new Promise((resolve) => process.send?.(answer, undefined, undefined, () => resolve()));
}

/** Works until the pool, a signal or the loss of the pool ends it. */
async function work({ settings, slot }: Extract<PoolOrder, { kind: 'start' }>, orders: Orders): Promise<void> {
  const log = createLogger({ level: settings.logLevel }).child({ slot });
  const clients = await openWork(settings, log);
  try {
    const worker = startWorker(clients, log);
    orders.serve(worker, log);
    send({ kind: 'started' });
    await orders.stopped;
    await worker.stop();
    // What it counted in the end, for those who push it.
    for (const snapshot of await worker.snapshots()) send({ kind: 'snapshot', id: 0, snapshot });
  } finally {
    await clients.close();
  }
}

/** The pool's orders from the first moment on: one that comes while the process still starts is kept. */
class Orders {
  readonly #start = Promise.withResolvers<Extract<PoolOrder, { kind: 'start' }>>();
  readonly #stop = Promise.withResolvers<void>();
  #stops = 0;
  #stopping = false;
  #aborted = false;
  #worker: RunningWorker | undefined;
  #log: Logger | undefined;

  constructor() {
    process.on('message', (order: PoolOrder) => this.#take(order));
    process.on('disconnect', () => this.#poolGone());
    // Ctrl-C goes to the whole group: the pool hears it, too, and says what to do.
    process.on('SIGINT', () => undefined);
    process.on('SIGTERM', () => this.#stopOnce());
  }

  get start(): Promise<Extract<PoolOrder, { kind: 'start' }>> {
    return this.#start.promise;
  }

  get stopped(): Promise<void> {
    return this.#stop.promise;
  }

  serve(worker: RunningWorker, log: Logger): void {
    this.#worker = worker;
    this.#log = log;
    if (this.#aborted) worker.abort();
  }

  #take(order: PoolOrder): void {
    if (order.kind === 'start') this.#start.resolve(order);
    else if (order.kind === 'stop') this.#leave();
    else if (order.kind === 'abort') this.#abort();
    else void this.#answer(order.id);
  }

  /** Also when this process closes the channel itself, at its end: then nothing is lost, and nothing is said. */
  #poolGone(): void {
    if (!this.#stopping)
      this.#log?.warn({ event: LOG_EVENTS.workerStopping }, 'the main process of the pool is gone; stopping');
    this.#stopOnce();
  }

  #stopOnce(): void {
    this.#stops++;
    if (this.#stops > 1) this.#abort();
    this.#leave();
  }

  #leave(): void {
    this.#stopping = true;
    this.#stop.resolve();
  }

  #abort(): void {
    this.#aborted = true;
    this.#worker?.abort();
  }

  async #answer(id: number): Promise<void> {
    const [snapshot] = (await this.#worker?.snapshots()) ?? [];
    send({
      kind: 'snapshot',
      id,
      snapshot: snapshot ?? {
        pid: process.pid,
        notReady: [{ code: 'running', what: 'the process is starting' }],
        jobs: [],
      },
    });
  }
}

/** Exit codes: 0 stopped, 1 a fault that the pool counts, 3 refused with a reason that the pool has. */
async function main(): Promise<number> {
  const orders = new Orders();
  const first = await Promise.race([orders.start, orders.stopped]);
  if (first === undefined) return 0;
  try {
    await work(first, orders);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof CompactError)) throw toError(thrown);
    const { kind, code, message } = thrown;
    send({ kind: 'refused', error: { kind, code, message } });
    return 3;
  }
}

if (import.meta.main) {
  process.exitCode = await main();
  // What was sent is out first. The channel to the pool, or what a fault left open, must not keep the process.
  const gone = new Promise((resolve) => process.once('disconnect', resolve));
  if (process.connected) await Promise.race([sent, gone]);
  process.exit();
}
