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
import { Attempt, endAttempt } from './attempt.ts';
import { budgetLeft, planAsItIs, withRest, worthwhileChunks } from './choose-chunks.ts';
import { type ChunkDeps, compactChunk } from './compact-chunk.ts';
import { protocolOf } from './protocol.ts';
import type { QuietRule } from './quiet-period.ts';
import { RunTally } from './run-tally.ts';
import type { CompactDeps, CompactOptions, CompactResult, PlannedChunk } from './types.ts';

export type * from './types.ts';

/** Compacts the most worthwhile chunks of one inode within the limits. Throws CompactError, with the inode. */
export async function compactInode(key: InodeKey, deps: CompactDeps, options: CompactOptions): Promise<CompactResult> {
  try {
    const filesystem = await requireFilesystem(deps.metadata, key.fsId);
    const inode = await requireInode(deps.metadata, key);
    const quiet = protocolOf(deps.metadata).quiet(deps, options);
    await quiet?.check(inode);
    const policy = await withRest(options.limits.policy, filesystem, { ledger: deps.ledger });
    const aged = { ...options, limits: { ...options.limits, policy } };
    return await new Run({ inode, filesystem, deps, options: aged, quiet }).run();
  } catch (error) {
    throw error instanceof CompactError ? error.withInode(key) : error;
  }
}

interface RunParts {
  readonly inode: Inode;
  readonly filesystem: Filesystem;
  readonly deps: CompactDeps;
  readonly options: CompactOptions;
  /** `null` where commits compare, so that nothing has to be kept out by time. */
  readonly quiet: QuietRule | null;
}

/** The state of one call of compactInode. */
class Run {
  readonly #parts: RunParts;
  readonly #tally: RunTally;
  #mergedVersions = 0;
  readonly #mergedIds = new Set<bigint>();

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#tally = new RunTally(parts.inode.key, parts.deps.clock, parts.options);
  }

  async run(): Promise<CompactResult> {
    const { inode, filesystem, deps, options, quiet } = this.#parts;
    const { policy, chunksMax, versionsMax } = options.limits;
    options.observer?.phase('plan');
    const selection = await worthwhileChunks(inode.key, {
      metadata: deps.metadata,
      filesystem,
      policy,
      chunksMax,
      versionsMax,
      signal: options.signal,
      ...(quiet === null ? {} : { onPlanned: quiet.seen }),
    });
    this.#tally.selected(selection);
    // A run with an empty plan writes nothing: no fence, no record.
    if (selection.chunks.length === 0) return this.#tally.result();
    await deps.requireOwner?.(filesystem);
    await quiet?.rested(inode);
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
    const { inode, deps, options } = this.#parts;
    const { clock, ledger, metadata } = deps;
    const { key } = inode;
    const { leaseMs } = options.limits;
    const startedAtMs = clock.monotonicMs();
    const nowMs = await ledger.nowMs();
    const id = deps.attemptIds.next(nowMs);
    const incarnation = await metadata.incarnation(key);
    const begun = await metadata.begin(key, id);
    if (begun !== 'begun') {
      return begun === 'taken'
        ? 'another attempt has drawn the same number'
        : `the inode is ${begun} since it was read`;
    }
    return new Attempt({ id, key, clock, startedAtMs, leaseMs, dueMs: later(nowMs, leaseMs), incarnation });
  }

  async #chunk(chunkIndex: number, attempt: Attempt): Promise<boolean> {
    try {
      // The list as it is now, and planned within what is left of the budget.
      const { quiet } = this.#parts;
      const plan = () => this.#plan(chunkIndex);
      const planned = quiet === null ? await plan() : await quiet.settled(chunkIndex, plan);
      if (planned === null || planned.decision.kind === 'nothing') return true;
      const { decision, before, versionsTotal } = planned;
      if (decision.kind === 'overBudget') {
        this.#tally.overBudget(decision, chunkIndex);
        return true;
      }
      const ending = await compactChunk(this.#named(decision.plan), attempt, this.#chunkDeps());
      this.#tally.ended(decision.plan, ending, versionsTotal > before.versions.length);
      return !ending.fenceCleared && ending.outcome !== 'stale';
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      this.#tally.failed(error, chunkIndex);
      return isMissingObject(error) || error.code === 'inode-busy';
    }
  }

  #plan(chunkIndex: number): Promise<PlannedChunk | null> {
    const { inode, filesystem, deps, options } = this.#parts;
    const { policy, versionsMax } = options.limits;
    options.observer?.phase('plan', chunkIndex);
    const budget = budgetLeft(options.limits, { cost: this.#tally.cost, mergedVersions: this.#mergedVersions });
    return planAsItIs(inode.key, chunkIndex, { metadata: deps.metadata, filesystem, policy, versionsMax, budget });
  }

  /** I3: the plan with ids and numbers that no other chunk of the attempt has. */
  #named(plan: ChunkPlan): ChunkPlan {
    const numbered = { ...plan, mergedBefore: this.#mergedVersions };
    const named = this.#parts.quiet === null ? numbered : withFencingId(numbered, this.#mergedIds);
    this.#mergedVersions += plan.merged.length;
    if (plan.merged.length > 0) this.#mergedIds.add(named.mergedChunkId);
    return named;
  }

  #chunkDeps(): ChunkDeps {
    const { inode, filesystem, deps, options, quiet } = this.#parts;
    const { limits, signal, observer } = options;
    return {
      ...deps,
      ...limits,
      filesystem,
      observer,
      signal,
      ...(quiet === null ? {} : { beforeCommit: () => quiet.again(inode.key) }),
      objects: deps.objects.forFilesystem(filesystem),
      onBlock: ({ block }) => this.#tally.blockDone(block),
    };
  }

  async #end(attempt: Attempt): Promise<void> {
    const { deps, options } = this.#parts;
    options.observer?.phase('end');
    const warning = await endAttempt(attempt, { ...deps, signal: options.signal });
    if (warning !== undefined) this.#tally.warn(warning);
  }
}
