/**
 * `s3compact gc FS [--delete]`: the bucket against the metadata. Shows what nothing references by reason and age, what is
 * missing and what is too short; deletes orphans only when asked. What may be deleted is decided by `gc`.
 */
import type { Command } from 'commander';
import { CompactError } from '../errors.ts';
import { collectGarbage } from '../gc/gc.ts';
import { AGE_CLASSES, type GcReason, type GcReport, REASONS } from '../gc/report.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import type { Filesystem } from '../model.ts';
import { bytes, count, plural } from '../view/words.ts';
import { cancellable, cancellableDeps } from '../wiring/cancellable.ts';
import type { Clients } from '../wiring/clients.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode } from './output.ts';
import { CountProgress } from './progress.ts';
import { untilStopped } from './signals.ts';
import { left, table, wrapped } from './table.ts';

/** Orphans that one pass deletes at most. */
const DELETES_MAX = 100_000;

interface Options {
  readonly delete?: boolean;
  readonly inodeless?: boolean;
  readonly maxDeletes: number;
}

const MEANINGS: Readonly<Record<GcReason, string>> = {
  referenced: 'a list references it',
  pending: 'a reap record covers it: it goes by itself',
  young: 'nothing references it, but it is younger than --min-age: it may be being written',
  leaked: 'nothing references it: an orphan',
  inodeless: 'nothing references it, and the metadata has no such inode: kept without --inodeless',
  unjudged: 'its inode could not be read',
  unknown: 'not a name of this layout: never touched',
  other: "another file system's: not looked at",
  own: "s3compact's own: whose the bucket is, and holds",
};

/** What a stop leaves before the deletes; theirs is in the report. */
const LEFT = 'gc was stopped: nothing was deleted, and the next pass goes on where this one was';

const HELP = `
Deletes nothing unless --delete is given, and then only orphans that an earlier pass, at least --min-age before, found too.
Orphans of inodes that the metadata does not have (removed there, or never its own: another metadata store's) stay unless
--inodeless is given. What belongs to an inode that cannot be read, or is in quarantine, stays. A pass that was stopped goes
on where it was. It starts from the bucket: missing and short objects are those of inodes that still have an object there.
A file that has lost all of them is not seen; "s3compact fsck FS" looks at all files. When most of the bucket looks like an orphan, nothing is deleted and the reason is reported.
Exit code 0: nothing is wrong. 3: something could not be read, or a delete failed. 4: an object is missing or too short, or a delete was refused. 130: stopped by Ctrl-C.

With --json: {counts: {REASON: {objects, bytes}}, ages: {REASON: {hour|day|week|month|older: {objects, bytes}}},
  examples: {REASON: [name]}, faults: [{inodeId, object, reason: missing|short, bytes, neededBytes}], faultsTotal,
  ripe, deleted: {objects, bytes}, quarantined, failures, failureExamples, bookFull, resumed, refused, stopped}
  REASON: ${REASONS.join(', ')}`;

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .option('--delete', 'delete orphans that two passes have found')
    .option('--inodeless', 'note, and with --delete remove, also orphans whose inode the metadata does not have')
    .option('--max-deletes <count>', 'objects to delete at most', parseCount, DELETES_MAX)
    .addHelpText('after', HELP)
    .action(async (fsId: number, options: Options) => {
      context.exitCode = await gc(fsId, context, options);
    });
}

async function gc(fsId: number, context: CliContext, options: Options): Promise<ExitCode> {
  const { settings } = context;
  const progress = new CountProgress(context);
  return context.withClients({}, async (clients) => {
    const report = await untilStopped(context, { left: LEFT }, async (signal) => {
      const metadata = cancellable(clients.metadata, signal);
      const filesystem = await requireFilesystem(metadata, fsId);
      await requireOwned(filesystem, clients, options);
      return collectGarbage(fsId, cancellableDeps(clients.gc(filesystem.uuid), signal), {
        signal,
        // What reaping waits for: without a fence, longer than the setting.
        graceMs: clients.reap.graceMs,
        leaseMs: settings.leaseMs,
        minAgeMs: settings.gcMinAgeMs,
        delete: options.delete === true,
        inodeless: options.inodeless === true,
        deletesMax: options.maxDeletes,
        onProgress: ({ objects, leaked }) => progress.show(`${plural(objects, 'object')}, ${plural(leaked, 'orphan')}`),
      });
    }).finally(() => progress.stop());
    context.answer(report, () => reportText(fsId, report, { context, options }));
    return exitCodeOfGc(report, context.stopCode);
  });
}

/** Orphans are what the lists of the owner do not reference: anybody else's lists say nothing of them. */
async function requireOwned(filesystem: Filesystem, { ownership }: Clients, options: Options): Promise<void> {
  const { fsId, bucket } = filesystem;
  const found = await ownership.look(filesystem);
  if (found.kind === 'other') return ownership.require(filesystem);
  if (found.kind === 'own' || options.delete !== true) return;
  throw new CompactError(
    `nobody has claimed the objects of file system ${fsId} in bucket ${bucket} yet, so nothing was deleted; a worker claims them at its first run, or say "s3compact adopt ${fsId}"`,
    { kind: 'halt', code: 'bucket-owned' },
  );
}

function exitCodeOfGc(report: GcReport, stopCode: ExitCode): ExitCode {
  if (report.faultsTotal > 0) return EXIT.halted;
  if (report.stopped !== undefined) return stopCode;
  if (report.failures > 0) return EXIT.retry;
  return report.refused === undefined ? EXIT.done : EXIT.halted;
}

function reportText(
  fsId: number,
  report: GcReport,
  { context, options }: { readonly context: CliContext; readonly options: Options },
): string {
  const lines = [countsText(report, context)];
  if (report.faultsTotal > 0) lines.push('', faultsText(report, context));
  if (report.failures > 0) {
    lines.push('', ` ${plural(report.failures, 'inode')} could not be judged; what belongs to them stays:`);
    for (const message of report.failureExamples) lines.push(`   ${message}`);
  }
  const orphans = report.counts.leaked.objects + report.counts.inodeless.objects;
  const examples = [...(report.examples.leaked ?? []), ...(report.examples.inodeless ?? [])];
  if (orphans > 0) lines.push('', ' orphans, for example:', ...examples.map((name) => `   ${name}`));
  lines.push('', ` ${endText(report, orphans, options)}`);
  if (report.stopped !== undefined) lines.push(` the deletes were stopped: ${report.stopped}`);
  if (report.quarantined > 0)
    lines.push(` ${plural(report.quarantined, 'orphan')} kept: their inodes are in quarantine`);
  if (report.bookFull) lines.push(' there are more orphans than can be noted at a time: the next pass goes on');
  lines.push(` files without any object here were not looked at: see "s3compact fsck ${fsId}"`);
  return lines.join('\n');
}

function endText(report: GcReport, orphans: number, options: Options): string {
  const { deleted, ripe, refused } = report;
  if (refused !== undefined) return `nothing was deleted: ${refused}`;
  const size = `${plural(deleted.objects, 'orphan')} deleted (${bytes(deleted.bytes)})`;
  if (options.delete === true) return `${size}; ${count(orphans - deleted.objects)} left for a later pass`;
  if (orphans === 0) return 'no orphans';
  return `${plural(orphans, 'orphan')}, ${count(ripe)} of them found before and ripe to be deleted with --delete`;
}

function countsText(report: GcReport, { style }: CliContext): string {
  const rows = REASONS.filter((reason) => report.counts[reason].objects > 0).map((reason) => {
    const { objects, bytes: size } = report.counts[reason];
    const ages = AGE_CLASSES.map((age) => count(report.ages[reason][age]?.objects ?? 0));
    return [reason, count(objects), bytes(size), ...ages, MEANINGS[reason]];
  });
  const ageHeads = ['< 1 h', '< 1 d', '< 7 d', '< 30 d', 'older'];
  return table([left('what'), 'objects', 'bytes', ...ageHeads, wrapped('meaning')], rows, style);
}

function faultsText(report: GcReport, { style }: CliContext): string {
  const rows = report.faults.map(({ inodeId, object, reason, bytes: size, neededBytes }) => [
    inodeId,
    object,
    reason,
    count(size),
    count(neededBytes),
  ]);
  return table(['inode', left('object'), left('what'), 'bytes', 'needed'], rows, style);
}
