/**
 * `s3compact scheduler FS...`: plans scans by the clock and carries them out until SIGTERM. Any number of replicas makes
 * one scan. The work is in `workers/scheduler.ts`.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { requireFilesystem } from '../metadata/lookup.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { aborted, untilSignal } from './signals.ts';

const HELP = `
Scans are planned every --scan-every, the first at once; a plan stays in Redis until --remove takes it away (stop the schedulers first: they keep it), and needs a
scheduler to be carried out. What scans find is worked off by "s3compact worker".`;

const FILESYSTEMS_MAX = 1_000;

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs...>', 'ids of the file systems', parseSome)
    .option('--remove', 'take the plans away, and end')
    .addHelpText('after', HELP)
    .action(async (filesystems: readonly number[], options: { readonly remove?: boolean }) => {
      const { ScanSchedule, startScheduler } = await import('./work-parts.ts');
      await context.withWork({}, async (clients) => {
        if (options.remove === true) {
          const schedule = new ScanSchedule({ ...clients.status, prefix: context.settings.queuePrefix });
          for (const fsId of filesystems) {
            const removed = await schedule.unplan(fsId);
            context.data(`file system ${fsId}: ${removed ? 'its scans are planned no more' : 'no scan was planned'}`);
          }
          await schedule.close();
          return;
        }
        for (const fsId of filesystems) await requireFilesystem(clients.metadata, fsId);
        await untilSignal(async (signal) => {
          const scheduler = await startScheduler(clients, context.logger, filesystems);
          await aborted(signal);
          await scheduler.stop();
        });
      });
    });
}

function parseSome(text: string, before: readonly number[] | undefined): readonly number[] {
  const filesystems = [...new Set([...(before ?? []), parseCount(text)])];
  if (filesystems.length > FILESYSTEMS_MAX) throw new InvalidArgumentError(`At most ${FILESYSTEMS_MAX}.`);
  return filesystems;
}
