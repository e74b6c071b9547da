/**
 * A scan for people: how far it is, what it found, the worst files. It stands apart because `scan`, `run` and `status`
 * tell of backlogs. It only words; programs read --json.
 */

import type { WorstInode } from '../scan/top-inodes.ts';
import type { ScanProgress, ScanReport } from '../scan/types.ts';
import type { Backlog } from '../scan-port.ts';
import { bytes, count, plural, wasteText } from '../view/words.ts';
import type { CliContext } from './context.ts';
import { table } from './table.ts';

/** One line while it goes on. */
export function progressText(at: ScanProgress): string {
  const { inodesWorthIt } = at.backlog;
  const queued = `${count(at.queued)} queued`;
  const worthIt = `${count(inodesWorthIt)} of ${plural(at.backlog.inodes, 'inode')} worth a run`;
  if (at.walking) return `${worthIt}, ${queued}`;
  return `${worthIt}, ${queued}, ${count(at.held)} wait for room in the queue`;
}

/** What a backlog would save and cost, in two lines. */
function backlogText(backlog: Backlog): string[] {
  const { getsSaved, objectsSaved, bytesReclaimed, bytesToMove, requestsToMake } = backlog;
  const saved = `${plural(getsSaved, 'GET')} of full reads, ${plural(objectsSaved, 'object')}, ${bytes(bytesReclaimed)} that nobody sees`;
  return [
    ` could be saved: ${saved}`,
    ` at the cost of: ${bytes(bytesToMove)} read plus written, ${plural(requestsToMake, 'request')}`,
  ];
}

export function scanText(report: ScanReport, context: CliContext, dry: boolean): string {
  const { backlog, ending, resumedInodes, restarts } = report;
  const seconds = Math.max(report.durationMs, 1) / 1000;
  const speed = count(Math.round((backlog.inodes - resumedInodes) / seconds));
  const lines = [
    context.colors.bold(
      `file system ${report.fsId}: ${plural(backlog.inodes, 'inode')}, ${count(backlog.inodesWorthIt)} worth a run (${plural(backlog.chunksWorthIt, 'chunk')})`,
    ),
    ...backlogText(backlog),
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

export function worstText(worst: readonly WorstInode[], { style }: CliContext): string {
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
