/**
 * What `s3compact status` shows, as a function of what was asked: the same report gives the same text. It stands apart
 * so that golden files can say what an operator sees. It only words the report, what needs a person first; it asks nothing.
 */
import { printInodeKey } from '../format.ts';
import type { ListedRecord } from '../queue/status-lists.ts';
import { jobStateText, reasonText, whyOverdue } from '../view/job-text.ts';
import type { ServerHealth, StatusReport } from '../view/status-report.ts';
import { bytes, count, duration, plural } from '../view/words.ts';
import { left, paragraph, type TextStyle, table, wrapped } from './table.ts';

interface StatusStyle extends TextStyle {
  /** Rows of each list; the rest is counted. */
  readonly rowsMax: number;
}

/** Empty text: there is nothing to show. */
type Section = (report: StatusReport, style: StatusStyle) => string;

/** The whole page. A new section goes here. */
export const statusText: Section = (report, style) =>
  [problems, health, queues, inFlight, failed, delayed, quarantine, reap, holds, scans]
    .map((section) => section(report, style))
    .filter((text) => text !== '')
    .join('\n\n');

/** Beside numbers that are of all, where one file system was asked for. */
function ofAll({ fsId }: StatusReport): string {
  return fsId === null ? '' : ' of all file systems';
}

/** A list under its headings, cut where it is long; `total`: how many there are, if not all are listed. */
function listed<One>(
  headings: Parameters<typeof table>[0],
  all: readonly One[],
  { row, style, total = all.length }: { row: (one: One) => string[]; style: StatusStyle; total?: number },
): string {
  const { rowsMax } = style;
  const more = total <= rowsMax ? '' : `\n and ${count(total - rowsMax)} more`;
  return table(headings, all.slice(0, rowsMax).map(row), style) + more;
}

/** Red where a person must act, yellow where it may pass by itself. */
const problems: Section = (report, style) =>
  report.problems
    .map(({ need, what, advice }) => {
      const mark = need === 'act' ? style.red(' ACT   ') : style.yellow(' wait  ');
      return paragraph(mark, `${style.bold(what)}; ${advice}`, style.width);
    })
    .join('\n');

const health: Section = ({ health: { servers } }, style) => {
  const rows = servers.map((server) => {
    const state = stateOf(server);
    const ago = server.failedAgoMs === undefined ? '' : `${duration(server.failedAgoMs)} ago: `;
    const error = server.error === undefined ? '' : `${ago}${server.error}`;
    return [server.name, server.state === 'failing' ? style.red(state) : state, error];
  });
  const none = servers.length > 2 ? '' : '\n no worker has reported a bucket within the last minute';
  return table([left('server'), left('state'), wrapped('last error')], rows, style) + none;
};

function stateOf({ state, failingForMs, workers }: ServerHealth): string {
  if (state !== 'failing') return state === 'ok' ? 'ok' : 'not asked';
  const some = workers === undefined ? '' : ` (${workers.failing} of ${workers.all})`;
  return `FAILING for ${duration(failingForMs ?? 0)}${some}`;
}

/** The queues, who works on them, and what was done in the last minute. */
const queues: Section = (report, style) => {
  const rows = report.queues.map((queue) => [
    queue.name,
    ...[queue.waiting, queue.active, queue.delayed].map(count),
    queue.failed === 0 ? '0' : style.red(count(queue.failed)),
    queue.waiting === 0 ? '-' : duration(queue.oldestWaitingMs),
    queue.paused ? style.yellow('paused') : '',
  ]);
  const counts = ['waiting', 'active', 'delayed', 'failed', 'oldest waiting'];
  const { workers, recent } = report;
  const connected = workers === null ? 'the server does not tell' : `${count(workers)} connected`;
  const speed = `${plural(recent.runs, 'run')}, ${bytes(recent.bytesMoved)} moved, ${plural(recent.getsSaved, 'GET')} saved${ofAll(report)}`;
  return [
    table([left(ofAll(report).trim() || 'queue'), ...counts, left('')], rows, style),
    '',
    paragraph(' workers     ', connected, style.width),
    paragraph(` ${`last ${duration(recent.windowMs)}`.padEnd(12)}`, speed, style.width),
  ].join('\n');
};

const inFlight: Section = (report, style) => {
  if (report.inFlight.length === 0) return ' nothing is being worked on';
  return listed(['in flight', left('asked by'), 'for', wrapped('progress')], report.inFlight, {
    row: (job) => [printInodeKey(job), job.origin, duration(job.ageMs), jobStateText(job)],
    style,
  });
};

/** Jobs that were given up. */
const failed: Section = ({ failed: { jobs, total }, nowMs }, style) => {
  if (total === 0) return '';
  const when = (endedMs?: number) => (endedMs === undefined ? '-' : `${duration(nowMs - endedMs)} ago`);
  return listed(['failed', 'when', 'tries', wrapped('reason')], jobs, {
    row: (job) => [printInodeKey(job), when(job.endedMs), `${job.tries}`, reasonText(job)],
    style,
    total,
  });
};

/** Jobs that wait for a time. */
const delayed: Section = ({ delayed: { jobs, total }, nowMs, paused }, style) => {
  if (total === 0) return '';
  const when = (nextMs = 0) => (nextMs <= nowMs ? 'now' : `in ${duration(nextMs - nowMs)}`);
  const isPaused = (fsId: number) => paused.filesystems.some((one) => one.fsId === fsId);
  return listed(['delayed', 'next try', 'tries', wrapped('reason')], jobs, {
    row: (job) => [
      printInodeKey(job),
      when(job.nextMs),
      `${job.tries}`,
      isPaused(job.fsId) ? 'its file system is paused' : reasonText(job),
    ],
    style,
    total,
  });
};

const quarantine: Section = ({ quarantined, quarantine: inodes, nowMs }, style) => {
  if (quarantined === 0) return ' quarantine  no inode';
  return listed(['quarantine', 'for', 'next look', wrapped('reason')], inodes, {
    row: (entry) => [
      printInodeKey(entry),
      duration(nowMs - entry.sinceMs),
      entry.lookAtMs === undefined ? '-' : `in ${duration(Math.max(0, entry.lookAtMs - nowMs))}`,
      `${entry.code}: ${entry.reason}`,
    ],
    style,
    total: quarantined,
  });
};

/** Reap records, and those that are late or in doubt. */
const reap: Section = (report, style) => {
  const { pending, due: dueNow, oldestDueMs, overdue, overdueRecords, recordsInDoubt } = report.reap;
  const due = dueNow === 0 ? 'none due' : `${count(dueNow)} due, the oldest for ${duration(oldestDueMs)}`;
  const late = overdue === 0 ? '' : `, ${style.red(`${count(overdue)} OVERDUE`)}`;
  const sum = paragraph(
    ' reap        ',
    `${plural(pending, 'record')}${ofAll(report)} pending, ${due}${late}`,
    style.width,
  );
  const rowOf = (record: ListedRecord, when: string, why: string) => [
    printInodeKey(record),
    count(record.chunkIndex),
    when,
    record.doubt ?? why,
  ];
  const rows = [
    ...overdueRecords.map((one) => rowOf(one, `${duration(report.nowMs - one.dueMs)} late`, whyOverdue(report))),
    ...recordsInDoubt.map((one) =>
      rowOf(one, `in ${duration(one.dueMs - report.nowMs)}`, `in doubt ${plural(one.doubts, 'time')} in a row`),
    ),
  ];
  if (rows.length === 0) return sum;
  const headings = ['reap record of', 'chunk', 'next look', wrapped('why it is not done')];
  return `${sum}\n\n${listed(headings, rows, { row: (row) => row, style })}`;
};

/** Holds, and what they keep from being deleted. */
const holds: Section = ({ holds: { total, objects, bytes: kept, holds: all, unknown }, nowMs }, style) => {
  if (unknown !== undefined) return ` holds       not known: ${unknown}`;
  if (total === 0) return '';
  const list = listed(['held file system', 'hold', 'for', 'ends in', wrapped('reason')], all, {
    row: ({ fsId, id, state, sinceMs, untilMs, reason = '' }) => [
      `${fsId}`,
      id,
      sinceMs === undefined ? '-' : duration(nowMs - sinceMs),
      untilMs === undefined ? '-' : duration(untilMs - nowMs),
      state === 'doubt' ? `in doubt; ${reason}` : reason,
    ],
    style,
    total,
  });
  return `${list}\n kept        ${plural(objects, 'object')}, ${bytes(kept)} at least, by ${plural(total, 'hold')}`;
};

/** The headings are short, so that a row fits 80 columns. */
const SCAN_HEADS = ['fs', 'scanned', 'inodes', 'worth it', 'chunks', 'GETs', 'reclaim', 'move', 'broken'];

/** What the last scan of each file system found. */
const scans: Section = ({ scans: all, nowMs }, style) => {
  if (all.length === 0) return ' no scan has ended yet: "s3compact scan FS" shows what there is to do';
  const list = listed(SCAN_HEADS, all, {
    row: ({ fsId, endedMs, backlog }) => [
      `${fsId}`,
      `${duration(nowMs - endedMs)} ago`,
      ...[backlog.inodes, backlog.inodesWorthIt, backlog.chunksWorthIt, backlog.getsSaved].map(count),
      ...[backlog.bytesReclaimed, backlog.bytesToMove].map(bytes),
      backlog.unreadable === 0 ? '0' : style.yellow(count(backlog.unreadable)),
    ],
    style,
  });
  return `${list}\n as the scan found it: what runs have done since then is not taken off`;
};
