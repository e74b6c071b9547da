/**
 * compactInode: plan → merge → commit for one inode in one budget. The order of steps is what keeps
 * every byte readable and every object accounted for, whatever dies: fence, reap record, PUTs, commit, stamp.
 * It sees ports only. Expected endings are values; failures are CompactError. It never deletes anything.
 */

import { CompactError, isMissingObject, moreSevere } from '../errors.ts';
import { requireFilesystem, requireInode } from '../metadata/lookup.ts';
import type { ChunkDecision, ChunkPlan, Filesystem, Inode, InodeKey } from '../model.ts';
import { addCost, addGain, blockCost, movedBytes, NO_COST, NO_GAIN, withFencingId } from '../plan/index.ts';
import { elapsed, later, type MonotonicMs } from '../time.ts';
import { Attempt } from './attempt.ts';
import { budgetLeft, type Candidate, planAsItIs, worthwhileChunks } from './choose-chunks.ts';
import { type ChunkDeps, type ChunkEnding, compactChunk, describeEnding, describeOverBudget } from './compact-chunk.ts';
import { endAttempt } from './end-attempt.ts';
import { protocolOf } from './protocol.ts';
import type { QuietRule } from './quiet-period.ts';
import { withRest } from './rest.ts';
import type { CompactDeps, CompactOptions, CompactOutcome, CompactResult, PlannedChunk } from './types.ts';

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
  readonly #startedAtMs: MonotonicMs;
  /** `null` where commits compare, so that nothing has to be kept out by time. */
  readonly #quiet: QuietRule | null;
  #cost = NO_COST;
  #gain = NO_GAIN;
  #mergedVersions = 0;
  readonly #mergedIds = new Set<bigint>();
  #compacted = 0;
  #left = 0;
  #blocksDone = 0;
  #chunksTotal = 0;
  #blocksTotal = 0;
  readonly #warnings: string[] = [];
  /** The first ending or failure that was not a commit. */
  #setback: { readonly outcome: CompactOutcome; readonly reason: string } | undefined;
  #failure: CompactError | undefined;
  #damage: CompactError | undefined;

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
    this.#startedAtMs = context.deps.clock.monotonicMs();
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
    this.#left = selection.more;
    if (selection.more > 0) observer?.spent('chunks');
    // A run with an empty plan writes nothing: no fence, no record.
    if (selection.chunks.length === 0) return this.#result('nothing');
    await this.#deps.requireOwner?.(this.#filesystem);
    this.#chunksTotal = selection.chunks.length;
    this.#blocksTotal = selection.chunks.reduce((sum, chunk) => sum + chunk.blocks, 0);
    await this.#quiet?.rested(this.#inode);
    const attempt = await this.#begin();
    if (attempt === null) return this.#result('stale');
    try {
      await this.#chunks(selection.chunks, attempt);
    } finally {
      await this.#end(attempt);
    }
    if (this.#compacted === 0 && this.#failure !== undefined) throw this.#failure;
    const outcome = this.#compacted > 0 ? 'compacted' : (this.#setback?.outcome ?? 'nothing');
    return this.#result(outcome, attempt.id);
  }

  async #begin(): Promise<Attempt | null> {
    const { leaseMs } = this.#options.limits;
    const startedAtMs = this.#deps.clock.monotonicMs();
    const nowMs = await this.#deps.ledger.nowMs();
    const id = this.#deps.attemptIds.next(nowMs);
    const incarnation = await this.#deps.metadata.incarnation(this.#key);
    const begun = await this.#deps.metadata.begin(this.#key, id);
    if (begun !== 'begun') {
      const reason =
        begun === 'taken' ? 'another attempt has drawn the same number' : `the inode is ${begun} since it was read`;
      this.#setback = { outcome: 'stale', reason };
      return null;
    }
    const dueMs = later(nowMs, leaseMs);
    return new Attempt({ id, key: this.#key, clock: this.#deps.clock, startedAtMs, leaseMs, dueMs, incarnation });
  }

  /** The chunks one after the other, best first; a lost race or a missing object costs one chunk. */
  async #chunks(chunks: readonly Candidate[], attempt: Attempt): Promise<void> {
    for (const [n, { chunkIndex }] of chunks.entries()) {
      // The first chunk is always tried: a run that only plans would never get anywhere.
      if (n > 0 && this.#elapsedMs() > this.#options.limits.durationMaxMs) {
        this.#left += chunks.length - n;
        this.#options.observer?.spent('seconds');
        return;
      }
      const goOn = await this.#chunk(chunkIndex, attempt);
      if (!goOn) {
        this.#left += chunks.length - n - 1;
        return;
      }
    }
  }

  async #chunk(chunkIndex: number, attempt: Attempt): Promise<boolean> {
    try {
      // The list as it is now, and planned within what is left of the budget.
      const plan = () => this.#plan(chunkIndex);
      const planned = this.#quiet === null ? await plan() : await this.#quiet.settled(chunkIndex, plan);
      if (planned === null || planned.decision.kind === 'nothing') return true;
      const { decision, before, versionsTotal } = planned;
      if (decision.kind === 'overBudget') {
        this.#overBudget(chunkIndex, decision);
        return true;
      }
      const chosen = this.#named(decision.plan);
      const ending = await compactChunk(chosen, attempt, this.#chunkDeps());
      this.#account(chunkIndex, { ending, plan: decision.plan, more: versionsTotal > before.versions.length });
      return !ending.fenceCleared && ending.kind !== 'stale';
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      this.#left++;
      this.#failure ??= error;
      this.#options.observer?.failed(error, chunkIndex);
      this.#damage = moreSevere(this.#damage, error)?.withInode(this.#key);
      this.#warnings.push(`chunk ${chunkIndex}: ${error.message}`);
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
      budget: budgetLeft(limits, { cost: this.#cost, mergedVersions: this.#mergedVersions }),
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

  #overBudget(chunkIndex: number, decision: Extract<ChunkDecision, { kind: 'overBudget' }>): void {
    this.#options.observer?.spent('blocks');
    if (this.#compacted > 0) {
      this.#left++;
      return;
    }
    const reason = describeOverBudget(decision, chunkIndex, this.#options.limits);
    this.#setback ??= { outcome: 'over-budget', reason };
  }

  #account(chunkIndex: number, done: { ending: ChunkEnding; plan: ChunkPlan; more: boolean }): void {
    const { ending, plan } = done;
    this.#options.observer?.chunk(plan, ending);
    if (ending.kind === 'committed') {
      this.#compacted++;
      this.#gain = addGain(this.#gain, plan.gain);
      if (plan.blocksLeft > 0 || done.more) this.#left++;
      if (ending.warning !== undefined) this.#warnings.push(ending.warning);
      return;
    }
    this.#left++;
    // What is unknown may yet happen: it is reported before what has not.
    if (this.#setback === undefined || ending.kind === 'unknown') {
      this.#setback = { outcome: ending.kind, reason: describeEnding(ending, chunkIndex) };
    }
  }

  #chunkDeps(): ChunkDeps {
    const { limits, signal, onProgress, observer } = this.#options;
    const quiet = this.#quiet;
    return {
      ...this.#deps,
      ...limits,
      observer,
      ...(quiet === null ? {} : { beforeCommit: () => quiet.again(this.#key) }),
      filesystem: this.#filesystem,
      objects: this.#deps.objects.forFilesystem(this.#filesystem),
      signal,
      onBlock: ({ block }) => {
        this.#blocksDone++;
        // Charged when it is done: what a missing object prevents must not use up the budget of other chunks.
        this.#cost = addCost(this.#cost, blockCost(block));
        onProgress?.({
          chunksDone: this.#compacted,
          chunksTotal: this.#chunksTotal,
          blocksDone: this.#blocksDone,
          blocksTotal: Math.max(this.#blocksTotal, this.#blocksDone),
          bytesMoved: movedBytes(this.#cost),
        });
      },
    };
  }

  async #end(attempt: Attempt): Promise<void> {
    const { signal, observer } = this.#options;
    observer?.phase('end');
    const warning = await endAttempt(attempt, { ...this.#deps, signal });
    if (warning !== undefined) this.#warnings.push(warning);
  }

  #elapsedMs(): number {
    return elapsed(this.#startedAtMs, this.#deps.clock.monotonicMs());
  }

  #result(outcome: CompactOutcome, attempt?: bigint): CompactResult {
    return {
      outcome,
      key: this.#key,
      ...(attempt === undefined ? {} : { attempt }),
      ...(this.#setback === undefined ? {} : { reason: this.#setback.reason }),
      chunksCompacted: this.#compacted,
      chunksLeft: this.#left,
      cost: this.#cost,
      gain: this.#gain,
      durationMs: this.#elapsedMs(),
      warnings: this.#warnings,
      ...(this.#damage === undefined ? {} : { damage: this.#damage }),
    };
  }
}
