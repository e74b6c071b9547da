/**
 * One process of a pool: started, asked, stopped, and started again when it dies, with a back-off that grows while it
 * dies young. It stands apart from the pool so that the life of one process can be tested alone. A death costs its jobs a
 * retry: their locks run out, and what they left behind is covered by reap records.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endsWithin, within } from '../../src/clock.ts';
import type { Settings } from '../../src/config/index.ts';
import { CompactError, type ErrorCode, type ErrorKind } from '../../src/errors.ts';
import type { PoolCounts } from '../../src/observe/aggregate.ts';
import { LOG_EVENTS, type Logger } from '../../src/observe/log.ts';
import type { ProcessSnapshot } from '../running.ts';
import { StuckWatch } from './stuck-watch.ts';

/** The entry beside this file: `.ts` in a checkout, `.js` in the package. */
const ENTRY = fileURLToPath(
  new URL(`./child-entry${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);
/** A process that lives this long after it began to work has not died young. */
const SETTLED_MS = 30_000;
const BACK_OFF_MS = 250;
const BACK_OFF_MAX_MS = 10_000;
/** So many deaths in a row before it was settled: something is wrong that another start does not mend. */
const YOUNG_DEATHS_MAX = 8;
/** How long a process may take to say what it does; its loop may be busy planning. */
const ANSWER_WAIT_MS = 1_500;
const MIB = 1024 * 1024;
/** A small space for young objects: what sockets have read is let go sooner, 40 to 90 MiB less at no CPU (docs/performance.md). */
const NEW_SPACE = '--max-semi-space-size=4';

/** From the pool to a process: plain JSON over the channel of `fork`, since passwords in settings must not go over a command line. */
export type PoolOrder =
  | { readonly kind: 'start'; readonly settings: Settings; readonly slot: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'abort' }
  | { readonly kind: 'ask'; readonly id: number };

/** From a process to the pool. */
export type PoolAnswer =
  | { readonly kind: 'started' }
  | {
      readonly kind: 'refused';
      readonly error: { readonly kind: ErrorKind; readonly code: ErrorCode; readonly message: string };
    }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: ProcessSnapshot };

export interface ProcessOptions {
  readonly slot: number;
  readonly settings: Settings;
  readonly log: Logger;
  /** Where what it reports is kept. */
  readonly counts: PoolCounts;
  /** It cannot go on: refused for good, or dying again and again. */
  readonly onFailed: (error: CompactError) => void;
  /** Another entry, for tests. */
  readonly entry?: string;
  readonly backOffMs?: number;
  /** How often it is asked whether it still answers. */
  readonly askEveryMs?: number | undefined;
}

/** `memory`: the JavaScript heap was full. `stuck`: it said nothing any more. `other`: it could not begin, such as with a server that is away. */
export type RestartReason = 'crash' | 'memory' | 'stuck' | 'other';

export class PoolProcess {
  readonly #options: ProcessOptions;
  readonly #questions = new Map<number, (snapshot: ProcessSnapshot) => void>();
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #startedAtMs: number | undefined;
  #refusal: CompactError | undefined;
  #youngDeaths = 0;
  /** In a row, for whatever reason. */
  #restarts = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #watch: StuckWatch | undefined;
  #stuck = false;
  #asked = 0;
  /** Deaths that nobody asked for, for the metrics. */
  crashes = 0;
  readonly restarts: Record<RestartReason, number> = { crash: 0, memory: 0, stuck: 0, other: 0 };

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async snapshot(): Promise<ProcessSnapshot> {
    const child = this.#child;
    if (child === undefined) return absent(child, `process ${this.#options.slot} has died and is started again soon`);
    const id = ++this.#asked;
    const { promise, resolve } = Promise.withResolvers<ProcessSnapshot>();
    this.#questions.set(id, resolve);
    this.#send({ kind: 'ask', id });
    try {
      return await within(promise, ANSWER_WAIT_MS, () =>
        absent(child, `process ${this.#options.slot} does not answer (pid ${child.pid})`),
      );
    } finally {
      this.#questions.delete(id);
    }
  }

  /** Drains it, and kills it when it is not gone after `killAfterMs`. */
  async stop(killAfterMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    this.#watch?.stop();
    this.#send({ kind: 'stop' });
    const child = this.#child;
    if (!(await endsWithin(this.#ended, killAfterMs))) child?.kill('SIGKILL');
    await this.#ended;
  }

  abort(): void {
    this.#send({ kind: 'abort' });
  }

  #start(): void {
    const { slot, settings, log, entry = ENTRY } = this.#options;
    const memory = settings.processMemoryBytes;
    const child = fork(entry, [], {
      // Only ours: what a debugger or a test runner gave this process is not meant for that one.
      execArgv: [NEW_SPACE, ...(memory === 0 ? [] : [`--max-old-space-size=${Math.max(1, Math.floor(memory / MIB))}`])],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#startedAtMs = undefined;
    this.#refusal = undefined;
    this.#stuck = false;
    child.on('message', (answer: PoolAnswer) => this.#hear(answer));
    // A message to a process that has just died.
    child.on('error', (err) => log.debug({ event: LOG_EVENTS.processEnded, slot, err }, 'a message was not delivered'));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      this.#child = undefined;
      this.#watch?.stop();
      for (const answer of this.#questions.values()) answer(absent(child, `process ${slot} has died`));
      if (!this.#stopping) {
        this.restarts[this.#reasonOf(code, signal)]++;
        if (child.pid !== undefined) void this.#options.counts.died(child.pid);
        this.#again(code === null ? `by ${signal}` : `with exit code ${code}`, child.pid);
      }
      resolve();
    };
    if (child.pid === undefined) setImmediate(end, null, null);
    else child.once('exit', end);
    this.#send({ kind: 'start', settings, slot });
    this.#watchIt();
  }

  #reasonOf(code: number | null, signal: NodeJS.Signals | null): RestartReason {
    if (this.#stuck) return 'stuck';
    if (this.#refusal !== undefined) return 'other';
    // How V8 ends a process whose heap is full: abort, or 128 + 6 where a shell stands in between.
    return signal === 'SIGABRT' || code === 134 ? 'memory' : 'crash';
  }

  #hear(answer: PoolAnswer): void {
    this.#watch?.heard();
    if (answer.kind === 'snapshot') {
      const { pid, metrics } = answer.snapshot;
      if (metrics !== undefined) this.#options.counts.set(pid, metrics);
      this.#questions.get(answer.id)?.(answer.snapshot);
    }
    if (answer.kind === 'refused') this.#refusal = new CompactError(answer.error.message, answer.error);
    if (answer.kind === 'started') {
      this.#startedAtMs = performance.now();
      const { slot, log } = this.#options;
      log.info({ event: LOG_EVENTS.processStarted, slot, pid: this.#child?.pid }, 'a process of the pool works');
    }
  }

  /** From the fork on: what says nothing does no work, may hold jobs, and only a signal that it cannot miss ends it. */
  #watchIt(): void {
    const { slot, log, askEveryMs } = this.#options;
    const child = this.#child;
    this.#watch = new StuckWatch({
      everyMs: askEveryMs,
      ask: () => void this.snapshot(),
      onStuck: (silentMs) => {
        this.#stuck = true;
        log.error(
          { event: LOG_EVENTS.processStuck, slot, pid: child?.pid, silentMs },
          `a process of the pool has said nothing for ${silentMs / 1000} s; it is killed and started again`,
        );
        child?.kill('SIGKILL');
      },
    });
  }

  /** After a death that nobody asked for. */
  #again(how: string, pid: number | undefined): void {
    const { slot, log, onFailed, backOffMs = BACK_OFF_MS } = this.#options;
    const settled = this.#startedAtMs !== undefined && performance.now() - this.#startedAtMs >= SETTLED_MS;
    // A server that is away is no fault of the process: it is tried again for as long as it takes.
    const waiting = this.#refusal?.kind === 'retry';
    this.crashes++;
    this.#restarts = settled ? 1 : this.#restarts + 1;
    if (!waiting) this.#youngDeaths = settled ? 1 : this.#youngDeaths + 1;
    if (this.#refusal?.kind === 'halt') {
      onFailed(this.#refusal);
      return;
    }
    if (!waiting && this.#youngDeaths > YOUNG_DEATHS_MAX) {
      onFailed(
        new CompactError(
          `process ${slot} of the pool died ${this.#youngDeaths} times in a row within ${SETTLED_MS / 1000} s of its start, last ${how}; look at its last log lines and at its memory bound (S3COMPACT_PROCESS_MEMORY, the pod's limit)`,
          { kind: 'retry', code: 'process-died' },
        ),
      );
      return;
    }
    const delayMs = Math.min(BACK_OFF_MAX_MS, backOffMs * 2 ** (this.#restarts - 1));
    log.warn(
      { event: LOG_EVENTS.processRestarting, slot, pid, delayMs, crashes: this.crashes, err: this.#refusal },
      `a process of the pool ended ${how}; it is started again, its jobs are taken by others`,
    );
    this.#timer = setTimeout(() => this.#start(), delayMs);
  }

  #send(order: PoolOrder): void {
    if (this.#child?.connected === true) this.#child.send(order, () => undefined);
  }
}

function absent(child: ChildProcess | undefined, what: string): ProcessSnapshot {
  return { pid: child?.pid ?? 0, notReady: [{ code: 'running', what }], jobs: [] };
}
