/**
 * `s3compact status [FS]`: queues, what is in flight, backlog, reap records, quarantine, pauses, speed; `--watch` again
 * and again, as top does. It changes nothing; what is asked is in `queue-status`, what is shown in `status-text`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { formOf, parseNumber } from '../config/units.ts';
import { CompactError } from '../errors.ts';
import type { Clients } from '../wiring/clients.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { toJson } from './output.ts';
import { untilSignal } from './signals.ts';
import { type StatusReport, statusText } from './status-text.ts';

const HELP = `
With --json: {nowMs, queues: [{name, waiting, active, delayed, failed, paused, oldestWaitingMs}], workers, inFlight: [{jobId, fsId,
  inodeId, origin, ageMs, progress}], recent: {windowMs, runs, bytesMoved, getsSaved}, paused: {compact, reap, filesystems:
  [{fsId, sinceMs, by}]}, scans: [{fsId, startedMs, endedMs, by, backlog}], reap: {pending, due, overdue, oldestDueMs},
  quarantined}; with --watch one line each time`;

const ROWS_MAX = 20;
const WATCH_MS = 2_000;
const WATCH_MIN_MS = 100;
/** To the upper left corner, and away with what is below. */
const CLEAR = '\u001b[H\u001b[2J';

interface Options {
  /** Milliseconds, or `true` for the usual. */
  readonly watch?: number | true;
}

export function registerStatus(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show queues, work in flight, backlog, reap records and pauses')
    .argument('[fs]', 'of this file system only, where that can be told apart', parseCount)
    .option('--watch [duration]', 'again and again until stopped; default every 2s', parsePeriod)
    .addHelpText('after', HELP)
    .action(async (fsId: number | undefined, { watch }: Options) => {
      const clients = await context.openClients();
      try {
        if (watch === undefined) show(await askStatus(clients, fsId), context);
        else await watchStatus(clients, context, { fsId, everyMs: watch === true ? WATCH_MS : watch });
      } finally {
        await clients.close();
      }
    });
}

/** Everything at once; errors are CompactError `queue-unavailable` (retry). */
export async function askStatus(clients: Clients, fsId?: number): Promise<StatusReport> {
  const ask = await import('../queue/status.ts');
  const { status, control, scans, ledger, quarantine } = clients;
  const isAsked = (one: { readonly fsId: number }) => fsId === undefined || one.fsId === fsId;
  const [nowMs, queues, workers, paused, inFlight, recent, results, reap, quarantined] = await Promise.all([
    ledger.nowMs(),
    ask.queueDepths(status),
    ask.workersConnected(status),
    control.paused(),
    ask.jobsInFlight(status),
    ask.recentRuns(status),
    scans.results(),
    ask.reapBacklog(status),
    fsId === undefined ? quarantine.count() : quarantinedOf(clients, fsId),
  ]);
  return {
    ...{ nowMs, queues, workers, recent, reap, quarantined },
    paused: { ...paused, filesystems: paused.filesystems.filter(isAsked) },
    inFlight: inFlight.filter(isAsked),
    scans: results.filter(isAsked),
  };
}

async function quarantinedOf(clients: Clients, fsId: number): Promise<number> {
  let inodes = 0;
  for await (const { key } of clients.quarantine.all()) if (key.fsId === fsId) inodes++;
  return inodes;
}

function show(report: StatusReport, context: CliContext): void {
  if (context.json) context.dataJson(report);
  else context.data(statusText(report, styleOf(context)));
}

function styleOf({ colors }: CliContext) {
  return { dim: colors.dim, bold: colors.bold, rowsMax: ROWS_MAX };
}

async function watchStatus(
  clients: Clients,
  context: CliContext,
  { fsId, everyMs }: { readonly fsId: number | undefined; readonly everyMs: number },
): Promise<void> {
  await untilSignal(async (signal) => {
    while (!signal.aborted) {
      const text = await nextText(clients, context, fsId);
      const clear = context.streams.stdout.isTTY === true && !context.json ? CLEAR : '';
      context.streams.stdout.write(`${clear}${text}\n`);
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  });
}

/** A server that is away for a moment does not end the watching. */
async function nextText(clients: Clients, context: CliContext, fsId: number | undefined): Promise<string> {
  try {
    const report = await askStatus(clients, fsId);
    return context.json ? toJson(report) : statusText(report, styleOf(context));
  } catch (error) {
    if (!(error instanceof CompactError) || error.kind !== 'retry') throw error;
    return context.json ? toJson({ error: { code: error.code, message: error.message } }) : ` ${error.message}`;
  }
}

function parsePeriod(text: string): number {
  const ms = parseNumber(formOf('duration'), text);
  if (ms === null || ms < WATCH_MIN_MS)
    throw new InvalidArgumentError('It must be a duration such as 2s, at least 100ms.');
  return ms;
}
