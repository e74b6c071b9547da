/**
 * `s3compact worker`: a worker process for the compact and reap queues until SIGTERM or SIGINT; a second signal cancels
 * what still runs. The working is in `workers/`; this wires it to the process.
 */
import type { Command } from 'commander';
import { openClients } from '../../workers/clients.ts';
import { startMetrics } from '../../workers/metrics.ts';
import { startWorker } from '../../workers/worker.ts';
import type { MetricsServer } from '../observe/metrics-server.ts';
import type { CliContext } from './context.ts';
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
  const clients = await openClients(context.settings, context.logger);
  let metrics: MetricsServer | null = null;
  try {
    metrics = await startMetrics(clients, context.logger, packageVersion());
    const worker = startWorker(clients, context.logger);
    await stopSignal(() => worker.abort());
    await worker.stop();
  } finally {
    await metrics?.close();
    await clients.close();
  }
}

/** Resolves at the first signal; `again` is called for every further one. */
function stopSignal(again: () => void): Promise<void> {
  return new Promise((resolve) => {
    let first = true;
    const onSignal = () => {
      if (!first) again();
      first = false;
      resolve();
    };
    for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  });
}
