/**
 * `s3compact plan FS INODE` for a file in the slice layout: what compacting each chunk would save and move, and what clients
 * would do of themselves. It reads metadata only.
 */
import { restingOf } from '../../compact/compact-slices.ts';
import type { Resting } from '../../model.ts';
import { gainRows, movedText } from '../../view/gain.ts';
import { fileAt, inspectList } from '../../view/slices/inspect.ts';
import {
  chunkText,
  clientText,
  inAll,
  ONLY_A_PLAN,
  type PlannedFile,
  type PlannedList,
  planList,
} from '../../view/slices/plan.ts';
import { count, nothingText, plural, restingText } from '../../view/words.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../output.ts';
import { gainTable } from '../table.ts';

export function planOfSlices(
  fsId: number,
  inode: bigint | string,
  { context, limit }: { readonly context: CliContext; readonly limit: number },
): Promise<ExitCode> {
  return context.withVolume(fsId, async (volume, setting) => {
    const { settings } = context;
    const file = await fileAt(volume, inode);
    const { inodeId } = file;
    const plans: PlannedList[] = [];
    let later = 0;
    for (const chunkIndex of await volume.chunkIndexes(file)) {
      const list = await inspectList(volume, file, { chunkIndex, setting });
      if (list.fault !== undefined) throw list.fault;
      const plan = planList(list, { setting, settings, file });
      if (plan !== null) plans.push(plan);
      // Whatever its age is: a file that nobody has written since long ago is at rest.
      else if (planList(list, { setting, settings, file: { ...file, mtimeMs: 0 } }) !== null) later++;
    }
    const resting = later === 0 ? undefined : restingOf(later, file, Date.now());
    const planned = inAll(plans);
    const { cost, gain } = planned;
    const outcome = planned.chunks.length === 0 ? 'nothing' : 'plan';
    const chunks = planned.chunks.map((plan) => ({
      ...plan,
      merged: plan.merged.map(({ begin, end, pieces }) => ({ begin, end, pieces: pieces.length })),
      kept: plan.kept.length,
    }));
    const json = { fsId, inodeId, changed: false, outcome, cost, gain, chunks, resting };
    context.answer(json, () => planText(planned, { inodeId, limit, resting }, context));
    return EXIT.done;
  });
}

/** The number of the file at a path, or with this number. */
export function inodeAt(fsId: number, inode: bigint | string, context: CliContext): Promise<bigint> {
  return context.withVolume(fsId, async (volume) => (await fileAt(volume, inode)).inodeId);
}

function planText(
  { chunks, cost, gain }: PlannedFile,
  of: { readonly inodeId: bigint; readonly limit: number; readonly resting: Resting | undefined },
  context: CliContext,
): string {
  const { bold, dim } = context.colors;
  const { inodeId, limit, resting } = of;
  const unchanged = dim(ONLY_A_PLAN);
  const left = resting === undefined ? [] : [` ${restingText(resting)}`];
  if (chunks.length === 0) {
    return [`inode ${inodeId}: ${nothingText(resting)}`, ...left, unchanged].join('\n');
  }
  const shown = chunks.slice(0, limit).map((plan) => shownChunk(plan, context));
  const hidden = chunks.length - shown.length;
  return [
    ...shown.flatMap((text) => [text, '']),
    ...(hidden > 0 ? [`(${plural(hidden, 'more chunk')} of this plan not shown; --limit 0 shows all)`, ''] : []),
    bold(`inode ${inodeId}: ${plural(chunks.length, 'chunk')} worth compacting`),
    '',
    gainTable(gainRows(gain), context.style),
    '',
    ` ${movedText(cost)}`,
    ...left,
    '',
    unchanged,
  ].join('\n');
}

function shownChunk(plan: PlannedList, context: CliContext): string {
  const runs = plan.merged.map(
    ({ begin, end, pieces }) => `   ${count(begin)} to ${count(end)}: ${plural(pieces.length, 'piece')}`,
  );
  return [
    context.colors.bold(`chunk ${plan.chunkIndex}: ${chunkText(plan)}`),
    ...runs,
    gainTable(gainRows(plan.gain), context.style),
    ` ${movedText(plan.cost)}`,
    ` ${clientText(plan)}`,
  ].join('\n');
}
