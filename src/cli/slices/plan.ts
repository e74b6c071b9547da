/**
 * `s3compact plan FS INODE` for a file in the slice layout: what compacting each chunk would save and move, and what clients
 * would do of themselves. It reads metadata only. Nothing carries such a plan out yet, and it says so.
 */
import {
  type ClientRewrite,
  planSlices,
  type SliceGain,
  type SlicePlan,
  type SlicePolicy,
} from '../../layout/slices/index.ts';
import type { PlanCost } from '../../model.ts';
import { addCost, addCounts, NO_COST } from '../../plan/index.ts';
import { bytes, count, plural } from '../../view/words.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../output.ts';
import { table } from '../table.ts';
import { fileAt } from './inspect.ts';

interface PlannedList extends SlicePlan {
  readonly chunkIndex: number;
}

export async function planOfSlices(
  fsId: number,
  inode: bigint | string,
  { context, limit }: { readonly context: CliContext; readonly limit: number },
): Promise<ExitCode> {
  return context.withVolume(fsId, async (volume, geometry) => {
    const file = await fileAt(volume, inode);
    const policy = policyOf(context);
    const planned: PlannedList[] = [];
    for (const chunkIndex of await volume.chunkIndexes(file)) {
      const records = await volume.list(file.inodeId, chunkIndex);
      const plan = planSlices(records, { geometry, policy, referencesOf: await volume.references(records) });
      if (plan !== null) planned.push({ chunkIndex, ...plan });
    }
    planned.sort((a, b) => b.score - a.score || a.chunkIndex - b.chunkIndex);
    const cost = planned.reduce((sum, plan) => addCost(sum, plan.cost), NO_COST);
    const gain = planned.reduce((sum, plan) => addCounts(sum, plan.gain), NO_GAIN);
    const outcome = planned.length === 0 ? 'nothing' : 'plan';
    if (context.json) {
      const chunks = planned.map((plan) => ({ ...plan, merged: plan.merged.map(runOf), kept: plan.kept.length }));
      context.dataJson({ fsId, inodeId: file.inodeId, changed: false, outcome, cost, gain, chunks });
    } else context.data(planText(planned, { inodeId: file.inodeId, cost, gain, limit }, context));
    return EXIT.done;
  });
}

function policyOf({ settings }: CliContext): SlicePolicy {
  const { fragmentThreshold, aggressivenessBytes: bytesPerGet, storagePrice } = settings;
  return { fragmentThreshold, bytesPerGet, storagePrice };
}

function runOf({ begin, end, pieces }: SlicePlan['merged'][number]) {
  return { begin, end, pieces: pieces.length };
}

const NO_GAIN: SliceGain = {
  ...{ getsBefore: 0, getsAfter: 0, recordsBefore: 0, recordsAfter: 0, objectsBefore: 0, objectsAfter: 0 },
  ...{ storedBytesBefore: 0, storedBytesAfter: 0 },
};

interface Whole {
  readonly inodeId: bigint;
  readonly cost: PlanCost;
  readonly gain: SliceGain;
  readonly limit: number;
}

function planText(planned: readonly PlannedList[], whole: Whole, context: CliContext): string {
  const { bold, dim } = context.colors;
  const { inodeId, cost, gain, limit } = whole;
  const unchanged = dim('Nothing was changed: compaction of JuiceFS volumes is not there yet, this is only a plan.');
  if (planned.length === 0) return `inode ${inodeId}: nothing to do, no chunk is worth compacting\n${unchanged}`;
  const shown = planned.slice(0, limit).map((plan) => chunkText(plan, context));
  const hidden = planned.length - shown.length;
  return [
    ...shown.flatMap((text) => [text, '']),
    ...(hidden > 0 ? [`(${plural(hidden, 'more chunk')} of this plan not shown; --limit 0 shows all)`, ''] : []),
    bold(`inode ${inodeId}: ${plural(planned.length, 'chunk')} worth compacting`),
    '',
    gainText(gain, context),
    '',
    ` ${movedText(cost)}`,
    '',
    unchanged,
  ].join('\n');
}

function chunkText(plan: PlannedList, context: CliContext): string {
  const { chunkIndex, merged, kept, cost, clientBefore, clientAfter } = plan;
  const runs = merged.map(
    ({ begin, end, pieces }) => `   ${count(begin)} to ${count(end)}: ${plural(pieces.length, 'piece')}`,
  );
  return [
    context.colors.bold(
      `chunk ${chunkIndex}: ${plural(merged.length, 'new slice')}, ${plural(kept.length, 'kept piece')}`,
    ),
    ...runs,
    gainText(plan.gain, context),
    ` ${movedText(cost)}`,
    ` a client that reads and writes would rewrite ${rewriteText(clientBefore)} now, ${rewriteText(clientAfter)} afterwards`,
  ].join('\n');
}

function rewriteText(rewrite: ClientRewrite | null): string {
  return rewrite === null ? 'nothing' : `${bytes(rewrite.bytes)} (${plural(rewrite.records, 'record')})`;
}

function movedText(cost: PlanCost): string {
  if (cost.writeRequests === 0) return 'no byte is moved';
  const reads = `read ${bytes(cost.readBytes)} in ${plural(cost.readRequests, 'GET')}`;
  return `${reads}, write ${bytes(cost.writeBytes)} in ${plural(cost.writeRequests, 'PUT')}`;
}

function gainText(gain: SliceGain, context: CliContext): string {
  const rows = [
    ['GETs of a full read', gain.getsBefore, gain.getsAfter, count],
    ['records', gain.recordsBefore, gain.recordsAfter, count],
    ['objects', gain.objectsBefore, gain.objectsAfter, count],
    ['bytes stored', gain.storedBytesBefore, gain.storedBytesAfter, bytes],
  ] as const;
  return table(
    [{ head: '', align: 'left' }, { head: 'before' }, { head: 'after' }, { head: 'saved' }],
    rows.map(([name, before, after, human]) => [name, human(before), human(after), human(before - after)]),
    context.style,
  );
}
