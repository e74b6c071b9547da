/**
 * What compacting a file in the slice layout would save and move, chunk by chunk and in all, and what its clients would do of
 * themselves: as data, and the words for it that the terminal and the console share. It plans; nothing is carried out.
 */
import { planPolicy } from '../../compact/choose-chunks.ts';
import { slicePolicyOf } from '../../compact/compact-slices.ts';
import type { Settings } from '../../config/index.ts';
import { type ClientRewrite, planSlices, type SliceGain, type SlicePlan } from '../../layout/slices/index.ts';
import type { SliceFile, VolumeSetting } from '../../metadata/slice-volume.ts';
import type { PlanCost } from '../../model.ts';
import { addCost, addCounts, NO_COST } from '../../plan/index.ts';
import { bytes, plural } from '../words.ts';
import type { InspectedList } from './inspect.ts';

export const ONLY_A_PLAN = 'Nothing was changed; "s3compact inode" does it.';

export interface PlannedList extends SlicePlan {
  readonly chunkIndex: number;
}

export interface PlannedFile {
  /** What is worth it, the best first. */
  readonly chunks: readonly PlannedList[];
  readonly cost: PlanCost;
  readonly gain: SliceGain;
}

const NO_GAIN: SliceGain = {
  getsBefore: 0,
  getsAfter: 0,
  recordsBefore: 0,
  recordsAfter: 0,
  objectsBefore: 0,
  objectsAfter: 0,
  storedBytesBefore: 0,
  storedBytesAfter: 0,
};

/** What compacting the list would do; `null`: nothing is worth it. */
export function planList(
  { chunkIndex, records, referencesOf }: InspectedList,
  {
    setting,
    settings,
    file,
  }: { readonly setting: VolumeSetting; readonly settings: Settings; readonly file: SliceFile },
): PlannedList | null {
  // Whoever only looks may have no queue whose clock could be asked.
  const policy = slicePolicyOf(planPolicy(settings), Date.now() - file.mtimeMs);
  const plan = planSlices(records, { geometry: setting, policy, referencesOf });
  return plan === null ? null : { chunkIndex, ...plan };
}

export function inAll(plans: readonly PlannedList[]): PlannedFile {
  return {
    chunks: plans.toSorted((a, b) => b.score - a.score || a.chunkIndex - b.chunkIndex),
    cost: plans.reduce((sum, { cost }) => addCost(sum, cost), NO_COST),
    gain: plans.reduce((sum, { gain }) => addCounts(sum, gain), NO_GAIN),
  };
}

export function chunkText({ merged, kept }: PlannedList): string {
  return `${plural(merged.length, 'new slice')}, ${plural(kept.length, 'kept piece')}`;
}

export function clientText({ clientBefore, clientAfter }: PlannedList): string {
  return `a client that reads and writes would rewrite ${rewriteText(clientBefore)} now, ${rewriteText(clientAfter)} afterwards`;
}

function rewriteText(rewrite: ClientRewrite | null): string {
  return rewrite === null ? 'nothing' : `${bytes(rewrite.bytes)} (${plural(rewrite.records, 'record')})`;
}
