/**
 * A pool: several processes that each do what one worker does, under one that does no work itself, so that every core is
 * used and a crash or an out-of-memory of one costs its jobs a retry and nothing else. It hands orders on, keeps the
 * processes running, and says so when it cannot. Nothing about data rests on it: kill any of them at any moment.
 */

import type { Settings } from '../../src/config/index.ts';
import type { CompactError } from '../../src/errors.ts';
import { PoolCounts, type ProcessMetrics } from '../../src/observe/aggregate.ts';
import { LOG_EVENTS, type Logger } from '../../src/observe/log.ts';
import type { ProcessSnapshot, RunningWorker } from '../running.ts';
import { STOP_TAIL_MS } from '../worker.ts';
import { PoolProcess, type RestartReason } from './child-process.ts';

/** What a process needs to leave after its worker is drained: clients to close, the runtime to end. */
const EXIT_WAIT_MS = 1_500;

interface PoolOptions {
  /** Another entry of the processes, for tests. */
  readonly entry?: string;
  readonly backOffMs?: number;
  readonly askEveryMs?: number | undefined;
}

/** A pool is a worker; `crashes` counts deaths that nobody asked for, `restarts` tells them by reason. */
export interface RunningPool extends RunningWorker {
  readonly crashes: number;
  readonly restarts: Readonly<Record<RestartReason, number>>;
  /** What all processes have reported, also those that died, and after the end. */
  readonly metrics: readonly ProcessMetrics[];
}

/** Starts `settings.processes` processes. They connect for themselves; the caller needs no clients. */
export function startPool(settings: Settings, log: Logger, options: PoolOptions = {}): RunningPool {
  const failed = Promise.withResolvers<CompactError>();
  const counts = new PoolCounts();
  const processes = Array.from(
    { length: settings.processes },
    (_, slot) => new PoolProcess({ slot, settings, log, counts, onFailed: failed.resolve, ...options }),
  );
  log.info({ event: LOG_EVENTS.poolStarted, processes: processes.length, pid: process.pid }, 'pool started');
  let stopping: Promise<void> | undefined;
  let failure: CompactError | undefined;
  void failed.promise.then((error) => {
    failure = error;
  });
  return {
    stop: () => {
      stopping ??= stopAll(processes, settings, log);
      return stopping;
    },
    abort: () => {
      for (const one of processes) one.abort();
    },
    snapshots: async () => {
      const all = await Promise.all(processes.map((one) => one.snapshot()));
      return failure === undefined ? all : all.map((one) => withReason(one, failure?.message ?? ''));
    },
    failed: failed.promise,
    get crashes() {
      return processes.reduce((sum, one) => sum + one.crashes, 0);
    },
    get metrics() {
      return counts.parts;
    },
    get restarts() {
      const sumOf = (reason: RestartReason) => processes.reduce((sum, one) => sum + one.restarts[reason], 0);
      return { crash: sumOf('crash'), memory: sumOf('memory'), stuck: sumOf('stuck'), other: sumOf('other') };
    },
  };
}

function withReason(snapshot: ProcessSnapshot, reason: string): ProcessSnapshot {
  return { ...snapshot, notReady: [...snapshot.notReady, { code: 'running', what: reason }] };
}

async function stopAll(processes: readonly PoolProcess[], settings: Settings, log: Logger): Promise<void> {
  const graceMs = settings.shutdownGraceMs;
  log.info({ event: LOG_EVENTS.workerStopping, graceMs }, 'the pool is stopping');
  await Promise.all(processes.map((one) => one.stop(graceMs + STOP_TAIL_MS + EXIT_WAIT_MS)));
  log.info({ event: LOG_EVENTS.workerStopped }, 'the pool has stopped');
}
