/**
 * `s3compact console`: pages for a browser, from this machine, until stopped. The server is in `src/console/`; this wires
 * it to the process.
 */
import type { Command } from 'commander';
import { CONSOLE_TOKEN } from '../config/rows-console.ts';
import type { RunningConsole } from '../console/server.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import type { CliContext } from './context.ts';
import { aborted, untilSignal } from './signals.ts';

const HELP = `
What is fragmented, what is being done, what is stuck, and each file before and after the next run. It listens where --listen
says (127.0.0.1:9401) and changes nothing. With S3COMPACT_CONSOLE_TOKEN in the environment it wants a log-in and may listen on
other addresses; with --allow-actions, too, whoever has logged in may compact, pause, resume, release and hold.
Of a JuiceFS volume it shows what is stored and not read, the worst files and each file with its pieces; there are no holds.
SIGTERM or SIGINT ends it.

With --json: {url}`;

export function register(command: Command, context: CliContext): void {
  command.addHelpText('after', HELP).action(async () => {
    const { startConsole, startVolumeConsole } = await import('../console/server.ts');
    const { logger: log, settings } = context;
    const token = context.env[CONSOLE_TOKEN];
    await context.byLayout({
      blocks: () =>
        context.withClients({ metadata: 'unasked' }, async (clients) =>
          untilStopped(await startConsole(clients, log, token), context),
        ),
      slices: async () => {
        const { VOLUME_FS_ID } = await import('../wiring/open-volume.ts');
        await context.withVolume(VOLUME_FS_ID, (volume) => {
          const show = async (clients?: WorkClients) =>
            untilStopped(await startVolumeConsole(volume, settings, { log, token, clients }), context);
          return settings.consoleActions === true ? context.withWork({ metadata: 'unasked' }, show) : show();
        });
      },
    });
  });
}

async function untilStopped({ url, close }: RunningConsole, context: CliContext): Promise<void> {
  try {
    context.answer({ url }, () => `the console is at ${url}`);
    await untilSignal(aborted);
  } finally {
    await close();
  }
}
