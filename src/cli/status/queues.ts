/**
 * The queues, who works on them, and what was done in the last minute. Numbers only: what of them is a problem is said in
 * problems.ts.
 */

import type { StatusReport } from '../../view/status-report.ts';
import { bytes, count, duration, plural } from '../../view/words.ts';
import { type Column, paragraph, table } from '../table.ts';
import { ofAll, type Section } from './section.ts';

const columnsOf = (report: StatusReport): readonly Column[] => [
  { head: ofAll(report).trim() || 'queue', align: 'left' },
  ...['waiting', 'active', 'delayed', 'failed', 'oldest waiting'].map((head) => ({ head })),
  { head: '', align: 'left' },
];

export const queuesText: Section = (report, style) => {
  const rows = report.queues.map((queue) => [
    queue.name,
    ...[queue.waiting, queue.active, queue.delayed].map(count),
    queue.failed === 0 ? '0' : style.red(count(queue.failed)),
    queue.waiting === 0 ? '-' : duration(queue.oldestWaitingMs),
    queue.paused ? style.yellow('paused') : '',
  ]);
  const lines = workLines(report).map(([head, text]) => paragraph(` ${head.padEnd(12)}`, text, style.width));
  return `${table(columnsOf(report), rows, style)}\n\n${lines.join('\n')}`;
};

function workLines(report: StatusReport): readonly (readonly [string, string])[] {
  const { workers, recent } = report;
  const connected = workers === null ? 'the server does not tell' : `${count(workers)} connected`;
  const speed = `${plural(recent.runs, 'run')}, ${bytes(recent.bytesMoved)} moved, ${plural(recent.getsSaved, 'GET')} saved${ofAll(report)}`;
  return [
    ['workers', connected],
    [`last ${duration(recent.windowMs)}`, speed],
  ];
}
