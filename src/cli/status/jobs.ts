/**
 * Jobs of the compact queue, one list each: what is being worked on, what was given up, what waits for a time; with the
 * reason and the next try. It words what the queue tells, and changes nothing.
 */
import { printInodeKey } from '../../format.ts';
import { jobStateText, reasonText } from '../../view/job-text.ts';
import { duration } from '../../view/words.ts';
import { type Column, table } from '../table.ts';
import { moreText, type Section } from './section.ts';

const IN_FLIGHT: readonly Column[] = [
  { head: 'in flight' },
  { head: 'asked by', align: 'left' },
  { head: 'for' },
  { head: 'progress', align: 'left', wrap: true },
];

export const inFlightText: Section = ({ inFlight }, style) => {
  if (inFlight.length === 0) return ' nothing is being worked on';
  const rows = inFlight
    .slice(0, style.rowsMax)
    .map((job) => [printInodeKey(job), job.origin, duration(job.ageMs), jobStateText(job)]);
  return table(IN_FLIGHT, rows, style) + moreText(inFlight.length, style);
};

export const failedText: Section = ({ failed, nowMs }, style) => {
  if (failed.total === 0) return '';
  const rows = failed.jobs
    .slice(0, style.rowsMax)
    .map((job) => [
      printInodeKey(job),
      job.endedMs === undefined ? '-' : `${duration(nowMs - job.endedMs)} ago`,
      `${job.tries}`,
      reasonText(job),
    ]);
  const columns: readonly Column[] = [
    { head: 'failed' },
    { head: 'when' },
    { head: 'tries' },
    { head: 'reason', align: 'left', wrap: true },
  ];
  return table(columns, rows, style) + moreText(failed.total, style);
};

export const delayedText: Section = ({ delayed, nowMs, paused }, style) => {
  if (delayed.total === 0) return '';
  const isPaused = (fsId: number) => paused.filesystems.some((one) => one.fsId === fsId);
  const rows = delayed.jobs
    .slice(0, style.rowsMax)
    .map((job) => [
      printInodeKey(job),
      job.nextMs === undefined || job.nextMs <= nowMs ? 'now' : `in ${duration(job.nextMs - nowMs)}`,
      `${job.tries}`,
      isPaused(job.fsId) ? 'its file system is paused' : reasonText(job),
    ]);
  const columns: readonly Column[] = [
    { head: 'delayed' },
    { head: 'next try' },
    { head: 'tries' },
    { head: 'reason', align: 'left', wrap: true },
  ];
  return table(columns, rows, style) + moreText(delayed.total, style);
};
