/**
 * `s3compact console`: pages for a browser, from this machine, until stopped. The server is in `src/console/`; this wires
 * it to the process.
 */
import { once } from 'node:events';
import type { Command } from 'commander';
import { CONSOLE_TOKEN } from '../config/rows-console.ts';
import type { CliContext } from './context.ts';
import { untilSignal } from './signals.ts';

const HELP = `
What is fragmented, what is being done, what is stuck, and each file before and after the next run. It listens where --listen
says (127.0.0.1:9401) and changes nothing. With S3COMPACT_CONSOLE_TOKEN in the environment it wants a log-in and may listen on
other addresses; with --allow-actions, too, whoever has logged in may compact, pause, resume, release and hold.
SIGTERM or SIGINT ends it.

With --json: {url}`;

export function registerConsole(program: Command, context: CliContext): void {
  program
    .command('console')
    .description('show queues, the worst files and single files in a browser')
    .addHelpText('after', HELP)
    .action(async () => {
      const { startConsole } = await import('../console/server.ts');
      const clients = await context.openClients({ metadata: 'unasked' });
      try {
        const running = await startConsole(clients, context.logger, context.env[CONSOLE_TOKEN]);
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
