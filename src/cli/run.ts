/**
 * `s3compact run FS`: the form for a Kubernetes Job or CronJob: scans, works, ends when nothing is left or a budget is
 * spent, and says by its exit code how it went. The running is in `workers/filesystem-run.ts`.
 */
import type { Command } from 'commander';
import type { FilesystemRun, RunProgressAt } from '../../workers/filesystem-run.ts';
import type { PodMetrics } from '../../workers/pod-metrics.ts';
import type { RunningWorker } from '../../workers/running.ts';
import type { JobWait } from '../queue/status.ts';
import { waitText } from '../view/job-text.ts';
import { bytes, count, plural } from '../view/words.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode, exitCodeOf } from './output.ts';
import { CountProgress } from './progress.ts';
import { progressText } from './scan.ts';
import { untilStopped } from './signals.ts';

const HELP = `
Ends when the queue is drained, or --run-seconds or --run-bytes is spent; then waits until the objects that it replaced are
deleted (--grace). With --no-wait-reap it says how many reap records remain: a CronJob of "s3compact reap" takes them.
It does not wait while deleting is paused, nor for records whose objects a hold keeps; the exit code does not change for them.
A server that is away, or refuses all that it is asked (keys, a bucket that is not there), is waited for: a quarter of an hour or more.
Any number may run at once. SIGTERM or Ctrl-C: take no more jobs, finish within --shutdown-grace; the next run goes on.
Exit code 0: all that the budget allowed was done. 3: paused, stopped, something was away, or a run may succeed later.
4: an inode was quarantined or a run halted: needs a person. 130: stopped by Ctrl-C.

With --json: {end: drained|time|bytes|paused|stopped|failed, fsId, endings: {done|later|gone|quarantined|halted: runs}, chunksCompacted,
  bytesMoved, getsSaved, bytesReclaimed, jobsLeft, reapLeft, reapHeld: of these, kept by a hold,
  reapPaused, reapEarlier, durationMs, failure: {code, message} or null,
  scan: see "scan"}`;

/** What a stop leaves. */
const LEFT = 'nothing is lost: the next run goes on, or workers do';

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .option('--no-wait-reap', 'do not wait for the reap records of this run')
    .addHelpText('after', HELP)
    .action(async (fsId: number, options: { readonly waitReap: boolean }) => {
      context.exitCode = await runOne(fsId, context, options.waitReap);
    });
}

async function runOne(fsId: number, context: CliContext, waitReap: boolean): Promise<ExitCode> {
  const { settings } = context;
  // A Job's log is the record of its attempts; a person at a terminal has the progress.
  const logger = context.streams.stderr.isTTY === true ? context.quietLogger : context.logger;
  const parts = await import('./work-parts.ts');
  const { keepTotalJobs, pushAtEnd, runFilesystem, startMetrics, startPool, startWorker } = parts;
  return context.withWork({ logger, forRuns: true }, async (clients) => {
    const progress = new CountProgress(context);
    let metrics: PodMetrics | null = null;
    let working: RunningWorker | undefined;
    try {
      metrics = await startMetrics(clients, logger, context.version);
      // Without a bound of its own it leaves the one that the workers keep.
      const totalJobs = await keepTotalJobs(settings, clients.status, { log: logger, leavesOthers: true });
      const start = () => {
        working = settings.processes > 1 ? startPool(settings, logger) : startWorker(clients, logger);
        metrics?.watch(working);
        return working;
      };
      const report = await untilStopped(context, { left: LEFT, again: () => working?.abort() }, (signal) =>
        runFilesystem(fsId, clients, logger, {
          waitReap,
          signal,
          start,
          onProgress: (at) => progress.show(runProgressText(at, clients.observer.waits())),
        }),
      ).finally(() => totalJobs.stop());
      progress.stop();
      const { failure, ...rest } = report;
      const json = { ...rest, failure: failure === null ? null : { code: failure.code, message: failure.message } };
      context.answer(json, () => filesystemRunText(report, context));
      return exitCodeOfFilesystemRun(report, waitReap, context.stopCode);
    } finally {
      progress.stop();
      await pushAtEnd(clients, logger, { command: 'run', version: context.version, fsId, worker: working });
      await metrics?.close();
    }
  });
}

function runProgressText(at: RunProgressAt, waits: JobWait | null): string {
  if (at.reapLeft !== null) return `waiting for ${plural(at.reapLeft, 'reap record')}`;
  const runs = Object.values(at.endings).reduce((sum, value) => sum + value, 0);
  const done = `${plural(runs, 'run')}, ${bytes(at.bytesMoved)} moved, ${count(at.waiting)} waiting`;
  const text = waits === null ? done : `${done}; a run ${waitText(waits)}`;
  return at.scan?.walking === true ? `${text}; scan: ${progressText(at.scan)}` : text;
}

/** Several lines for people. */
export function filesystemRunText(report: FilesystemRun, { colors }: Pick<CliContext, 'colors'>): string {
  const { endings } = report;
  const ends = {
    drained: 'nothing is left to do',
    time: 'the time is spent',
    bytes: 'the bytes are spent',
    paused: 'it is paused',
    stopped: 'it was stopped',
    failed: report.failure?.message ?? 'it failed',
  };
  const runs = Object.entries(endings).map(([ending, value]) => `${count(value)} ${ending}`);
  const lines = [
    colors.bold(`file system ${report.fsId}: ${ends[report.end]}, after ${(report.durationMs / 1000).toFixed(1)} s`),
    ` runs        ${runs.length === 0 ? 'none' : runs.join(', ')}`,
    ` compacted   ${plural(report.chunksCompacted, 'chunk')}, ${plural(report.getsSaved, 'GET')} of full reads saved, ${bytes(Math.max(0, report.bytesReclaimed))} reclaimed, ${bytes(report.bytesMoved)} moved`,
  ];
  if (report.scan !== null) {
    const { inodes, inodesWorthIt } = report.scan.backlog;
    lines.push(` scanned     ${plural(inodes, 'inode')}, ${count(inodesWorthIt)} worth a run`);
  }
  if (report.jobsLeft > 0) lines.push(` left        ${plural(report.jobsLeft, 'job')} in the queue`);
  if (report.end === 'stopped') lines.push(` stopped     ${LEFT}`);
  lines.push(` reap        ${reapText(report)}`);
  return lines.join('\n');
}

function reapText({ reapLeft, reapHeld, reapPaused, reapEarlier }: FilesystemRun): string {
  const why = [
    reapPaused ? 'deleting is paused ("s3compact resume")' : '',
    reapHeld > 0 ? `a hold keeps what ${count(reapHeld)} of them list ("s3compact hold list")` : '',
  ].filter((clause) => clause !== '');
  const later = why.length === 0 ? '' : `${why.join(', ')}; then `;
  const deletes = `${later}a worker or "s3compact reap" deletes what they list`;
  const earlier = reapEarlier > 0 ? ` (${count(reapEarlier)} of earlier runs wait)` : '';
  if (reapLeft > 0) return `${plural(reapLeft, 'record')} left${earlier}: ${deletes}`;
  return reapEarlier > 0 ? `none of this run left${earlier}: ${deletes}` : 'none left';
}

function exitCodeOfFilesystemRun(report: FilesystemRun, waitReap: boolean, stopCode: ExitCode): ExitCode {
  const { end, endings, failure, scan } = report;
  if (failure !== null) return exitCodeOf(failure);
  if ((endings['quarantined'] ?? 0) + (endings['halted'] ?? 0) > 0) return EXIT.halted;
  if (end === 'stopped') return stopCode;
  const isReapLater = waitReap && !report.reapPaused && report.reapLeft > report.reapHeld;
  const isLater = (endings['later'] ?? 0) > 0 || isReapLater;
  if (isLater || end === 'paused') return EXIT.retry;
  return scan === null || scan.ending === 'paused' ? EXIT.retry : EXIT.done;
}
