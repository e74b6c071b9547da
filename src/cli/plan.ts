/**
 * `s3compact plan FS INODE`: what the next run over an inode would do, drawn, with its cost and its gain. It chooses
 * and plans exactly as the run does (same functions, same budget) and reads metadata only: nothing is ever changed.
 */
import type { Command } from 'commander';
import type { PlannedChunk } from '../compact/types.ts';
import type { Settings } from '../config/index.ts';
import { printInodeKey } from '../format.ts';
import { requireFilesystem, requireInode } from '../metadata/lookup.ts';
import type { ChunkDecision, ChunkPlan, InodeKey, PlanGain, PlanWaste } from '../model.ts';
import { gainRows, movedText } from '../view/gain.ts';
import { chunkAfter, stepsOfRun, Tally } from '../view/plan-steps.ts';
import { bytes, count, nothingText, plural, restingText, wasteText } from '../view/words.ts';
import { inodeNumber, parseLimit, withFileArguments } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode } from './output.ts';
import { drawBeforeAfter } from './picture.ts';
import { oldIdsOf, quarantineLines, quarantineOf } from './quarantine-note.ts';
import { gainTable } from './table.ts';

/** Pictures shown unless `--limit` says otherwise: more than these scroll away. */
const PICTURES_SHOWN = 5;

interface PlanOptions {
  /** Chunks to draw; `Infinity` draws all. */
  readonly limit: number;
}

const HELP = `
Reads metadata only and changes nothing. Chunks come best first, as a run takes them. What was written in the last 4 minutes is
merged only where that costs next to nothing: a later run does the rest.

With --json: {fsId, inodeId, changed: false, quarantine: {code, reason, sinceMs} | null | 'unknown', outcome: plan|nothing|over-budget, chunksLeft, cost, gain,
  resting: {chunks, afterMs, againMs} where chunks wait until nobody has written there for 4 minutes,
  chunks: [{chunkIndex, outcome, versionsTotal, score, cost, gain, kept, merged: [{offset, len, blocks}],
            blocksLeft, requiredLength, waste, cheapest: {bytes, requests}}]}
  cost: {readRequests, readBytes, writeRequests, writeBytes}
  gain: {gets, versions, objects, storedBytes, each with Before and After, visibleBytes}; waste: {why: price|budget|list, bytesToMove} where more
  than 1.10 times the visible bytes stay stored; offsets and sizes in bytes.
Of a JuiceFS volume: {fsId, inodeId, changed: false, outcome: plan|nothing, cost, gain: {…, records in place of versions}, resting,
  chunks: [{chunkIndex, score, cost, gain, kept, merged: [{begin, end, pieces}], clientBefore, clientAfter: {records, bytes} | null}]}`;

export function register(command: Command, context: CliContext): void {
  withFileArguments(command)
    .option('--limit <count>', 'pictures to draw; 0 means all', parseLimit, PICTURES_SHOWN)
    .addHelpText('after', HELP)
    .action(async (fsId: number, inode: bigint | string, options: PlanOptions) => {
      context.exitCode = await context.byLayout({
        blocks: () => showPlan({ fsId, inodeId: inodeNumber(inode) }, context, options),
        slices: async () => {
          const { planOfSlices } = await import('./slices/plan.ts');
          return planOfSlices(fsId, inode, { context, limit: options.limit });
        },
      });
    });
}

/** Shows the plan for an inode; also what `inode --dry-run` does. Throws CompactError, reported with the inode. */
export function showPlan(key: InodeKey, context: CliContext, { limit }: PlanOptions): Promise<ExitCode> {
  return context.withInode(key, async (metadata) => {
    const filesystem = await requireFilesystem(metadata, key.fsId);
    await requireInode(metadata, key);
    const { settings } = context;
    const [quarantine, oldIds] = await Promise.all([
      quarantineOf(key, metadata.storeId, settings),
      oldIdsOf(filesystem, settings),
    ]);
    const ledger = { oldIds: async () => (oldIds === 'unknown' ? null : oldIds) };
    const tally = new Tally(key);
    for await (const step of stepsOfRun(key, { metadata, filesystem, settings, tally, ledger })) {
      tally.add(step);
      if (!context.json && tally.chunks.length <= limit) context.data(`${stepText(step, context)}\n`);
    }
    const words = () => [totalText(tally, context, limit), ...quarantineLines(quarantine)].join('\n');
    context.answer({ ...tally.report(), quarantine }, words);
    // As `inode` ends then: only other settings help.
    return tally.outcome === 'over-budget' ? EXIT.usage : EXIT.done;
  });
}

function stepText({ before, decision, versionsTotal }: PlannedChunk, context: CliContext): string {
  if (decision.kind === 'nothing') return `chunk ${before.chunkIndex}: nothing to do any more`;
  if (decision.kind === 'overBudget') return overBudgetText(before.chunkIndex, decision, context.settings);
  const { plan } = decision;
  const notes: string[] = [];
  if (plan.blocksLeft > 0) notes.push(`${plural(plan.blocksLeft, 'block')} more would pay but did not fit the budget`);
  if (plan.waste !== undefined) notes.push(wasteNote(plan.waste, plan.gain));
  if (plan.requiredLength !== undefined)
    notes.push(`bytes beyond the length ${count(plan.requiredLength)} are dropped`);
  if (versionsTotal > before.versions.length)
    notes.push(
      `the first ${count(before.versions.length)} of ${count(versionsTotal)} versions, and what the others leave visible of them; the rest comes later`,
    );
  return [
    drawBeforeAfter(before, chunkAfter(before, plan), context.picture),
    '',
    gainText(plan.gain, context),
    '',
    ` ${costText(plan)}`,
    ...notes.map((note) => ` ${note}`),
  ].join('\n');
}

const WASTE_REASONS: Readonly<Record<PlanWaste['why'], string>> = {
  price: 'stored bytes cost nothing (--storage-price 0)',
  budget: 'the rest did not fit the budget',
  list: 'small holes would keep the list too long',
};

function wasteNote({ why, bytesToMove }: PlanWaste, gain: PlanGain): string {
  const left = wasteText(gain.storedBytesAfter, gain.visibleBytes);
  return `stored bytes stay at ${left} times the visible ones, since ${WASTE_REASONS[why]}; to free them would move ${bytes(bytesToMove)}`;
}

function overBudgetText(
  chunkIndex: number,
  decision: Extract<ChunkDecision, { kind: 'overBudget' }>,
  settings: Settings,
): string {
  const needs = `${bytes(decision.cheapestBytes)} and ${plural(decision.cheapestRequests, 'request')}`;
  const may = `${bytes(settings.maxBytes)} and ${plural(settings.maxRequests, 'request')}`;
  return `chunk ${chunkIndex}: over budget: one block takes at least ${needs}, the run may spend ${may} in all (--max-bytes, --max-requests)`;
}

function costText({ cost, merged, kept, score }: Pick<ChunkPlan, 'cost' | 'merged' | 'kept' | 'score'>): string {
  return `${movedText(cost)}; ${merged.length} new and ${kept.length} kept in the list; score ${score.toFixed(2)}`;
}

export function gainText(gain: PlanGain, context: CliContext): string {
  const waste = [gain.storedBytesBefore, gain.storedBytesAfter].map((stored) => wasteText(stored, gain.visibleBytes));
  return gainTable([...gainRows(gain), ['stored / visible', ...waste, '']], context.style);
}

function totalText(tally: Tally, context: CliContext, limit: number): string {
  const { bold, dim } = context.colors;
  const { key, cost, outcome, resting } = tally;
  const later = resting === undefined ? [] : [` ${restingText(resting)}`];
  const unchanged = dim('Nothing was changed: this is only a plan.');
  if (outcome === 'nothing') {
    return [`inode ${printInodeKey(key)}: ${nothingText(resting)}`, ...later, unchanged].join('\n');
  }
  const planned = tally.chunks.filter((chunk) => chunk.outcome === 'plan').length;
  const hidden = tally.chunks.length - limit;
  return [
    ...(hidden > 0 ? [`(${plural(hidden, 'more chunk')} of this plan not drawn; --limit 0 draws all)\n`] : []),
    bold(`inode ${printInodeKey(key)}: one run compacts ${plural(planned, 'chunk')}`),
    ...(planned > 0 ? ['', gainText(tally.gain, context), '', ` ${movedText(cost)}`] : []),
    ...(tally.left > 0 ? [` ${plural(tally.left, 'chunk')} left for later runs`] : []),
    ...later,
    '',
    `${unchanged}${planned > 0 ? dim(` "s3compact inode ${key.fsId} ${key.inodeId}" carries it out.`) : ''}`,
  ].join('\n');
}
