/**
 * What a plan, or a run, saves and moves, in rows and words: the same for both layouts of files, in the terminal and in the
 * console. Pure.
 */
import type { SliceGain } from '../layout/slices/index.ts';
import type { PlanCost, PlanGain } from '../model.ts';
import { bytes, count, plural } from './words.ts';

const ROWS = [
  ['GETs of a full read', 'gets', count],
  ['versions', 'versions', count],
  ['records', 'records', count],
  ['objects', 'objects', count],
  ['bytes stored', 'storedBytes', bytes],
] as const;

/** Name, before, after, saved: what of these the layout has. */
export function gainRows(gain: PlanGain | SliceGain): readonly (readonly string[])[] {
  const numbers: Readonly<Record<string, number | undefined>> = { ...gain };
  return ROWS.flatMap(([name, field, words]) => {
    const [before, after] = [numbers[`${field}Before`], numbers[`${field}After`]];
    if (before === undefined || after === undefined) return [];
    return [[name, words(before), words(after), words(before - after)]];
  });
}

export function movedText(cost: PlanCost): string {
  if (cost.writeRequests === 0) return 'no byte is moved';
  const reads = `read ${bytes(cost.readBytes)} in ${plural(cost.readRequests, 'GET')}`;
  return `${reads}, write ${bytes(cost.writeBytes)} in ${plural(cost.writeRequests, 'PUT')}`;
}
