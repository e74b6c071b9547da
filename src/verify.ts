/**
 * verify: asks for every object that a reader of a file would ask for, and tells which ranges cannot be read. It stands
 * apart from scrub, which starts from the bucket: this starts from the metadata. It changes nothing and repairs nothing.
 */
import { CompactError } from './errors.ts';
import { requireFilesystem } from './lookup.ts';
import type { MetadataStore } from './metadata/port.ts';
import type { InodeKey } from './model.ts';
import type { ObjectStores } from './objects/port.ts';
import {
  type ChunkFindings,
  throwIfCancelled,
  type VerifyDeps,
  type VerifyFault,
  type VerifyOptions,
  verifyChunk,
} from './verify-chunk.ts';

/** Faults kept of one inode; all are counted. */
export const FAULTS_MAX = 1_000;
export interface VerifyReport {
  readonly key: InodeKey;
  /** Nothing was looked at, and why. */
  readonly skipped?: 'missing' | 'not-s3' | 'unlinked';
  readonly chunks: number;
  /** Objects that a full read asks for. */
  readonly objects: number;
  /** Bytes of the file that come from objects. */
  readonly dataBytes: number;
  /** Ascending, neighbours of one object joined; at most FAULTS_MAX. */
  readonly faults: readonly VerifyFault[];
  readonly faultsTotal: number;
  readonly faultBytes: number;
}

/** An inode of a walk: its report, or why nothing can be said of it. */
export type InodeVerdict = VerifyReport | { readonly key: InodeKey; readonly unknown: string };

export interface WalkOptions extends VerifyOptions {
  /** Inodes looked at at a time. */
  readonly inodesInFlight: number;
}

/**
 * Verifies every inode of a file system, in no order; an inode may come twice. What concerns one inode is its verdict;
 * throws what concerns them all (no such file system or bucket, no permission).
 */
export async function* verifyFilesystem(
  fsId: number,
  deps: { readonly metadata: MetadataStore; readonly objects: ObjectStores },
  options: WalkOptions,
): AsyncGenerator<InodeVerdict> {
  const filesystem = await requireFilesystem(deps.metadata, fsId);
  const objects = deps.objects.forFilesystem(filesystem);
  const one = (key: InodeKey): Promise<InodeVerdict> =>
    verdictOf(key, { metadata: deps.metadata, objects, filesystem }, options);
  let batch: InodeKey[] = [];
  for await (const key of deps.metadata.inodeKeys(fsId)) {
    batch.push(key);
    if (batch.length < options.inodesInFlight) continue;
    yield* await Promise.all(batch.map(one));
    batch = [];
  }
  yield* await Promise.all(batch.map(one));
}

async function verdictOf(key: InodeKey, deps: VerifyDeps, options: VerifyOptions): Promise<InodeVerdict> {
  try {
    return await verifyInode(key, deps, options);
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    const ofOneInode = error.code === 'inode-malformed' || (error.kind === 'retry' && error.code !== 'cancelled');
    if (!ofOneInode) throw error;
    return { key, unknown: error.message };
  }
}

/** Verifies one inode. Throws CompactError when the store or the metadata could not be asked: nothing is known then. */
export async function verifyInode(key: InodeKey, deps: VerifyDeps, options: VerifyOptions): Promise<VerifyReport> {
  const tally = new Tally(key);
  const inode = await deps.metadata.getInode(key);
  if (inode === null) return tally.skipped('missing');
  if (inode.type !== 's3') return tally.skipped('not-s3');
  if (inode.nlink <= 0) return tally.skipped('unlinked');
  const indexes: number[] = [];
  for await (const chunkIndex of deps.metadata.chunkIndexes(key)) indexes.push(chunkIndex);
  for (const chunkIndex of indexes.sort((a, b) => a - b)) {
    throwIfCancelled(options.signal);
    tally.chunk(await verifyChunk(key, chunkIndex, { ...deps, ...options }));
  }
  return tally.report();
}

/** What was found of one inode so far. */
class Tally {
  readonly #key: InodeKey;
  #chunks = 0;
  #objects = 0;
  #dataBytes = 0;
  #faultsTotal = 0;
  #faultBytes = 0;
  readonly #faults: VerifyFault[] = [];

  constructor(key: InodeKey) {
    this.#key = key;
  }

  chunk({ objects, dataBytes, faults }: ChunkFindings): void {
    this.#chunks++;
    this.#objects += objects;
    this.#dataBytes += dataBytes;
    for (const fault of joined(faults)) {
      this.#faultsTotal++;
      this.#faultBytes += fault.end - fault.begin;
      if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault);
    }
  }

  skipped(skipped: NonNullable<VerifyReport['skipped']>): VerifyReport {
    return { ...this.report(), skipped };
  }

  report(): VerifyReport {
    return {
      key: this.#key,
      chunks: this.#chunks,
      objects: this.#objects,
      dataBytes: this.#dataBytes,
      faults: this.#faults,
      faultsTotal: this.#faultsTotal,
      faultBytes: this.#faultBytes,
    };
  }
}

/** Ascending; pieces of one object that touch are one fault. */
function joined(faults: readonly VerifyFault[]): VerifyFault[] {
  const out: VerifyFault[] = [];
  for (const fault of [...faults].sort((a, b) => a.begin - b.begin)) {
    const last = out.at(-1);
    const touches = last !== undefined && last.end === fault.begin && last.object === fault.object;
    if (touches && last.reason === fault.reason) out[out.length - 1] = { ...last, end: fault.end };
    else out.push(fault);
  }
  return out;
}
