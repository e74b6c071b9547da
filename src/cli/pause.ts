/**
 * `s3compact pause | resume [FS]`: stops and starts work on one file system, or on all. What is running may finish; the
 * pause is kept in the queue's Redis and holds until somebody resumes. Keeping it is `queue-control`'s business.
 */
import type { Command } from 'commander';
import { requireFilesystem } from '../metadata/lookup.ts';
import { wallMs } from '../time.ts';
import { allResumed, plural } from '../view/words.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { UsageError } from './output.ts';

const PAUSE_HELP = `
Runs that are under way finish (within --max-seconds). Queued jobs stay queued; scans end and go on where they stood.
Without --reap old objects are still deleted when their grace period is over: that needs no compaction.
What a person starts is not held back: "inode --inline" and "gc --delete".

With --json: {paused: true, fsId (absent: everything), reap, already}`;

const RESUME_HELP = `
Without FS everything is resumed: the queues and every file system, also those that were paused one by one.

With --json: {paused: false, fsId (absent: everything), already, jobs: jobs that came back,
  filesystems: ids of those that were paused one by one (with everything)}`;

export function register(command: Command, context: CliContext): void {
  command
    .argument('[fs]', 'id of the file system; without it: everything', parseCount)
    .option('--reap', 'delete nothing either; only together with everything')
    .addHelpText('after', PAUSE_HELP)
    .action((fsId: number | undefined, options: { readonly reap?: boolean }) => {
      if (fsId !== undefined && options.reap === true) {
        throw new UsageError('pause --reap is for everything, not for one file system');
      }
      return context.withWork({ metadata: 'unasked' }, (clients) =>
        pause(clients, context, { fsId, reap: options.reap === true }),
      );
    });
}

export function registerResume(command: Command, context: CliContext): void {
  command
    .argument('[fs]', 'id of the file system; without it: everything', parseCount)
    .addHelpText('after', RESUME_HELP)
    .action((fsId: number | undefined) =>
      context.withWork({ metadata: 'unasked' }, (clients) => resume(clients, context, fsId)),
    );
}

async function pause(
  clients: WorkClients,
  context: CliContext,
  { fsId, reap }: { readonly fsId: number | undefined; readonly reap: boolean },
): Promise<void> {
  const { control, ledger, metadata } = clients;
  if (fsId === undefined) {
    const before = await control.paused();
    await control.pauseAll({ reap });
    const already = before.compact && (before.reap || !reap);
    const what = reap ? 'everything, deleting included,' : 'everything but deleting';
    return context.answer({ paused: true, reap, already }, () => `${what} ${pausedText(already)}`);
  }
  // A mistyped number would otherwise look like success.
  await requireFilesystem(metadata, fsId);
  const { processName } = await import('./work-parts.ts');
  const note = { sinceMs: wallMs(await ledger.nowMs()), by: processName() };
  const already = !(await control.pauseFilesystem(fsId, note));
  context.answer({ paused: true, fsId, reap: false, already }, () => `file system ${fsId} ${pausedText(already)}`);
}

function pausedText(already: boolean): string {
  return already ? 'was paused already' : 'is paused';
}

async function resume(clients: WorkClients, context: CliContext, fsId: number | undefined): Promise<void> {
  const { control } = clients;
  if (fsId === undefined) {
    const before = await control.paused();
    const { filesystems, jobs } = await control.resumeAll();
    const already = !before.compact && !before.reap && filesystems.length === 0;
    const outcome = already ? 'nothing was paused' : allResumed(filesystems);
    return context.answer({ paused: false, already, filesystems, jobs }, () => resumedText(outcome, jobs));
  }
  const { resumed, jobs } = await control.resumeFilesystem(fsId);
  const outcome = `file system ${fsId} ${resumed ? 'is resumed' : 'was not paused'}`;
  context.answer({ paused: false, fsId, already: !resumed, jobs }, () => resumedText(outcome, jobs));
  if (!context.json && (await control.paused()).compact) {
    context.note('all work is still paused: "s3compact resume" without a file system lets it go on');
  }
}

function resumedText(outcome: string, jobs: number): string {
  return jobs === 0 ? outcome : `${outcome}; ${plural(jobs, 'job')} came back`;
}
