/**
 * Holds, and what they keep from being deleted. They are asked in the buckets; where that cannot be had, the reason takes
 * their place, and the rest of the page is as good as ever.
 */
import { CompactError } from '../errors.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import type { HoldsListed } from './status-report.ts';

/** Holds that are listed. */
const HOLDS_LISTED_MAX = 100;
export const NO_HOLDS: HoldsListed = { total: 0, objects: 0, bytes: 0, holds: [] };

export async function askHolds(clients: WorkClients, fsId: number | undefined): Promise<HoldsListed> {
  const { standingHolds } = await import('../wiring/standing-holds.ts');
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
    return { ...NO_HOLDS, unknown: error.message };
  }
}
