/**
 * One inode as a scan sees it: what the planner says of each of its lists, summed, and the one score that the order of
 * work goes by. The planner is the worker's own, without a budget. It must decide nothing about the queue.
 */
import { planAsItIs } from '../compact/choose-chunks.ts';
import { protocolOf } from '../compact/protocol.ts';
import { CompactError } from '../errors.ts';
import type { InodePart, MetadataStore } from '../metadata/port.ts';
import type { ChunkDecision, ChunkSpace, Filesystem, InodeKey, PlanCost, PlanGain, PlanPolicy } from '../model.ts';
import { addCost, movedBytes, NO_COST, planChunk, requestsOf, scoreOf } from '../plan/index.ts';
import { type Backlog, NO_BACKLOG } from '../scan-port.ts';

export interface ScoreContext {
  readonly metadata: MetadataStore;
  readonly filesystem: Filesystem;
  readonly policy: PlanPolicy;
}

/** What a plan saves in either layout. */
type CommonGain = Pick<
  PlanGain,
  'getsBefore' | 'getsAfter' | 'objectsBefore' | 'objectsAfter' | 'storedBytesBefore' | 'storedBytesAfter'
>;

/** What was found of one inode. */
export interface Finding {
  readonly key: InodeKey;
  /** Of this one inode; `inodes` is 1. */
  readonly backlog: Backlog;
  /** Benefit for cost of all that is worth doing in it; 0: nothing is. */
  readonly score: number;
  /** As they are, of the chunks that are worth it. */
  readonly before: ReadCost;
  /** Why it could not be read. */
  readonly error?: CompactError;
}

export interface ReadCost {
  readonly versions: number;
  /** Of one full read. */
  readonly gets: number;
}

export const NO_READ: ReadCost = { versions: 0, gets: 0 };

/** What the plans of one file come to, whatever its layout. */
export class FileSum {
  #cost = NO_COST;
  readonly #found = { ...NO_BACKLOG };
  readonly #before = { ...NO_READ };

  keeps({ storedBytes, visibleBytes }: ChunkSpace): void {
    this.#found.storedBytes += storedBytes;
    this.#found.visibleBytes += visibleBytes;
  }

  /** A chunk that is worth a plan, with so many versions in its list. */
  planned({ cost, gain }: { readonly cost: PlanCost; readonly gain: CommonGain }, versions: number): void {
    this.#cost = addCost(this.#cost, cost);
    this.#before.versions += versions;
    this.#before.gets += gain.getsBefore;
    const found = this.#found;
    found.chunksWorthIt++;
    found.getsSaved += gain.getsBefore - gain.getsAfter;
    found.objectsSaved += Math.max(0, gain.objectsBefore - gain.objectsAfter);
    found.bytesReclaimed += Math.max(0, gain.storedBytesBefore - gain.storedBytesAfter);
  }

  finding(key: InodeKey, inodes = 1): Finding {
    const found = this.#found;
    const worthIt = found.chunksWorthIt > 0;
    return {
      key,
      before: this.#before,
      score: worthIt ? scoreOf(this.#cost, found.getsSaved, found.bytesReclaimed) : 0,
      backlog: {
        ...found,
        inodes,
        inodesWorthIt: worthIt ? 1 : 0,
        bytesToMove: movedBytes(this.#cost),
        requestsToMake: requestsOf(this.#cost),
      },
    };
  }
}

/** Gathers the parts of one inode after the other; one object for a whole walk, since walks are long. */
export class InodeScore {
  readonly #context: ScoreContext;
  readonly #policy: PlanPolicy;
  #sum = new FileSum();

  constructor(context: ScoreContext) {
    this.#context = context;
    this.#policy = protocolOf(context.metadata).policy(context.policy);
  }

  /** The finding with the last part of an inode, `null` with the others. Throws what concerns more than the inode. */
  async add(part: InodePart): Promise<Finding | null> {
    if ('error' in part) {
      this.#sum = new FileSum();
      return unreadable(part.key, part.error);
    }
    const { key, inode } = part;
    if (inode !== null) {
      try {
        for (const { chunkIndex, versions } of part.chunks) {
          const decision =
            versions === null
              ? (await planAsItIs(key, chunkIndex, this.#context))?.decision
              : planChunk({
                  geometry: this.#context.filesystem,
                  chunkIndex,
                  versions,
                  length: inode.length,
                  policy: this.#policy,
                });
          if (decision !== undefined) this.#count(decision);
        }
      } catch (error) {
        if (!(error instanceof CompactError) || error.kind !== 'halt') throw error;
        this.#sum = new FileSum();
        return unreadable(key, error.withInode(key));
      }
    }
    if (!part.last) return null;
    const finding = this.#sum.finding(key);
    this.#sum = new FileSum();
    return finding;
  }

  #count(decision: ChunkDecision): void {
    if (decision.kind !== 'plan') {
      this.#sum.keeps(decision);
      return;
    }
    const { gain } = decision.plan;
    this.#sum.keeps({ storedBytes: gain.storedBytesBefore, visibleBytes: gain.visibleBytes });
    this.#sum.planned(decision.plan, gain.versionsBefore);
  }
}

export function unreadable(key: InodeKey, error: CompactError): Finding {
  return { key, score: 0, before: NO_READ, backlog: { ...NO_BACKLOG, inodes: 1, unreadable: 1 }, error };
}
