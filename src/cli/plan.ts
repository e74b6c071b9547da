/**
 * `s3compact plan FS INODE`: what the next run over an inode would do, drawn, with its cost and its gain. It chooses
 * and plans exactly as the run does (same functions, same budget) and reads metadata only: nothing is ever changed.
 */
import type { Command } from 'commander';
import { budgetLeft, planAsItIs, planPolicy, worthwhileChunks } from '../compact/choose-chunks.ts';
import type { PlannedChunk } from '../compact/types.ts';
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import { requireFilesystem, requireInode } from '../metadata/lookup.ts';
import type { MetadataStore } from '../metadata/port.ts';
import {
  type ChunkDecision,
  type ChunkPlan,
  type Filesystem,
  type InodeKey,
  MERGED_VERSION_BITS,
  type PlanCost,
  type PlanGain,
} from '../model.ts';
import { addCost, addGain, NO_COST, NO_GAIN, replacementList } from '../plan/index.ts';
import { parseLimit, withInodeArguments } from './arguments.ts';
import type { CliContext } from './context.ts';
import { bytes, count, EXIT, type ExitCode, plural } from './output.ts';
import { drawBeforeAfter } from './picture.ts';
import { quarantineLines, quarantineOf } from './quarantine-note.ts';
import { table } from './table.ts';

/** Pictures shown unless `--limit` says otherwise: more than these scroll away. */
const PICTURES_SHOWN = 5;
/** Stands for the attempt that does not exist yet: no attempt of our clock's lifetime has this number. */
const PICTURE_ATTEMPT = 2n ** 64n - 2n ** BigInt(MERGED_VERSION_BITS);

export interface PlanOptions {
  /** Chunks to draw; `Infinity` draws all. */
  readonly limit: number;
}

/** What `plan --json` prints. */
export interface PlanReport {
  readonly fsId: number;
  /** Decimal text. */
  readonly inodeId: string;
  /** Always: this command changes nothing. */
  readonly changed: false;
  readonly outcome: 'plan' | 'nothing' | 'over-budget';
  /** In the order of the run: best first. */
  readonly chunks: readonly ChunkReport[];
  /** Chunks worth compacting that a later run takes. */
  readonly chunksLeft: number;
  readonly cost: PlanCost;
  readonly gain: PlanGain;
}

export interface ChunkReport {
  readonly chunkIndex: number;
  readonly outcome: 'plan' | 'nothing' | 'over-budget';
  /** Versions in the list; a plan replaces the first 100,000 at most. */
  readonly versionsTotal: number;
  readonly score?: number;
  readonly cost?: PlanCost;
  readonly gain?: PlanGain;
  /** Extents to be written, in file offsets. */
  readonly merged?: readonly { readonly offset: number; readonly len: number; readonly blocks: number }[];
  readonly kept?: number;
  readonly blocksLeft?: number;
  /** The plan drops bytes beyond this length, so the file must still have it. */
  readonly requiredLength?: number;
  /** What the cheapest block would take, where nothing fits the budget. */
  readonly cheapest?: { readonly bytes: number; readonly requests: number };
}

const HELP = `
Reads metadata only and changes nothing. Chunks come best first, as a run takes them.

With --json: {fsId, inodeId, changed: false, quarantine: {code, reason, sinceMs} | null | 'unknown', outcome: plan|nothing|over-budget, chunksLeft, cost, gain,
  chunks: [{chunkIndex, outcome, versionsTotal, score, cost, gain, kept, merged: [{offset, len, blocks}],
            blocksLeft, requiredLength, cheapest: {bytes, requests}}]}
  cost: {readRequests, readBytes, writeRequests, writeBytes}
  gain: {gets, versions, objects, storedBytes, each with Before and After}; offsets and sizes in bytes.`;

export function registerPlan(program: Command, context: CliContext): void {
  withInodeArguments(program.command('plan').description('show what compacting an inode would do; change nothing'))
    .option('--limit <count>', 'pictures to draw; 0 means all', parseLimit, PICTURES_SHOWN)
    .addHelpText('after', HELP)
    .action(async (fsId: number, inodeId: bigint, options: PlanOptions) => {
      context.exitCode = await showPlan({ fsId, inodeId }, context, options);
    });
}

/** Shows the plan for an inode; also what `inode --dry-run` does. Throws CompactError, reported with the inode. */
export async function showPlan(key: InodeKey, context: CliContext, options: PlanOptions): Promise<ExitCode> {
  return context.withMetadata(async (metadata) => {
    try {
      const outcome = await planAndShow(key, metadata, { context, options });
      // As `inode` ends then: only other settings help.
      return outcome === 'over-budget' ? EXIT.usage : EXIT.done;
    } catch (error) {
      throw error instanceof CompactError ? error.withInode(key) : error;
    }
  });
}

async function planAndShow(
  key: InodeKey,
  metadata: MetadataStore,
  show: { readonly context: CliContext; readonly options: PlanOptions },
): Promise<PlanReport['outcome']> {
  const { context, options } = show;
  const filesystem = await requireFilesystem(metadata, key.fsId);
  await requireInode(metadata, key);
  const tally = new Tally(key);
  for await (const step of stepsOfRun(key, { metadata, filesystem, settings: context.settings, tally })) {
    tally.add(step);
    if (context.json) continue;
    if (tally.chunks.length <= options.limit) context.data(`${stepText(step, context)}\n`);
  }
  const quarantine = await quarantineOf(key, metadata.storeId, context.settings);
  if (context.json) context.dataJson({ ...tally.report(), quarantine });
  else context.data([totalText(tally, context, options.limit), ...quarantineLines(quarantine)].join('\n'));
  return tally.outcome;
}

interface StepsInput {
  readonly metadata: MetadataStore;
  readonly filesystem: Filesystem;
  readonly settings: Settings;
  readonly tally: Tally;
}

/** The chunks that a run would take, best first, each planned within what the ones before leave of the budget. */
async function* stepsOfRun(key: InodeKey, input: StepsInput): AsyncGenerator<PlannedChunk> {
  const { metadata, filesystem, settings, tally } = input;
  const policy = planPolicy(settings);
  const selection = await worthwhileChunks(key, filesystem, { metadata, policy, chunksMax: settings.maxChunks });
  tally.left += selection.more;
  for (const { chunkIndex } of selection.chunks) {
    const budget = budgetLeft({ bytesMax: settings.maxBytes, requestsMax: settings.maxRequests }, tally);
    const planned = await planAsItIs(key, chunkIndex, { metadata, filesystem, policy, budget });
    if (planned !== null) yield planned;
  }
}

/** What the steps come to; holds no list. */
class Tally {
  readonly key: InodeKey;
  readonly chunks: ChunkReport[] = [];
  cost = NO_COST;
  gain = NO_GAIN;
  mergedVersions = 0;
  left = 0;

  constructor(key: InodeKey) {
    this.key = key;
  }

  add(step: PlannedChunk): void {
    this.chunks.push(reportOf(step));
    const { decision } = step;
    // A first chunk that fits no budget is not left for later: later runs have the same budget.
    if (decision.kind === 'overBudget' && this.cost.writeRequests > 0) this.left++;
    if (decision.kind !== 'plan') return;
    this.cost = addCost(this.cost, decision.plan.cost);
    this.gain = addGain(this.gain, decision.plan.gain);
    this.mergedVersions += decision.plan.merged.length;
    if (decision.plan.blocksLeft > 0 || step.versionsTotal > step.before.versions.length) this.left++;
  }

  get outcome(): PlanReport['outcome'] {
    if (this.chunks.some((chunk) => chunk.outcome === 'plan')) return 'plan';
    return this.chunks.some((chunk) => chunk.outcome === 'over-budget') ? 'over-budget' : 'nothing';
  }

  report(): PlanReport {
    const { key, outcome, chunks, cost, gain } = this;
    const inodeId = key.inodeId.toString();
    return { fsId: key.fsId, inodeId, changed: false, outcome, chunksLeft: this.left, cost, gain, chunks };
  }
}

function reportOf({ before, versionsTotal, decision }: PlannedChunk): ChunkReport {
  const base = { chunkIndex: before.chunkIndex, versionsTotal };
  if (decision.kind === 'nothing') return { ...base, outcome: 'nothing' };
  if (decision.kind === 'overBudget') {
    const cheapest = { bytes: decision.cheapestBytes, requests: decision.cheapestRequests };
    return { ...base, outcome: 'over-budget', cheapest };
  }
  const { score, cost, gain, merged, kept, blocksLeft, requiredLength } = decision.plan;
  return {
    ...base,
    outcome: 'plan',
    score,
    cost,
    gain,
    merged: merged.map(({ offset, len, blocks }) => ({ offset, len, blocks: blocks.length })),
    kept: kept.length,
    blocksLeft,
    ...(requiredLength === undefined ? {} : { requiredLength }),
  };
}

function stepText({ before, decision, versionsTotal }: PlannedChunk, context: CliContext): string {
  if (decision.kind === 'nothing') return `chunk ${before.chunkIndex}: nothing to do any more`;
  if (decision.kind === 'overBudget') return overBudgetText(before.chunkIndex, decision, context.settings);
  const { plan } = decision;
  const after = { ...before, versions: replacementList(plan, PICTURE_ATTEMPT) };
  const notes: string[] = [];
  if (plan.blocksLeft > 0) notes.push(`${plural(plan.blocksLeft, 'block')} more would pay but did not fit the budget`);
  if (plan.requiredLength !== undefined)
    notes.push(`bytes beyond the length ${count(plan.requiredLength)} are dropped`);
  if (versionsTotal > before.versions.length)
    notes.push(
      `the first ${count(before.versions.length)} of ${count(versionsTotal)} versions, and what the others leave visible of them; the rest comes later`,
    );
  return [
    drawBeforeAfter(before, after, context.picture),
    '',
    gainText(plan.gain, context),
    '',
    ` ${costText(plan)}`,
    ...notes.map((note) => ` ${note}`),
  ].join('\n');
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

function movedText(cost: PlanCost): string {
  if (cost.writeRequests === 0) return 'no byte is moved';
  const reads = `read ${bytes(cost.readBytes)} in ${plural(cost.readRequests, 'GET')}`;
  return `${reads}, write ${bytes(cost.writeBytes)} in ${plural(cost.writeRequests, 'PUT')}`;
}

export function gainText(gain: PlanGain, context: CliContext): string {
  const rows = [
    ['GETs of a full read', gain.getsBefore, gain.getsAfter, count],
    ['versions', gain.versionsBefore, gain.versionsAfter, count],
    ['objects', gain.objectsBefore, gain.objectsAfter, count],
    ['bytes stored', gain.storedBytesBefore, gain.storedBytesAfter, bytes],
  ] as const;
  return table(
    [{ head: '', align: 'left' }, { head: 'before' }, { head: 'after' }, { head: 'saved' }],
    rows.map(([name, before, after, human]) => [name, human(before), human(after), human(before - after)]),
    context.style,
  );
}

function totalText(tally: Tally, context: CliContext, limit: number): string {
  const { bold, dim } = context.colors;
  const { key, cost, outcome } = tally;
  const unchanged = dim('Nothing was changed: this is only a plan.');
  if (outcome === 'nothing') {
    return `inode ${printInodeKey(key)}: nothing to do, no chunk is worth compacting\n${unchanged}`;
  }
  const planned = tally.chunks.filter((chunk) => chunk.outcome === 'plan').length;
  const moved = movedText(cost);
  const hidden = tally.chunks.length - limit;
  return [
    ...(hidden > 0 ? [`(${plural(hidden, 'more chunk')} of this plan not drawn; --limit 0 draws all)\n`] : []),
    bold(`inode ${printInodeKey(key)}: one run compacts ${plural(planned, 'chunk')}`),
    ...(planned > 0 ? ['', gainText(tally.gain, context), '', ` ${moved}`] : []),
    ...(tally.left > 0 ? [` ${plural(tally.left, 'chunk')} left for later runs`] : []),
    '',
    `${unchanged}${planned > 0 ? dim(` "s3compact inode ${key.fsId} ${key.inodeId}" carries it out.`) : ''}`,
  ].join('\n');
}
