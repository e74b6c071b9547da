/**
 * `s3compact console`: pages for a browser, from this machine, until stopped. The server is in `src/console/`; this wires
 * it to the process.
 */
import { once } from 'node:events';
import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { untilSignal } from './signals.ts';

const HELP = `
It shows and changes nothing: what is fragmented, what is being done, and each file before and after the next run.
It listens on this machine only; elsewhere use "kubectl port-forward" or "ssh -L". SIGTERM or SIGINT ends it.`;

export function registerConsole(program: Command, context: CliContext): void {
  program
    .command('console')
    .description('show queues, the worst files and single files in a browser')
    .addHelpText('after', HELP)
    .action(async () => {
      const { startConsole } = await import('../console/server.ts');
      const clients = await context.openClients({ metadata: 'unasked' });
      try {
        const running = await startConsole(clients, context.logger);
        try {
          if (context.json) context.dataJson({ url: running.url });
          else context.data(`the console is at ${running.url}`);
          await untilSignal(async (signal) => {
            if (!signal.aborted) await once(signal, 'abort');
          });
        } finally {
          await running.close();
        }
      } finally {
        await clients.close();
      }
    });
}
