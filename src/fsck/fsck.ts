/**
 * fsck: asks for every object that a reader of a file would ask for, and tells which ranges cannot be read. It stands
 * apart from gc, which starts from the bucket: this starts from the metadata. It changes nothing and repairs nothing.
 */

import { CompactError, throwIfCancelled } from '../errors.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import { inodeKeys, type MetadataStore } from '../metadata/port.ts';
import type { InodeKey } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import {
  type ChunkContext,
  type ChunkFindings,
  type FsckDeps,
  type FsckFault,
  type FsckOptions,
  STOPPED,
  verifyChunk,
} from './check-chunk.ts';

/** Faults kept of one inode; all are counted. */
export const FAULTS_MAX = 1_000;

interface FsckReport {
  readonly key: InodeKey;
  /** Nothing was looked at, and why. */
  readonly skipped?: 'missing' | 'not-s3' | 'unlinked';
  readonly chunks: number;
  /** Objects that a full read asks for. */
  readonly objects: number;
  /** Bytes of the file that come from objects. */
  readonly dataBytes: number;
  /** Ascending, neighbours of one object joined; at most FAULTS_MAX. */
  readonly faults: readonly FsckFault[];
  readonly faultsTotal: number;
  readonly faultBytes: number;
}

/** An inode of a walk: its report, or why nothing can be said of it. */
export type InodeVerdict = FsckReport | { readonly key: InodeKey; readonly unknown: string };

interface WalkOptions extends FsckOptions {
  /** Inodes looked at at a time. */
  readonly inodesInFlight: number;
}

/**
 * Verifies every inode of a file system, in no order; an inode may come twice. What concerns one inode is its verdict;
 * throws what concerns them all (no such file system or bucket, no permission).
 */
export async function* checkFilesystem(
  fsId: number,
  deps: { readonly metadata: MetadataStore; readonly objects: ObjectStores },
  options: WalkOptions,
): AsyncGenerator<InodeVerdict> {
  const { metadata } = deps;
  const filesystem = await requireFilesystem(metadata, fsId);
  const ofOne = { metadata, objects: deps.objects.forFilesystem(filesystem), filesystem };
  let batch: InodeKey[] = [];
  for await (const key of inodeKeys(metadata, fsId)) {
    throwIfCancelled(options.signal, STOPPED);
    batch.push(key);
    if (batch.length < options.inodesInFlight) continue;
    yield* verdictsOf(batch, ofOne, options);
    batch = [];
  }
  yield* verdictsOf(batch, ofOne, options);
}

/** Of inodes looked at together: what was found of the others comes before the failure of one. */
async function* verdictsOf(
  keys: readonly InodeKey[],
  deps: FsckDeps,
  options: FsckOptions,
): AsyncGenerator<InodeVerdict> {
  const settled = await Promise.allSettled(keys.map((key) => verdictOf(key, deps, options)));
  for (const one of settled) if (one.status === 'fulfilled') yield one.value;
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
}

async function verdictOf(key: InodeKey, deps: FsckDeps, options: FsckOptions): Promise<InodeVerdict> {
  try {
    return await checkInode(key, deps, options);
  } catch (error) {
    if (!(error instanceof CompactError) || error.kind !== 'retry' || error.code === 'cancelled') throw error;
    return { key, unknown: error.message };
  }
}

/** Verifies one inode. Throws CompactError when the store or the metadata could not be asked: nothing is known then. */
export async function checkInode(key: InodeKey, deps: FsckDeps, options: FsckOptions): Promise<FsckReport> {
  let length = 0;
  try {
    const inode = await deps.metadata.getInode(key);
    if (inode === null) return new Tally(key).skipped('missing');
    if (inode.type !== 's3') return new Tally(key).skipped('not-s3');
    if (inode.nlink <= 0) return new Tally(key).skipped('unlinked');
    length = inode.length;
    return await checkChunks(key, { ...deps, ...options, lengthAtStart: length });
  } catch (error) {
    if (!(error instanceof CompactError) || error.code !== 'inode-malformed') throw error;
    const fault = { begin: 0, end: length, reason: error.code, detail: error.message } as const;
    return new Tally(key).fault(fault).report();
  }
}

async function checkChunks(key: InodeKey, context: ChunkContext): Promise<FsckReport> {
  const tally = new Tally(key);
  const indexes = await Array.fromAsync(context.metadata.chunkIndexes(key));
  for (const chunkIndex of indexes.sort((a, b) => a - b)) {
    throwIfCancelled(context.signal, STOPPED);
    tally.chunk(await verifyChunk(key, chunkIndex, context));
  }
  return tally.report();
}

/** What was found of one inode so far. */
class Tally {
  readonly #key: InodeKey;
  readonly #sums = { chunks: 0, objects: 0, dataBytes: 0, faultsTotal: 0, faultBytes: 0 };
  readonly #faults: FsckFault[] = [];

  constructor(key: InodeKey) {
    this.#key = key;
  }

  chunk({ objects, dataBytes, faults }: ChunkFindings): void {
    this.#sums.chunks++;
    this.#sums.objects += objects;
    this.#sums.dataBytes += dataBytes;
    for (const fault of joined(faults)) this.fault(fault);
  }

  fault(fault: FsckFault): this {
    this.#sums.faultsTotal++;
    this.#sums.faultBytes += fault.end - fault.begin;
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault);
    return this;
  }

  skipped(skipped: NonNullable<FsckReport['skipped']>): FsckReport {
    return { ...this.report(), skipped };
  }

  report(): FsckReport {
    return { key: this.#key, ...this.#sums, faults: this.#faults };
  }
}

/** Ascending; pieces of one object that touch are one fault. */
function joined(faults: readonly FsckFault[]): FsckFault[] {
  const out: FsckFault[] = [];
  for (const fault of [...faults].sort((a, b) => a.begin - b.begin)) {
    const last = out.at(-1);
    const touches = last !== undefined && last.end === fault.begin && last.object === fault.object;
    if (touches && last.reason === fault.reason) out[out.length - 1] = { ...last, end: fault.end };
    else out.push(fault);
  }
  return out;
}
