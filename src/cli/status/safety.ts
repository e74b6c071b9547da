/**
 * What keeps data safe and waits for somebody: reap records that are late or in doubt, and inodes in quarantine, each
 * with its reason. It words what the queue tells.
 */
import { printInodeKey } from '../../format.ts';
import type { ListedRecord } from '../../queue/status-lists.ts';
import { whyOverdue } from '../../view/job-text.ts';
import type { StatusReport } from '../../view/status-report.ts';
import { count, duration, plural } from '../../view/words.ts';
import { type Column, paragraph, table } from '../table.ts';
import { moreText, ofAll, type Section, type StatusStyle } from './section.ts';

export const quarantineText: Section = ({ quarantined, quarantine, nowMs }, style) => {
  if (quarantined === 0) return ' quarantine  no inode';
  const rows = quarantine
    .slice(0, style.rowsMax)
    .map((entry) => [
      printInodeKey(entry),
      duration(nowMs - entry.sinceMs),
      entry.lookAtMs === undefined ? '-' : `in ${duration(Math.max(0, entry.lookAtMs - nowMs))}`,
      `${entry.code}: ${entry.reason}`,
    ]);
  const columns: readonly Column[] = [
    { head: 'quarantine' },
    { head: 'for' },
    { head: 'next look' },
    { head: 'reason', align: 'left', wrap: true },
  ];
  return table(columns, rows, style) + moreText(quarantined, style);
};

export const reapText: Section = (report, style) => {
  const { reap } = report;
  const due = reap.due === 0 ? 'none due' : `${count(reap.due)} due, the oldest for ${duration(reap.oldestDueMs)}`;
  const late = reap.overdue === 0 ? '' : `, ${style.red(`${count(reap.overdue)} OVERDUE`)}`;
  const text = `${plural(reap.pending, 'record')}${ofAll(report)} pending, ${due}${late}`;
  return [paragraph(' reap        ', text, style.width), ...recordsText(report, style)].join('\n');
};

function recordsText({ reap, nowMs, ...report }: StatusReport, style: StatusStyle): string[] {
  const rowOf = (record: ListedRecord, when: string, why: string) => [
    printInodeKey(record),
    count(record.chunkIndex),
    when,
    why,
  ];
  const rows = [
    ...reap.overdueRecords.map((one) =>
      rowOf(one, `${duration(nowMs - one.dueMs)} late`, one.doubt ?? whyOverdue(report)),
    ),
    ...reap.recordsInDoubt.map((one) =>
      rowOf(one, `in ${duration(one.dueMs - nowMs)}`, one.doubt ?? `in doubt ${plural(one.doubts, 'time')} in a row`),
    ),
  ];
  if (rows.length === 0) return [];
  const columns: readonly Column[] = [
    { head: 'reap record of' },
    { head: 'chunk' },
    { head: 'next look' },
    { head: 'why it is not done', align: 'left', wrap: true },
  ];
  return ['', table(columns, rows.slice(0, style.rowsMax), style) + moreText(rows.length, style)];
}
