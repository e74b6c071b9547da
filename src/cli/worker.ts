/**
 * `s3compact worker`: works on the compact and reap queues until SIGTERM or SIGINT, in this process or in a pool of them;
 * a second signal cancels what still runs. The working is in `workers/`; this wires it to the process.
 */
import type { Command } from 'commander';
import type { PodMetrics } from '../../workers/pod-metrics.ts';
import type { RunningWorker } from '../../workers/running.ts';
import type { CompactError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { untilSignal } from './signals.ts';
import { packageVersion } from './version.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export function registerWorker(program: Command, context: CliContext): void {
  program
    .command('worker')
    .description('work on the compact and reap queues until stopped')
    .addHelpText(
      'after',
      '\nSIGTERM or SIGINT: take no more jobs, finish within --shutdown-grace. Twice: cancel at once.',
    )
    .action(() => work(context));
}

async function work(context: CliContext): Promise<void> {
  const { settings, logger } = context;
  const { keepTotalJobs, startMetrics, startPool, startWorker } = await import('./work-parts.ts');
  const { openWhenThere } = await import('../../workers/open-when-there.ts');
  const clients = await untilSignal((signal) =>
    openWhenThere(() => context.openWork({ logger, metadata: 'checked', forRuns: true }), {
      port: settings.metricsPort,
      log: logger,
      signal,
    }),
  );
  if (clients === null) return;
  let metrics: PodMetrics | null = null;
  try {
    metrics = await startMetrics(clients, logger, packageVersion());
    const totalJobs = await keepTotalJobs(settings, clients.status, { log: logger });
    const worker = settings.processes > 1 ? startPool(settings, logger) : startWorker(clients, logger);
    metrics?.watch(worker);
    const failure = await untilStopped(worker);
    totalJobs.stop();
    await worker.stop();
    if (failure !== undefined) throw failure;
  } finally {
    await metrics?.close();
    await clients.close();
  }
}

/** Until the first signal, or until the work cannot go on; every further signal aborts. */
async function untilStopped(worker: RunningWorker): Promise<CompactError | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let first = true;
  const onSignal = () => {
    if (!first) worker.abort();
    first = false;
    resolve(undefined);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  return Promise.race([promise, worker.failed]);
}
