/**
 * `s3compact inode FS INODE`: compact one inode now, through the queue (top priority, first run that starts after the
 * request) or in this process, and show how it ends. The work is `run`'s; this only asks, waits and tells.
 */
import { type Command, Option } from 'commander';
import type { JobProgress } from '../../workers/compact-processor.ts';
import { systemClock } from '../clock.ts';
import type { CompactProgress } from '../compact/compact-inode.ts';
import { printInodeKey } from '../format.ts';
import type { InodeKey } from '../model.ts';
import type { RunSeen } from '../queue/wait-for-run.ts';
import { type LayoutName, layoutOf } from '../urls/juicefs.ts';
import { bytes, duration, nothingText, plural, restingText } from '../view/words.ts';
import type { RunReport } from '../wiring/run-inode.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import { durationLike, inodeNumber, withFileArguments } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode } from './output.ts';
import { gainText, showPlan } from './plan.ts';
import { RunProgress } from './progress.ts';
import { untilStopped } from './signals.ts';

const HELP = `
Without --inline a worker must be running ("s3compact worker"). Reap records go into the reap queue either way: a worker
or "s3compact reap" deletes the old objects after the grace period. Ctrl-C stops the waiting, and not the worker; with --inline
it stops the work, and the same command goes on.

With --json: {ending: done|later|gone|quarantined|halted, outcome: compacted|nothing|conflict|stale|unknown|over-budget,
  fsId, inodeId, attempt, code, message, chunksCompacted, chunksLeft, continued, cost, gain, durationMs, warnings,
  resting: {chunks, afterMs, againMs} where chunks wait until nobody has written there for 4 minutes}`;

/** What Ctrl-C leaves. */
const LEFT_QUEUED =
  'stopped waiting; the inode stays queued: a worker compacts it, and the same command waits for that again';
const LEFT_INLINE =
  'it was stopped: each chunk is as it was or done, nothing is lost, and what was written in vain is deleted by a reap record; the same command goes on';
/** After this long, somebody wants to see that something moves. */
const LOOK_EVERY_MS = 1_000;
/** Chunks of a dry run. */
const PLANS_SHOWN = 5;
const WAIT_MS = 600_000;

interface InodeOptions {
  readonly inline?: boolean;
  readonly dryRun?: boolean;
  /** Milliseconds. */
  readonly wait: number;
}

export function register(command: Command, context: CliContext): void {
  withFileArguments(command)
    .option('--inline', 'do it in this process instead of the compact queue')
    .option('--dry-run', 'only show the plan, as "s3compact plan" does')
    .addOption(
      new Option('--wait <duration>', 'how long to wait for the run to end')
        .argParser(durationLike('30s or 10m'))
        .default(WAIT_MS, duration(WAIT_MS)),
    )
    .addHelpText('after', HELP)
    .action(async (fsId: number, inode: bigint | string, options: InodeOptions) => {
      const limit = PLANS_SHOWN;
      context.exitCode = await context.byLayout({
        blocks: async () => {
          const key = { fsId, inodeId: inodeNumber(inode) };
          return options.dryRun === true ? showPlan(key, context, { limit }) : compactNow(key, context, options);
        },
        slices: async () => {
          const { inodeAt, planOfSlices } = await import('./slices/plan.ts');
          if (options.dryRun === true) return planOfSlices(fsId, inode, { context, limit });
          return compactNow({ fsId, inodeId: await inodeAt(fsId, inode, context) }, context, options);
        },
      });
    });
}

async function compactNow(key: InodeKey, context: CliContext, options: InodeOptions): Promise<ExitCode> {
  return context.withWork({ forRuns: options.inline === true }, async (clients) => {
    // A wrong number is reported at once, not after a wait for a worker.
    await clients.requireFile(key);
    const progress = new RunProgress(context);
    const work = { key, clients, context, options, progress };
    const isInline = options.inline === true;
    const report = await untilStopped(context, { left: isInline ? LEFT_INLINE : LEFT_QUEUED }, (signal) =>
      isInline ? inline(work, signal) : queued(work, signal),
    ).finally(() => progress.stop());
    context.answer(report, () => reportText(report, context));
    return exitCodeOfRun(report, context.stopCode);
  });
}

interface Work {
  readonly key: InodeKey;
  readonly clients: WorkClients;
  readonly context: CliContext;
  readonly options: InodeOptions;
  readonly progress: RunProgress;
}

async function inline({ key, clients, progress }: Work, signal: AbortSignal): Promise<RunReport> {
  const { runInode } = await import('./work-parts.ts');
  const place = { fsId: key.fsId, inodeId: key.inodeId.toString() };
  const { observer } = clients;
  let at: CompactProgress | undefined;
  const { report } = await observer.watchRun(place, async (record) => {
    const timer = setInterval(() => progress.show(at, record.waits.now(observer.limitsWaitedFor())), LOOK_EVERY_MS);
    try {
      const onProgress = (now: CompactProgress): void => {
        at = now;
        progress.show(at);
      };
      return await runInode(key, clients.run, { onProgress, observer: record, signal });
    } finally {
      clearInterval(timer);
    }
  });
  return signal.aborted && report.code === 'cancelled' ? { ...report, message: LEFT_INLINE } : report;
}

async function queued({ key, clients, context, options, progress }: Work, signal: AbortSignal): Promise<RunReport> {
  const { runNow, workersConnected } = await import('./work-parts.ts');
  if ((await workersConnected(clients.status)) === 0) {
    context.note(
      'no worker is connected to the queue yet: one that is starting takes the job when it is up; else start one with "s3compact worker", or use --inline',
    );
  }
  let latest: JobProgress | undefined;
  const seen = await runNow(key, {
    queue: clients.queue,
    clock: systemClock,
    signal,
    timeoutMs: options.wait,
    onPoll: (state, job) => {
      latest = job as JobProgress | undefined;
      if (latest?.kind === 'running') progress.show(latest.progress, latest.waits);
      else progress.state(state);
    },
  });
  // Handed back, to be looked at again later: what the last look found says more than that it waits.
  if (seen.kind === 'timed-out' && seen.state === 'delayed' && latest?.kind === 'failed') return latest.report;
  return reportOf(key, seen, options.wait);
}

/** What the waiting saw, as the report of the run. */
function reportOf(key: InodeKey, seen: RunSeen, waitMs: number): RunReport {
  if (seen.kind === 'completed' && isReport(seen.value)) return seen.value;
  const none = { fsId: key.fsId, inodeId: key.inodeId.toString(), chunksCompacted: 0, chunksLeft: 0 };
  const base = { ...none, continued: false, warnings: [] };
  if (seen.kind === 'failed') {
    const progress = seen.progress as JobProgress | undefined;
    if (progress?.kind === 'failed') return progress.report;
    return { ...base, ending: seen.final ? 'halted' : 'later', message: seen.message };
  }
  const message =
    seen.kind === 'completed'
      ? 'the run ended, but its result is no longer kept in the queue'
      : `the run had not ended after ${waitMs / 1000} s (the job is ${seen.state}); it stays queued`;
  return { ...base, ending: 'later', message };
}

function isReport(value: unknown): value is RunReport {
  return typeof value === 'object' && value !== null && 'ending' in value;
}

function exitCodeOfRun(report: RunReport, stopCode: ExitCode): ExitCode {
  if (report.code === 'cancelled') return stopCode;
  if (report.outcome === 'over-budget') return EXIT.usage;
  const codes = { done: EXIT.done, later: EXIT.retry, gone: EXIT.retry, quarantined: EXIT.halted, halted: EXIT.halted };
  return codes[report.ending];
}

/** Who deletes what was replaced. */
const OLD_OBJECTS: Readonly<Record<LayoutName, string>> = {
  blocks: ' the old objects are deleted after the grace period, by a worker or by "s3compact reap"',
  slices:
    ' what was replaced is deleted by the clients\' hourly jobs after the days of the trash; without a trash after the grace period, by a worker or by "s3compact reap"',
};

/** The end of a run for people; exact numbers are in --json. */
function reportText(report: RunReport, context: CliContext): string {
  const { bold } = context.colors;
  const lines = [bold(`inode ${printInodeKey(report)}: ${headline(report)}`)];
  if (report.message !== undefined) lines.push(` ${report.message}`);
  if (report.chunksCompacted > 0 && report.gain !== undefined && report.cost !== undefined) {
    const { cost } = report;
    const reads = `read ${bytes(cost.readBytes)} in ${plural(cost.readRequests, 'GET')}`;
    const writes = `wrote ${bytes(cost.writeBytes)} in ${plural(cost.writeRequests, 'PUT')}`;
    const seconds = ((report.durationMs ?? 0) / 1000).toFixed(1);
    lines.push('', gainText(report.gain, context), '', ` ${reads}, ${writes}, in ${seconds} s`);
    lines.push(OLD_OBJECTS[layoutOf(context.settings.metadataUrl)]);
  }
  if (report.chunksLeft > 0) {
    const where = report.continued ? 'queued as a continuation' : 'left for a later run';
    lines.push(` ${plural(report.chunksLeft, 'chunk')} ${where}`);
  }
  if (report.resting !== undefined) lines.push(` ${restingText(report.resting)}`);
  for (const warning of report.warnings) lines.push(` warning: ${warning}`);
  return lines.join('\n');
}

function headline(report: RunReport): string {
  if (report.ending === 'done') {
    if (report.outcome === 'compacted') return `${plural(report.chunksCompacted, 'chunk')} compacted`;
    if (report.outcome === 'over-budget') return 'over budget, nothing was changed';
    return nothingText(report.resting, 'nothing to do');
  }
  const texts = {
    later: 'not done this time; the same run may succeed later',
    gone: 'the file was removed meanwhile',
    quarantined: 'in quarantine; it needs a person',
    halted: 'halted; it needs a person',
  };
  return texts[report.ending];
}
