/**
 * Holds, and what they keep from being deleted. They are asked in the buckets; where that cannot be had, the reason takes
 * their place, and the rest of the page is as good as ever.
 */
import { CompactError } from '../../errors.ts';
import type { Clients } from '../../wiring/clients.ts';
import { bytes, plural } from '../output.ts';
import { type Column, duration, table } from '../table.ts';
import type { HoldsListed } from './report.ts';
import { moreText, type Section } from './section.ts';

/** Holds that are listed. */
const HOLDS_LISTED_MAX = 100;

export async function askHolds(clients: Clients, fsId: number | undefined): Promise<HoldsListed> {
  const { standingHolds } = await import('../../wiring/standing-holds.ts');
  try {
    const held = (await standingHolds(clients)).filter((one) => fsId === undefined || one.fsId === fsId);
    const all = held.flatMap(({ fsId: of, holds }) =>
      holds.map(({ id, kind, hold }) => ({
        ...{ fsId: of, id, state: kind, reason: hold?.reason, by: hold?.by },
        ...{ sinceMs: hold?.sinceMs, untilMs: hold?.untilMs },
      })),
    );
    return {
      total: all.length,
      objects: held.reduce((sum, { objects }) => sum + objects, 0),
      bytes: held.reduce((sum, one) => sum + one.bytes, 0),
      holds: all.slice(0, HOLDS_LISTED_MAX),
    };
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    return { total: 0, objects: 0, bytes: 0, holds: [], unknown: error.message };
  }
}

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
