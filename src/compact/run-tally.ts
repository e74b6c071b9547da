/**
 * What one run over one file, of either layout, has come to: chunks, cost, gain, what stood in its way, and when its time is
 * over. It plans nothing and asks nobody.
 */
import type { Clock } from '../clock.ts';
import { type CompactError, moreSevere } from '../errors.ts';
import type { ChunkDecision, InodeKey, MergedBlock, PlanCost, Resting } from '../model.ts';
import { addCost, addCounts, blockCost, movedBytes, NO_COST, NO_GAIN } from '../plan/index.ts';
import { elapsed, type MonotonicMs } from '../time.ts';
import type { Candidate, Selection } from './choose-chunks.ts';
import type { ChunkEnding } from './compact-chunk.ts';
import type { ChunkDone, CompactOptions, CompactOutcome, CompactResult } from './types.ts';

/** The cheapest block does not fit what is left of the budget. */
type OverBudget = Pick<Extract<ChunkDecision, { kind: 'overBudget' }>, 'cheapestBytes' | 'cheapestRequests'>;

export class RunTally {
  readonly #key: InodeKey;
  readonly #clock: Clock;
  readonly #options: CompactOptions;
  readonly #startedAtMs: MonotonicMs;
  #cost = NO_COST;
  #gain = NO_GAIN;
  #compacted = 0;
  #left = 0;
  #resting: Resting | undefined;
  #blocksDone = 0;
  #chunksTotal = 0;
  #blocksTotal = 0;
  readonly #warnings: string[] = [];
  /** The first ending or failure that was not a commit. */
  #setback: { readonly outcome: CompactOutcome; readonly reason: string } | undefined;
  #failure: CompactError | undefined;
  #damage: CompactError | undefined;

  constructor(key: InodeKey, clock: Clock, options: CompactOptions) {
    this.#key = key;
    this.#clock = clock;
    this.#options = options;
    this.#startedAtMs = clock.monotonicMs();
  }

  /** Of the blocks that are done. */
  get cost(): PlanCost {
    return this.#cost;
  }

  selected({ chunks, more, resting }: Selection): void {
    this.#left = more;
    this.#resting = resting;
    this.#chunksTotal = chunks.length;
    this.#blocksTotal = chunks.reduce((sum, chunk) => sum + chunk.blocks, 0);
    if (more > 0) this.#options.observer?.spent('chunks');
  }

  /** The chunks one after the other, best first, while there is time and `work` says that the next one may be tried. */
  async forEach(chunks: readonly Candidate[], work: (chunkIndex: number) => Promise<boolean>): Promise<void> {
    for (const [n, { chunkIndex }] of chunks.entries()) {
      // The first chunk is always tried: a run that only plans would never get anywhere.
      if (n > 0 && this.#elapsedMs() > this.#options.limits.durationMaxMs) {
        this.#left += chunks.length - n;
        this.#options.observer?.spent('seconds');
        return;
      }
      if (await work(chunkIndex)) continue;
      this.#left += chunks.length - n - 1;
      return;
    }
  }

  /** `more`: the chunk is worth another run. */
  ended(done: ChunkDone, ending: ChunkEnding, more: boolean): void {
    this.#options.observer?.chunk(done, ending);
    if (ending.outcome === 'committed') {
      this.#compacted++;
      this.#gain = addCounts(this.#gain, done.gain);
      if (done.blocksLeft > 0 || more) this.#left++;
      if (ending.warning !== undefined) this.#warnings.push(ending.warning);
      return;
    }
    this.#left++;
    // What is unknown may yet happen: it is reported before what has not.
    if (this.#setback === undefined || ending.outcome === 'unknown') {
      this.#setback = { outcome: ending.outcome, reason: describeEnding(ending, done.chunkIndex) };
    }
  }

  failed(error: CompactError, chunkIndex: number): void {
    this.#left++;
    this.#failure ??= error;
    this.#options.observer?.failed(error, chunkIndex);
    this.#damage = moreSevere(this.#damage, error)?.withInode(this.#key);
    this.#warnings.push(`chunk ${chunkIndex}: ${error.message}`);
  }

  overBudget({ cheapestBytes, cheapestRequests }: OverBudget, chunkIndex: number): void {
    this.#options.observer?.spent('blocks');
    if (this.#compacted > 0) {
      this.#left++;
      return;
    }
    const { bytesMax, requestsMax } = this.#options.limits;
    this.#setback ??= {
      outcome: 'over-budget',
      reason: `chunk ${chunkIndex} needs at least ${cheapestBytes} bytes and ${cheapestRequests} requests for one block, the run may spend ${bytesMax} bytes and ${requestsMax} requests; raise S3COMPACT_MAX_BYTES or S3COMPACT_MAX_REQUESTS`,
    };
  }

  /** Before any chunk was tried. */
  stale(reason: string): CompactResult {
    this.#setback = { outcome: 'stale', reason };
    return this.#result('stale');
  }

  warn(warning: string): void {
    this.#warnings.push(warning);
  }

  blockDone(block: MergedBlock<unknown>): void {
    this.#blocksDone++;
    // Charged when it is done: what a missing object prevents must not use up the budget of other chunks.
    this.#cost = addCost(this.#cost, blockCost(block));
    this.#options.onProgress?.({
      chunksDone: this.#compacted,
      chunksTotal: this.#chunksTotal,
      blocksDone: this.#blocksDone,
      blocksTotal: Math.max(this.#blocksTotal, this.#blocksDone),
      bytesMoved: movedBytes(this.#cost),
    });
  }

  /** Throws the first failure where nothing was compacted. */
  result(attempt?: bigint): CompactResult {
    if (this.#compacted === 0 && this.#failure !== undefined) throw this.#failure;
    return this.#result(this.#compacted > 0 ? 'compacted' : (this.#setback?.outcome ?? 'nothing'), attempt);
  }

  #elapsedMs(): number {
    return elapsed(this.#startedAtMs, this.#clock.monotonicMs());
  }

  #result(outcome: CompactOutcome, attempt?: bigint): CompactResult {
    return {
      outcome,
      key: this.#key,
      attempt,
      ...(this.#setback === undefined ? {} : { reason: this.#setback.reason }),
      chunksCompacted: this.#compacted,
      chunksLeft: this.#left,
      cost: this.#cost,
      gain: this.#gain,
      durationMs: this.#elapsedMs(),
      warnings: this.#warnings,
      resting: this.#resting,
      damage: this.#damage,
    };
  }
}

/** Why a chunk was not committed, for people. */
function describeEnding(ending: Exclude<ChunkEnding, { outcome: 'committed' }>, chunkIndex: number): string {
  if (ending.outcome === 'conflict') return `the list of chunk ${chunkIndex} changed while it was merged`;
  if (ending.outcome === 'stale') return `the inode changed while chunk ${chunkIndex} was merged (${ending.reason})`;
  return `the answer to the commit of chunk ${chunkIndex} was lost and could not be read back yet: ${ending.cause.message}`;
}
