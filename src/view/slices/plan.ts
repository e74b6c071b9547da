/**
 * What compacting a file in the slice layout would save and move, chunk by chunk and in all, and what its clients would do of
 * themselves: as data, and the words for it that the terminal and the console share. It plans; nothing is carried out.
 */
import type { Settings } from '../../config/index.ts';
import {
  type ClientRewrite,
  planSlices,
  type SliceGain,
  type SlicePlan,
  type SlicePolicy,
} from '../../layout/slices/index.ts';
import type { SliceFile, SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import type { PlanCost } from '../../model.ts';
import { addCost, addCounts, NO_COST } from '../../plan/index.ts';
import { bytes, plural } from '../words.ts';

export const NOTHING_TO_DO = 'nothing to do, no chunk is worth compacting';
export const ONLY_A_PLAN = 'Nothing was changed: compaction of JuiceFS volumes is not there yet, this is only a plan.';

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
  ...{ getsBefore: 0, getsAfter: 0, recordsBefore: 0, recordsAfter: 0, objectsBefore: 0, objectsAfter: 0 },
  ...{ storedBytesBefore: 0, storedBytesAfter: 0 },
};

export async function planFile(
  volume: SliceVolume,
  file: SliceFile,
  { setting, settings }: { readonly setting: VolumeSetting; readonly settings: Settings },
): Promise<PlannedFile> {
  const { fragmentThreshold, aggressivenessBytes: bytesPerGet, storagePrice } = settings;
  const policy: SlicePolicy = { fragmentThreshold, bytesPerGet, storagePrice };
  const chunks: PlannedList[] = [];
  for (const chunkIndex of await volume.chunkIndexes(file)) {
    const records = await volume.list(file.inodeId, chunkIndex);
    const plan = planSlices(records, { geometry: setting, policy, referencesOf: await volume.references(records) });
    if (plan !== null) chunks.push({ chunkIndex, ...plan });
  }
  return {
    chunks: chunks.toSorted((a, b) => b.score - a.score || a.chunkIndex - b.chunkIndex),
    cost: chunks.reduce((sum, plan) => addCost(sum, plan.cost), NO_COST),
    gain: chunks.reduce((sum, plan) => addCounts(sum, plan.gain), NO_GAIN),
  };
}

export function chunkText({ chunkIndex, merged, kept }: PlannedList): string {
  return `chunk ${chunkIndex}: ${plural(merged.length, 'new slice')}, ${plural(kept.length, 'kept piece')}`;
}

export function clientText({ clientBefore, clientAfter }: PlannedList): string {
  return `a client that reads and writes would rewrite ${rewriteText(clientBefore)} now, ${rewriteText(clientAfter)} afterwards`;
}

function rewriteText(rewrite: ClientRewrite | null): string {
  return rewrite === null ? 'nothing' : `${bytes(rewrite.bytes)} (${plural(rewrite.records, 'record')})`;
}
