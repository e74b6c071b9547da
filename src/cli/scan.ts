/**
 * `s3compact scan FS`: finds what is worth a run and queues it, the best first; `--top` and `--dry-run` only look. The
 * scanning is in `src/scan/scan.ts`; this asks and tells.
 */
import { type Command, Option } from 'commander';
import { TOP_ORDERS, type TopOrder, type WorstInode } from '../scan/top-inodes.ts';
import type { ScanProgress, ScanReport } from '../scan/types.ts';
import { bytes, count, plural, wasteText } from '../view/words.ts';
import { cancellable } from '../wiring/cancellable.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode } from './output.ts';
import { CountProgress } from './progress.ts';
import { untilStopped } from './signals.ts';
import { table } from './table.ts';

/** Rows of --top. */
const TOP_MAX = 10_000;
/** Unreadable inodes listed by name; the log has all. */
const UNREADABLE_SHOWN_MAX = 20;

/** What a stop leaves before there is anything to report. */
const LEFT = 'the scan was stopped; nothing is lost, and the same command goes on';

const HELP = `
What is in flight is not queued again, so any number of scans may run. A scan that was stopped or killed goes on where it
stood (--from-start: not). It waits while the queue is full, and ends early where the file system is paused.
Exit code 0: the whole file system was scanned. 3: it was paused or stopped, or something was away for too long. 130: stopped by Ctrl-C.

With --json: {ending: done|paused|stopped, fsId, queued, resumedInodes, restarts, durationMs,
  backlog: {inodes, unreadable, quarantined, inodesWorthIt, chunksWorthIt, getsSaved, objectsSaved, bytesReclaimed, bytesToMove,
  requestsToMake, storedBytes, visibleBytes}, top: [{key: {fsId, inodeId}, score, backlog}], unreadable: [{inodeId, message}]}
Of a JuiceFS volume, with --top or --dry-run: as "s3compact waste".`;

interface Options {
  readonly top?: number;
  readonly sort: TopOrder;
  readonly dryRun?: boolean;
  readonly fromStart?: boolean;
}

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .option('--top <count>', 'only list the worst files; changes nothing', parseCount)
    .addOption(
      new Option('--sort <order>', 'with --top: the worst by score, GETs saved, or stored bytes that nobody reads')
        .choices(TOP_ORDERS)
        .default('score' satisfies TopOrder),
    )
    .option('--dry-run', 'only report the backlog; changes nothing')
    .option('--from-start', 'do not go on where an earlier scan stopped')
    .addHelpText('after', HELP)
    .action(async (fsId: number, options: Options) => {
      context.exitCode = await context.byLayout({
        blocks: () => scan(fsId, context, options),
        slices: () =>
          options.top !== undefined || options.dryRun === true
            ? lookAtSlices(fsId, context, options)
            : scan(fsId, context, options),
      });
    });
}

/** Of a volume in the slice layout, what `waste` shows. */
async function lookAtSlices(fsId: number, context: CliContext, { top, sort }: Options): Promise<ExitCode> {
  const { showWaste } = await import('./waste.ts');
  return showWaste(fsId, context, { top: Math.min(TOP_MAX, top ?? 0), order: sort === 'waste' ? sort : 'gets' });
}

async function scan(fsId: number, context: CliContext, options: Options): Promise<ExitCode> {
  const { pushAtEnd, runScan } = await import('./work-parts.ts');
  const dry = options.dryRun === true || options.top !== undefined;
  const unreadable: { readonly inodeId: string; readonly message: string }[] = [];
  return context.withWork({}, async (clients) => {
    try {
      const report = await untilStopped(context, { left: LEFT }, async (signal) => {
        const results = await cancellable(clients.scans, signal).results();
        const progress = new CountProgress(context, results.find((one) => one.fsId === fsId)?.backlog.inodes);
        return runScan(fsId, clients, context.quietLogger, {
          dryRun: dry,
          resume: options.fromStart !== true,
          signal,
          top: Math.min(TOP_MAX, options.top ?? 0),
          topBy: options.sort,
          onProgress: (at) => progress.show(progressText(at), at.backlog.inodes),
          onUnreadable: (key, { message }) => {
            if (unreadable.length < UNREADABLE_SHOWN_MAX) unreadable.push({ inodeId: key.inodeId.toString(), message });
          },
        }).finally(() => progress.stop());
      });
      const worst = options.top !== undefined && report.top.length > 0 ? `${worstText(report.top, context)}\n\n` : '';
      context.answer({ ...report, unreadable }, () => worst + scanText(report, context, dry));
      if (report.ending === 'stopped') return context.stopCode;
      return report.ending === 'done' ? EXIT.done : EXIT.retry;
    } finally {
      await pushAtEnd(clients, context.logger, { command: 'scan', version: context.version, fsId });
    }
  });
}

/** One line while it goes on. */
export function progressText(at: ScanProgress): string {
  const { inodesWorthIt } = at.backlog;
  const queued = `${count(at.queued)} queued`;
  const worthIt = `${count(inodesWorthIt)} of ${plural(at.backlog.inodes, 'inode')} worth a run`;
  if (at.walking) return `${worthIt}, ${queued}`;
  return `${worthIt}, ${queued}, ${count(at.held)} wait for room in the queue`;
}

export function scanText(report: ScanReport, context: CliContext, dry: boolean): string {
  const { backlog, ending, resumedInodes, restarts } = report;
  const seconds = Math.max(report.durationMs, 1) / 1000;
  const speed = count(Math.round((backlog.inodes - resumedInodes) / seconds));
  const lines = [
    context.colors.bold(
      `file system ${report.fsId}: ${plural(backlog.inodes, 'inode')}, ${count(backlog.inodesWorthIt)} worth a run (${plural(backlog.chunksWorthIt, 'chunk')})`,
    ),
    ` could be saved: ${plural(backlog.getsSaved, 'GET')} of full reads, ${plural(backlog.objectsSaved, 'object')}, ${bytes(backlog.bytesReclaimed)} that nobody sees`,
    ` at the cost of: ${bytes(backlog.bytesToMove)} read plus written, ${plural(backlog.requestsToMake, 'request')}`,
    ` stored are ${bytes(backlog.storedBytes)}, ${wasteText(backlog.storedBytes, backlog.visibleBytes)} times what readers see`,
    ` ${dry ? 'nothing was queued' : queuedText(report)}; ${seconds.toFixed(1)} s, ${speed} inodes a second`,
  ];
  if (resumedInodes > 0)
    lines.push(` ${plural(resumedInodes, 'inode')} of these were looked at by an earlier scan that was stopped`);
  if (restarts > 0)
    lines.push(` the walk began anew ${plural(restarts, 'time')}: servers were restarted or slots moved`);
  if (backlog.quarantined > 0) lines.push(` ${plural(backlog.quarantined, 'inode')} left alone: in quarantine`);
  if (backlog.unreadable > 0)
    lines.push(` ${plural(backlog.unreadable, 'inode')} could not be read: see "s3compact inspect"`);
  if (ending === 'paused') lines.push(' the scan ended early: the file system is paused ("s3compact resume")');
  if (ending === 'stopped') {
    const next = dry
      ? 'a look keeps no notes: the next one begins anew'
      : 'what it queued stays queued, and the next one goes on where it stood';
    lines.push(` the scan was stopped; ${next}`);
  }
  return lines.join('\n');
}

/** What was worth a run and not queued by this scan waits or runs already. */
function queuedText({ queued, backlog }: ScanReport): string {
  const others = backlog.inodesWorthIt - queued;
  return others <= 0
    ? `${count(queued)} queued`
    : `${count(queued)} queued, ${count(others)} were queued or in flight before`;
}

function worstText(worst: readonly WorstInode[], { style }: CliContext): string {
  const rows = worst.map(({ key, score, backlog }) => [
    key.inodeId.toString(),
    count(backlog.chunksWorthIt),
    count(backlog.getsSaved),
    wasteText(backlog.storedBytes, backlog.visibleBytes),
    bytes(backlog.bytesReclaimed),
    bytes(backlog.bytesToMove),
    score.toFixed(2),
  ]);
  return table(['inode', 'chunks', 'GETs saved', 'waste', 'reclaimed', 'to move', 'score'], rows, style);
}
