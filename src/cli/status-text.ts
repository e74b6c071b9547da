/**
 * What `s3compact status` shows, as a function of what was asked: the same report gives the same text. It stands apart
 * so that golden files can say what an operator sees. It asks nothing.
 */
import type { CompactProgress } from '../compact/compact-inode.ts';
import type { Paused } from '../queue/pause.ts';
import type { LastScan } from '../queue/scan-book.ts';
import type { JobInFlight, QueueDepth, ReapBacklog, RecentRuns } from '../queue/status.ts';
import { bytes, type Column, count, plural, table } from './output.ts';

/** What was found at one moment; of one file system where that was asked for. */
export interface StatusReport {
  readonly nowMs: number;
  readonly queues: readonly QueueDepth[];
  /** `null`: the server does not tell. */
  readonly workers: number | null;
  readonly paused: Paused;
  readonly inFlight: readonly JobInFlight[];
  readonly recent: RecentRuns;
  readonly scans: readonly LastScan[];
  readonly reap: ReapBacklog;
  /** Inodes in quarantine. */
  readonly quarantined: number;
}

export interface StatusStyle {
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  /** Rows of each list; the rest is counted. */
  readonly rowsMax: number;
}

/** The whole page. */
export function statusText(report: StatusReport, style: StatusStyle): string {
  const parts = [
    queuesText(report, style),
    [pausedText(report), ...workText(report)].join('\n'),
    inFlightText(report, style),
    scansText(report, style),
    safetyText(report),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function queuesText({ queues }: StatusReport, { dim }: StatusStyle): string {
  const columns: Column[] = [
    { head: 'queue', align: 'left' },
    ...['waiting', 'active', 'delayed', 'failed', 'oldest waiting'].map((head) => ({ head })),
    { head: '', align: 'left' },
  ];
  const rows = queues.map((queue) => [
    queue.name,
    ...[queue.waiting, queue.active, queue.delayed, queue.failed].map(count),
    queue.waiting === 0 ? '-' : duration(queue.oldestWaitingMs),
    queue.paused ? 'paused' : '',
  ]);
  return table(columns, rows, dim);
}

function pausedText({ paused, nowMs }: StatusReport): string {
  const { compact, reap, filesystems } = paused;
  const parts: string[] = [];
  if (compact) parts.push(reap ? 'everything, deleting included' : 'everything but deleting');
  else if (reap) parts.push('deleting');
  for (const { fsId, sinceMs, by } of filesystems) {
    parts.push(`file system ${fsId} (${sinceMs === 0 ? 'since ever' : `for ${duration(nowMs - sinceMs)}`}, by ${by})`);
  }
  return ` paused      ${parts.length === 0 ? 'nothing' : parts.join(', ')}`;
}

function workText({ workers, recent }: StatusReport): string[] {
  const connected = workers === null ? 'the server does not tell' : `${count(workers)} connected`;
  const window = duration(recent.windowMs);
  const speed = `${plural(recent.runs, 'run')}, ${bytes(recent.bytesMoved)} moved, ${plural(recent.getsSaved, 'GET')} saved`;
  return [` workers     ${connected}`, ` last ${window.padEnd(6)} ${speed}`];
}

function inFlightText({ inFlight }: StatusReport, style: StatusStyle): string {
  if (inFlight.length === 0) return ' nothing is being worked on';
  const rows = inFlight
    .slice(0, style.rowsMax)
    .map((job) => [`${job.fsId}/${job.inodeId}`, job.origin, duration(job.ageMs), progressOf(job.progress)]);
  const columns = [
    { head: 'in flight' },
    { head: 'asked by', align: 'left' },
    { head: 'for' },
    { head: 'progress', align: 'left' },
  ] as const;
  return table(columns, rows, style.dim) + moreText(inFlight.length, style);
}

function progressOf(progress: unknown): string {
  const { kind, progress: at } = (progress ?? {}) as { readonly kind?: unknown; readonly progress?: CompactProgress };
  if (kind !== 'running' || at === undefined) return '-';
  const moved = bytes(at.bytesMoved);
  return `${at.chunksDone}/${at.chunksTotal} chunks, ${at.blocksDone}/${at.blocksTotal} blocks, ${moved} moved`;
}

function scansText({ scans, nowMs }: StatusReport, style: StatusStyle): string {
  if (scans.length === 0) return ' no scan has ended yet: "s3compact scan FS" tells what there is to do';
  const rows = scans
    .slice(0, style.rowsMax)
    .map(({ fsId, endedMs, backlog }) => [
      `${fsId}`,
      `${duration(nowMs - endedMs)} ago`,
      ...[backlog.inodes, backlog.inodesWorthIt, backlog.chunksWorthIt, backlog.getsSaved].map(count),
      bytes(backlog.bytesReclaimed),
      bytes(backlog.bytesToMove),
      count(backlog.unreadable),
    ]);
  const heads = ['worth a run', 'chunks', 'GETs to save', 'to reclaim', 'to move', 'unreadable'];
  const columns = ['file system', 'scanned', 'inodes', ...heads].map((head) => ({ head }));
  return table(columns, rows, style.dim) + moreText(scans.length, style);
}

function moreText(total: number, { rowsMax }: StatusStyle): string {
  return total <= rowsMax ? '' : `\n and ${count(total - rowsMax)} more`;
}

function safetyText({ reap, quarantined }: StatusReport): string {
  const due = reap.due === 0 ? 'none due' : `${count(reap.due)} due, the oldest for ${duration(reap.oldestDueMs)}`;
  const late = reap.overdue === 0 ? '' : `, ${count(reap.overdue)} OVERDUE`;
  const named = quarantined === 0 ? '' : ' ("s3compact quarantine list")';
  return ` reap        ${plural(reap.pending, 'record')} pending, ${due}${late}\n quarantine  ${plural(quarantined, 'inode')}${named}`;
}

/** `45s`, `12m 5s`, `3h 20m`, `5d 2h`: the two largest units. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const;
  const parts: string[] = [];
  let left = seconds;
  for (const [unit, size] of units) {
    const value = Math.floor(left / size);
    left -= value * size;
    if (value > 0 || (unit === 's' && parts.length === 0)) parts.push(`${value}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
