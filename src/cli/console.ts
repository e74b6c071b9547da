/**
 * `s3compact console`: pages for a browser, from this machine, until stopped. The server is in `src/console/`; this wires
 * it to the process.
 */
import { once } from 'node:events';
import type { Command } from 'commander';
import { CONSOLE_TOKEN } from '../config/rows-console.ts';
import type { RunningConsole } from '../console/server.ts';
import type { CliContext } from './context.ts';
import { untilSignal } from './signals.ts';

const HELP = `
What is fragmented, what is being done, what is stuck, and each file before and after the next run. It listens where --listen
says (127.0.0.1:9401) and changes nothing. With S3COMPACT_CONSOLE_TOKEN in the environment it wants a log-in and may listen on
other addresses; with --allow-actions, too, whoever has logged in may compact, pause, resume, release and hold.
Of a JuiceFS volume it shows what is stored and not read, the worst files and each file with its pieces; there are no holds.
SIGTERM or SIGINT ends it.

With --json: {url}`;

export function registerConsole(program: Command, context: CliContext): void {
  program
    .command('console')
    .description('show queues, the worst files and single files in a browser')
    .addHelpText('after', HELP)
    .action(async () => {
      const { startConsole, startVolumeConsole } = await import('../console/server.ts');
      const { logger: log, settings } = context;
      const token = context.env[CONSOLE_TOKEN];
      await context.byLayout({
        blocks: async () => {
          const clients = await context.openClients({ metadata: 'unasked' });
          try {
            await untilStopped(await startConsole(clients, log, token), context);
          } finally {
            await clients.close();
          }
        },
        slices: async () => {
          const { VOLUME_FS_ID } = await import('../wiring/open-volume.ts');
          await context.withVolume(VOLUME_FS_ID, async (volume) => {
            const clients =
              settings.consoleActions === true ? await context.openWork({ metadata: 'unasked' }) : undefined;
            try {
              await untilStopped(await startVolumeConsole(volume, settings, { log, token, clients }), context);
            } finally {
              await clients?.close();
            }
          });
        },
      });
    });
}

async function untilStopped({ url, close }: RunningConsole, context: CliContext): Promise<void> {
  try {
    if (context.json) context.dataJson({ url });
    else context.data(`the console is at ${url}`);
    await untilSignal(async (signal) => {
      if (!signal.aborted) await once(signal, 'abort');
    });
  } finally {
    await close();
  }
}
