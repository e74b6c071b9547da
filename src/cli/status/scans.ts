/**
 * What the last scan of each file system found: how much there is to do. The headings are short, so that a row fits 80
 * columns.
 */

import { bytes, count, duration } from '../../view/words.ts';
import { table } from '../table.ts';
import { moreText, type Section } from './section.ts';

const HEADS = ['fs', 'scanned', 'inodes', 'worth it', 'chunks', 'GETs', 'reclaim', 'move', 'unread'];

export const scansText: Section = ({ scans, nowMs }, style) => {
  if (scans.length === 0) return ' no scan has ended yet: "s3compact scan FS" shows what there is to do';
  const rows = scans
    .slice(0, style.rowsMax)
    .map(({ fsId, endedMs, backlog }) => [
      `${fsId}`,
      `${duration(nowMs - endedMs)} ago`,
      ...[backlog.inodes, backlog.inodesWorthIt, backlog.chunksWorthIt, backlog.getsSaved].map(count),
      bytes(backlog.bytesReclaimed),
      bytes(backlog.bytesToMove),
      backlog.unreadable === 0 ? '0' : style.yellow(count(backlog.unreadable)),
    ]);
  return (
    table(
      HEADS.map((head) => ({ head })),
      rows,
      style,
    ) +
    moreText(scans.length, style) +
    '\n as the scan found it: what runs have done since then is not taken off'
  );
};
