/**
 * `s3compact status [FS]`: queues, what is in flight, backlog, reap records, quarantine, pauses, speed; `--watch` again
 * and again, as top does. It changes nothing; what is asked is in `src/view/ask-status.ts`, the page in `status-text.ts`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { CompactError } from '../errors.ts';
import type { StatusReport } from '../view/status-report.ts';
import { within } from '../wiring/cancellable.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import { durationLike, parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { toJson } from './output.ts';
import { untilSignal } from './signals.ts';
import { statusText } from './status-text.ts';
import { fitted } from './table.ts';

const HELP = `
Exit code 0 whatever the state is; 4 where there is no such file system, 3 where the queue's Redis is away.

With --json: {nowMs, fsId, problems: [{need: act|wait, what, advice}], health: {servers: [{name, state: ok|failing|unknown,
  answeredAgoMs, failedAgoMs, failingForMs, error}], notReady: [{code, what, workers}], reports}, queues: [{name, waiting, active, delayed, failed, paused,
  jobsMax, oldestWaitingMs}], workers, inFlight: [{jobId, fsId, inodeId, origin, ageMs, progress,
  waits: {for: limit|memory|s3|ids|metadata|server|worker, what, forMs} | null}], recent: {windowMs, runs, bytesMoved,
  getsSaved}, paused: {compact, reap, filesystems: [{fsId, sinceMs, by}]}, scans: [{fsId, startedMs, endedMs, by, backlog}],
  failed, delayed: {total, jobs: [{jobId, fsId, inodeId, origin, tries, reason, code, endedMs, nextMs}]}, reap: {pending, due,
  overdue, oldestDueMs, overdueRecords, recordsInDoubt: [{jobId, fsId, inodeId, chunkIndex, dueMs, doubts, doubt}]},
  quarantined, quarantine: [{fsId, inodeId, code, reason, sinceMs}]; with --watch one line each time
With FS: servers, queues, workers, recent and the counts of reap records stay those of all file systems; failed and
  delayed are those among the first 100 of all.`;

const ROWS_MAX = 20;
const WATCH_MS = 2_000;
const WATCH_MIN_MS = 100;
/** A page of the terminal's own, without a cursor; what was on the screen before is there again afterwards. */
const SCREEN = {
  open: '\u001b[?1049h\u001b[?25l',
  close: '\u001b[?25h\u001b[?1049l',
  /** From the upper left corner: each line over the old one, and away with what is below; no flicker, and no scrolling. */
  page: (text: string, rows = Number.POSITIVE_INFINITY): string => {
    const lines = text.split('\n');
    const shown = lines.length < rows ? lines : [...lines.slice(0, Math.max(1, rows - 2)), ` (${lines.length} lines)`];
    return `\u001b[H${shown.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`;
  },
};

interface Options {
  /** Milliseconds, or `true` for the usual. */
  readonly watch?: number | true;
}

export function register(command: Command, context: CliContext): void {
  command
    .argument('[fs]', 'of this file system only, where that is known', parseCount)
    .option(
      '--watch [duration]',
      'again and again until stopped; default every 2s',
      durationLike('2s, at least 100ms', WATCH_MIN_MS),
    )
    .addHelpText('after', HELP)
    .action((fsId: number | undefined, { watch }: Options) =>
      context.withWork({ metadata: 'unasked' }, async (clients) => {
        if (watch !== undefined)
          return watchStatus(clients, context, { fsId, everyMs: watch === true ? WATCH_MS : watch });
        const report = await ask(clients, fsId);
        context.answer(report, () => textOf(report, context));
      }),
    );
}

function textOf(report: StatusReport, { style }: CliContext): string {
  return statusText(report, { ...style, rowsMax: ROWS_MAX });
}

/** The queue's library is loaded only now. */
async function ask(clients: WorkClients, fsId: number | undefined): Promise<StatusReport> {
  const { askStatus } = await import('../view/ask-status.ts');
  return askStatus(clients, fsId);
}

async function watchStatus(
  clients: WorkClients,
  context: CliContext,
  { fsId, everyMs }: { readonly fsId: number | undefined; readonly everyMs: number },
): Promise<void> {
  const { stdout } = context.streams;
  const isScreen = stdout.isTTY === true && !context.json;
  let isRead = true;
  /** `… --watch | head` ends when head has seen enough. */
  const written = (error?: Error | null): void => {
    if (error) isRead = false;
  };
  if (isScreen) stdout.write(SCREEN.open);
  try {
    await untilSignal(async (signal) => {
      while (!signal.aborted && isRead) {
        // A server may take long to answer, or for ever; whoever presses Ctrl-C has seen enough.
        const text = await within(nextText(clients, context, fsId), signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
        if (text === undefined) return;
        stdout.write(isScreen ? SCREEN.page(text, stdout.rows) : `${text}\n`, written);
        await delay(everyMs, undefined, { signal }).catch(() => undefined);
      }
    });
  } finally {
    if (isScreen) stdout.write(SCREEN.close);
  }
}

/** A server that is away for a moment does not end the watching. */
async function nextText(clients: WorkClients, context: CliContext, fsId: number | undefined): Promise<string> {
  try {
    const report = await ask(clients, fsId);
    return context.json ? toJson(report) : fitted(textOf(report, context), context.style.width);
  } catch (error) {
    if (!(error instanceof CompactError) || error.kind !== 'retry') throw error;
    const { code, message } = error;
    return context.json ? toJson({ error: { code, message } }) : fitted(` ${message}`, context.style.width);
  }
}
