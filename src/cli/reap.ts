/**
 * `s3compact reap`: works off the reap records that are due now, and ends. For a CronJob beside workers that only
 * compact, and for a person who does not want to wait for one. Records that are not due, or in doubt, stay.
 */
import type { Command } from 'commander';
import type { ReapSummary } from '../../workers/drain-reap.ts';
import { wallMs } from '../time.ts';
import { duration, plural } from '../view/words.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './output.ts';
import { untilStopped } from './signals.ts';

const HELP = `
Exit code 3 when deleting is paused, or a record was in doubt: nothing of it was deleted, and it comes back by itself.

With --json: {records: done, deleted: objects, stillReferenced, again: not finished yet, doubts: [text], nextLookMs, pending: records left,
  held: of these, in work elsewhere, onHold: kept by holds, paused}`;

const LEFT = 'reap was stopped; what it did not finish comes back by itself';

export function register(command: Command, context: CliContext): void {
  command.addHelpText('after', HELP).action(async () => {
    const { drainReapQueue, pushAtEnd } = await import('./work-parts.ts');
    await context.withWork({}, async (clients) => {
      try {
        let stop: AbortSignal | undefined;
        const summary = await untilStopped(context, { left: LEFT }, (signal) => {
          stop = signal;
          return drainReapQueue(clients, context.quietLogger, signal);
        });
        if (context.json) context.dataJson(summary);
        else context.data(summaryText(summary, wallMs(await clients.ledger.nowMs())));
        if (stop?.aborted === true) context.exitCode = context.stopCode;
        else if (summary.doubts.length > 0 || summary.paused) context.exitCode = EXIT.retry;
        else clients.observer.succeeded('reap');
      } finally {
        await pushAtEnd(clients, context.logger, { command: 'reap', version: context.version });
      }
    });
  });
}

export function summaryText(summary: ReapSummary, nowMs: number): string {
  const { records, deleted, stillReferenced, again, doubts, pending, held, onHold, paused, nextLookMs } = summary;
  const next = nextLookMs === undefined ? '' : `; the next look is in ${duration(nextLookMs - nowMs)}`;
  return [
    `${plural(records, 'record')} done: ${plural(deleted, 'object')} deleted, ${stillReferenced} still referenced`,
    `${plural(again, 'record')} looked at and not finished, ${plural(pending, 'record')} in the queue`,
    ...(again > doubts.length + onHold && !paused
      ? [`what became unreferenced stays for one grace period${next}`]
      : []),
    ...(held > 0 ? [`${plural(held, 'record')} of these in work elsewhere`] : []),
    ...(onHold > 0 ? [`${plural(onHold, 'record')} kept by holds ("s3compact hold list")`] : []),
    ...(paused ? ['nothing was deleted: deleting is paused ("s3compact resume")'] : []),
    ...doubts.map((doubt) => `in doubt${next}: ${doubt}`),
  ].join('\n');
}
