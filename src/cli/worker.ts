/**
 * `s3compact worker`: works on the compact and reap queues until SIGTERM or SIGINT, in this process or in a pool of them;
 * a second signal cancels what still runs. The working is in `workers/`; this wires it to the process.
 */
import type { Command } from 'commander';
import type { PodMetrics } from '../../workers/pod-metrics.ts';
import type { RunningWorker } from '../../workers/running.ts';
import type { CliContext } from './context.ts';
import { aborted, untilSignal } from './signals.ts';

const HELP = '\nSIGTERM or SIGINT: take no more jobs, finish within --shutdown-grace. Twice: cancel at once.';

export function register(command: Command, context: CliContext): void {
  command.addHelpText('after', HELP).action(() => work(context));
}

async function work(context: CliContext): Promise<void> {
  const { settings, logger } = context;
  const { keepTotalJobs, startMetrics, startPool, startWorker } = await import('./work-parts.ts');
  const { openWhenThere } = await import('../../workers/open-when-there.ts');
  let started: RunningWorker | undefined;
  // One pair of handlers from the first wait to the last: a signal that comes between two waits must not be lost.
  await untilSignal(
    async (signal) => {
      const clients = await openWhenThere(() => context.openWork({ logger, metadata: 'checked', forRuns: true }), {
        port: settings.metricsPort,
        log: logger,
        signal,
      });
      if (clients === null) return;
      let metrics: PodMetrics | null = null;
      try {
        if (signal.aborted) return;
        metrics = await startMetrics(clients, logger, context.version);
        const totalJobs = await keepTotalJobs(settings, clients.status, { log: logger });
        const worker = settings.processes > 1 ? startPool(settings, logger) : startWorker(clients, logger);
        started = worker;
        metrics?.watch(worker);
        const failure = await Promise.race([aborted(signal), worker.failed]);
        totalJobs.stop();
        await worker.stop();
        if (failure !== undefined) throw failure;
      } finally {
        await metrics?.close();
        await clients.close();
      }
    },
    () => started?.abort(),
  );
}
