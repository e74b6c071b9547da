/**
 * Which chunks of an inode are worth a run: every list is planned without a budget and only the best are remembered,
 * so memory is bounded by one list and `chunksMax`, not by the size of the file. The chosen chunks are read and planned
 * again when their turn comes, so a stale choice costs a little time and nothing else.
 */
import { CompactError } from './errors.ts';
import type { MetadataStore } from './metadata/port.ts';
import type { Filesystem, InodeKey, PlanGain, PlanPolicy } from './model.ts';
import { planChunk } from './plan/index.ts';

/** A commit replaces at most this many versions (DESIGN §4.10); a longer list goes prefix by prefix. */
export const VERSIONS_PER_COMMIT_MAX = 100_000;

export interface Candidate {
  readonly chunkIndex: number;
  readonly score: number;
  /** Blocks that would be rewritten. */
  readonly blocks: number;
}

export interface Selection {
  /** Best first, at most `chunksMax`. */
  readonly chunks: readonly Candidate[];
  /** How many more are worth it. */
  readonly more: number;
}

export interface SelectOptions {
  readonly metadata: MetadataStore;
  readonly policy: PlanPolicy;
  readonly chunksMax: number;
  readonly signal?: AbortSignal;
}

/** Plans every chunk of the inode; O(chunks) reads of the metadata service. */
export async function worthwhileChunks(
  key: InodeKey,
  filesystem: Filesystem,
  options: SelectOptions,
): Promise<Selection> {
  const best: Candidate[] = [];
  let worthwhile = 0;
  for await (const chunkIndex of options.metadata.chunkIndexes(key)) {
    if (options.signal?.aborted === true) {
      throw new CompactError('the attempt was cancelled while planning; nothing was written', {
        kind: 'retry',
        code: 'cancelled',
      });
    }
    const snapshot = await options.metadata.readChunk(key, chunkIndex, VERSIONS_PER_COMMIT_MAX);
    if (snapshot.inode === null || snapshot.versions.length === 0) continue;
    const decision = planChunk({
      geometry: filesystem,
      chunkIndex,
      versions: snapshot.versions,
      length: snapshot.inode.length,
      policy: options.policy,
    });
    if (decision.kind !== 'plan') continue;
    worthwhile++;
    const { plan } = decision;
    insertBest(best, { chunkIndex, score: plan.score, blocks: plan.cost.writeRequests }, options.chunksMax);
  }
  return { chunks: best, more: worthwhile - best.length };
}

function insertBest(best: Candidate[], candidate: Candidate, most: number): void {
  best.push(candidate);
  best.sort((a, b) => b.score - a.score || a.chunkIndex - b.chunkIndex);
  if (best.length > most) best.length = most;
}

export const NO_GAIN: PlanGain = {
  getsBefore: 0,
  getsAfter: 0,
  versionsBefore: 0,
  versionsAfter: 0,
  objectsBefore: 0,
  objectsAfter: 0,
  storedBytesBefore: 0,
  storedBytesAfter: 0,
};

/** Sums what two plans save. */
export function addGain(a: PlanGain, b: PlanGain): PlanGain {
  return {
    getsBefore: a.getsBefore + b.getsBefore,
    getsAfter: a.getsAfter + b.getsAfter,
    versionsBefore: a.versionsBefore + b.versionsBefore,
    versionsAfter: a.versionsAfter + b.versionsAfter,
    objectsBefore: a.objectsBefore + b.objectsBefore,
    objectsAfter: a.objectsAfter + b.objectsAfter,
    storedBytesBefore: a.storedBytesBefore + b.storedBytesBefore,
    storedBytesAfter: a.storedBytesAfter + b.storedBytesAfter,
  };
}
