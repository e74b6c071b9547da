/**
 * compactInode: plan → merge → commit for one inode in one budget. The order of steps is what keeps
 * every byte readable and every object accounted for, whatever dies: fence, reap record, PUTs, commit, stamp.
 * It sees ports only. Expected endings are values; failures are CompactError. It never deletes anything.
 */

import { CompactError, isMissingObject } from '../errors.ts';
import { requireFilesystem, requireInode } from '../metadata/lookup.ts';
import type { ChunkPlan, Filesystem, Inode, InodeKey } from '../model.ts';
import { withFencingId } from '../plan/index.ts';
import { later } from '../time.ts';
import { Attempt } from './attempt.ts';
import { budgetLeft, planAsItIs, worthwhileChunks } from './choose-chunks.ts';
import { type ChunkDeps, compactChunk } from './compact-chunk.ts';
import { endAttempt } from './end-attempt.ts';
import { protocolOf } from './protocol.ts';
import type { QuietRule } from './quiet-period.ts';
import { withRest } from './rest.ts';
import { RunTally } from './run-tally.ts';
import type { CompactDeps, CompactOptions, CompactResult, PlannedChunk } from './types.ts';

export type {
  CompactDeps,
  CompactLimits,
  CompactOptions,
  CompactOutcome,
  CompactProgress,
  CompactResult,
  LookKeeper,
  PlannedChunk,
} from './types.ts';

/** Compacts the most worthwhile chunks of one inode within the limits. Throws CompactError, with the inode. */
export async function compactInode(key: InodeKey, deps: CompactDeps, options: CompactOptions): Promise<CompactResult> {
  try {
    const filesystem = await requireFilesystem(deps.metadata, key.fsId);
    const inode = await requireInode(deps.metadata, key);
    const quiet = protocolOf(deps.metadata).quiet(deps, options);
    await quiet?.check(inode);
    const policy = await withRest(options.limits.policy, filesystem, { ledger: deps.ledger });
    const aged = { ...options, limits: { ...options.limits, policy } };
    const run = new Run(inode, filesystem, { deps, options: aged, quiet });
    return await run.run();
  } catch (error) {
    throw error instanceof CompactError ? error.withInode(key) : error;
  }
}

/** The state of one call of compactInode. */
class Run {
  readonly #key: InodeKey;
  readonly #inode: Inode;
  readonly #filesystem: Filesystem;
  readonly #deps: CompactDeps;
  readonly #options: CompactOptions;
  readonly #tally: RunTally;
  /** `null` where commits compare, so that nothing has to be kept out by time. */
  readonly #quiet: QuietRule | null;
  #mergedVersions = 0;
  readonly #mergedIds = new Set<bigint>();

  constructor(
    inode: Inode,
    filesystem: Filesystem,
    context: { deps: CompactDeps; options: CompactOptions; quiet: QuietRule | null },
  ) {
    this.#key = inode.key;
    this.#inode = inode;
    this.#filesystem = filesystem;
    this.#deps = context.deps;
    this.#options = context.options;
    this.#quiet = context.quiet;
    this.#tally = new RunTally(inode.key, context.deps.clock, context.options);
  }

  async run(): Promise<CompactResult> {
    const { limits, observer } = this.#options;
    observer?.phase('plan');
    const selection = await worthwhileChunks(this.#key, this.#filesystem, {
      metadata: this.#deps.metadata,
      policy: limits.policy,
      chunksMax: limits.chunksMax,
      versionsMax: limits.versionsMax,
      ...(this.#quiet === null ? {} : { onPlanned: this.#quiet.seen }),
      signal: this.#options.signal,
    });
    this.#tally.selected(selection);
    // A run with an empty plan writes nothing: no fence, no record.
    if (selection.chunks.length === 0) return this.#tally.result();
    await this.#deps.requireOwner?.(this.#filesystem);
    await this.#quiet?.rested(this.#inode);
    const attempt = await this.#begin();
    if (typeof attempt === 'string') return this.#tally.stale(attempt);
    try {
      // A lost race or a missing object costs one chunk.
      await this.#tally.forEach(selection.chunks, (chunkIndex) => this.#chunk(chunkIndex, attempt));
    } finally {
      await this.#end(attempt);
    }
    return this.#tally.result(attempt.id);
  }

  /** The attempt, or why the inode is stale. */
  async #begin(): Promise<Attempt | string> {
    const { leaseMs } = this.#options.limits;
    const startedAtMs = this.#deps.clock.monotonicMs();
    const nowMs = await this.#deps.ledger.nowMs();
    const id = this.#deps.attemptIds.next(nowMs);
    const incarnation = await this.#deps.metadata.incarnation(this.#key);
    const begun = await this.#deps.metadata.begin(this.#key, id);
    if (begun !== 'begun') {
      return begun === 'taken'
        ? 'another attempt has drawn the same number'
        : `the inode is ${begun} since it was read`;
    }
    const dueMs = later(nowMs, leaseMs);
    return new Attempt({ id, key: this.#key, clock: this.#deps.clock, startedAtMs, leaseMs, dueMs, incarnation });
  }

  async #chunk(chunkIndex: number, attempt: Attempt): Promise<boolean> {
    try {
      // The list as it is now, and planned within what is left of the budget.
      const plan = () => this.#plan(chunkIndex);
      const planned = this.#quiet === null ? await plan() : await this.#quiet.settled(chunkIndex, plan);
      if (planned === null || planned.decision.kind === 'nothing') return true;
      const { decision, before, versionsTotal } = planned;
      if (decision.kind === 'overBudget') {
        this.#tally.overBudget(decision, chunkIndex);
        return true;
      }
      const chosen = this.#named(decision.plan);
      const ending = await compactChunk(chosen, attempt, this.#chunkDeps());
      this.#tally.ended(decision.plan, ending, versionsTotal > before.versions.length);
      return !ending.fenceCleared && ending.kind !== 'stale';
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      this.#tally.failed(error, chunkIndex);
      return isMissingObject(error) || error.code === 'inode-busy';
    }
  }

  #plan(chunkIndex: number): Promise<PlannedChunk | null> {
    const { limits, observer } = this.#options;
    observer?.phase('plan', chunkIndex);
    return planAsItIs(this.#key, chunkIndex, {
      metadata: this.#deps.metadata,
      filesystem: this.#filesystem,
      policy: limits.policy,
      versionsMax: limits.versionsMax,
      budget: budgetLeft(limits, { cost: this.#tally.cost, mergedVersions: this.#mergedVersions }),
    });
  }

  /** I3: the plan with ids and numbers that no other chunk of the attempt has. */
  #named(plan: ChunkPlan): ChunkPlan {
    const numbered = { ...plan, mergedBefore: this.#mergedVersions };
    const named = this.#quiet === null ? numbered : withFencingId(numbered, this.#mergedIds);
    this.#mergedVersions += plan.merged.length;
    if (plan.merged.length > 0) this.#mergedIds.add(named.mergedChunkId);
    return named;
  }

  #chunkDeps(): ChunkDeps {
    const { limits, signal, observer } = this.#options;
    const quiet = this.#quiet;
    return {
      ...this.#deps,
      ...limits,
      observer,
      ...(quiet === null ? {} : { beforeCommit: () => quiet.again(this.#key) }),
      filesystem: this.#filesystem,
      objects: this.#deps.objects.forFilesystem(this.#filesystem),
      signal,
      onBlock: ({ block }) => this.#tally.blockDone(block),
    };
  }

  async #end(attempt: Attempt): Promise<void> {
    const { signal, observer } = this.#options;
    observer?.phase('end');
    const warning = await endAttempt(attempt, { ...this.#deps, signal });
    if (warning !== undefined) this.#tally.warn(warning);
  }
}
