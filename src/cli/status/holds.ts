/**
 * Holds, and what they keep from being deleted, as lines. They are asked for in `src/view/holds.ts`.
 */

import { bytes, duration, plural } from '../../view/words.ts';
import { type Column, table } from '../table.ts';
import { moreText, type Section } from './section.ts';

export const holdsText: Section = ({ holds: { total, objects, bytes: kept, holds, unknown }, nowMs }, style) => {
  if (unknown !== undefined) return ` holds       not known: ${unknown}`;
  if (total === 0) return '';
  const rows = holds
    .slice(0, style.rowsMax)
    .map(({ fsId, id, state, sinceMs, untilMs, reason = '' }) => [
      `${fsId}`,
      id,
      sinceMs === undefined ? '-' : duration(nowMs - sinceMs),
      untilMs === undefined ? '-' : duration(untilMs - nowMs),
      state === 'doubt' ? `in doubt; ${reason}` : reason,
    ]);
  const columns: readonly Column[] = [
    ...[{ head: 'held file system' }, { head: 'hold' }, { head: 'for' }, { head: 'ends in' }],
    { head: 'reason', align: 'left', wrap: true },
  ];
  const sum = ` kept        ${plural(objects, 'object')}, ${bytes(kept)} at least, by ${plural(total, 'hold')}`;
  return `${table(columns, rows, style)}${moreText(total, style)}\n${sum}`;
};
