/**
 * One chunk for fsck: which objects a reader asks for, and which of them do not have what it needs. A list that changes
 * meanwhile gives no false alarm: a fault counts only if the list, read again, still asks for the same. It changes
 * nothing and judges no inode.
 */

import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import pLimit from 'p-limit';
import { CompactError, throwIfCancelled } from '../errors.ts';
import { objectName } from '../format.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem, InodeKey, ObjectId, S3ChunkInfo } from '../model.ts';
import type { ObjectStore } from '../objects/port.ts';
import { outside } from '../outside.ts';
import { type BlockView, checkChunkList, visibleBlocks, type Window } from '../plan/index.ts';

/** A list longer than this is not read whole: it is reported as a fault of its own. */
const VERSIONS_READ_MAX = 5_000_000;
/** One GET of `read` asks for at most this much. */
const READ_BYTES_MAX = 1024 * 1024;
/** Looks at a chunk whose list changes under the look. */
const LOOKS_MAX = 5;
const BATCH_OBJECTS = 1_000;
export const STOPPED = 'the check was stopped; it has changed nothing, and the next one begins anew';

type FaultReason = 'missing' | 'short' | 'corrupt' | 'list-invalid' | 'record-malformed' | 'inode-malformed';

/** A file range that cannot be read, and why. The whole chunk, within the length, where its list cannot be read. */
export interface FsckFault {
  /** Absent where the inode itself is at fault. */
  readonly chunkIndex?: number;
  /** File offsets, half-open. */
  readonly begin: number;
  readonly end: number;
  readonly reason: FaultReason;
  /** Absent where the list is at fault. */
  readonly object?: string;
  /** For people. */
  readonly detail: string;
}

export interface FsckDeps {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStore;
  readonly filesystem: Filesystem;
}

export interface FsckOptions {
  /** Also reads every visible byte, and checks the CRC32 of whole objects that s3compact wrote. */
  readonly read: boolean;
  /** Requests under way at a time. */
  readonly requestsInFlight: number;
  readonly signal?: AbortSignal;
  /** Called for each object that was looked at. */
  readonly onObject?: () => void;
}

export interface ChunkContext extends FsckDeps, FsckOptions {
  /** Of the file when the check began: only for the range of a list that cannot be read. */
  readonly lengthAtStart: number;
}

export interface ChunkFindings {
  readonly objects: number;
  readonly dataBytes: number;
  readonly faults: readonly FsckFault[];
}

/** What a reader asks of one object: its visible pieces, ascending. */
interface WantedObject {
  readonly name: string;
  /** File offset of the object's first byte. */
  readonly begin: number;
  readonly pieces: Window[];
}

/**
 * Looks until the list stands still or nothing is wrong: what a compaction replaced meanwhile is no fault. A list that
 * never stands still is judged by what all looks have in common: faults that it still asks for after the last one.
 */
export async function verifyChunk(key: InodeKey, chunkIndex: number, context: ChunkContext): Promise<ChunkFindings> {
  let seen = await wantedOf(key, chunkIndex, context);
  for (let looks = 1; ; looks++) {
    if ('reason' in seen) return { objects: 0, dataBytes: 0, faults: [seen] };
    const faults = await faultsOf(seen, chunkIndex, context);
    if (faults.length === 0) return findings(seen, []);
    const again = await wantedOf(key, chunkIndex, context);
    if (!('reason' in again)) {
      if (isDeepStrictEqual(seen, again)) return findings(again, faults);
      if (looks === LOOKS_MAX) return findings(again, stillWanted(faults, again));
    }
    seen = again;
  }
}

/** The objects that a reader of the chunk asks for now, or the fault of its list. */
async function wantedOf(
  key: InodeKey,
  chunkIndex: number,
  { metadata, filesystem, lengthAtStart }: ChunkContext,
): Promise<readonly WantedObject[] | FsckFault> {
  const begin = chunkIndex * filesystem.chunkSize;
  // Beyond the length nothing is read: the range is empty then, and the list broken all the same.
  const end = Math.max(begin, Math.min(begin + filesystem.chunkSize, lengthAtStart));
  const faulty = (reason: FaultReason, detail: string): FsckFault => ({ chunkIndex, begin, end, reason, detail });
  try {
    const { inode, versions, versionsTotal } = await metadata.readChunk(key, chunkIndex, VERSIONS_READ_MAX);
    if (versionsTotal > versions.length) {
      return faulty('list-invalid', `its list has ${versionsTotal} versions, too many to look at`);
    }
    checkChunkList(versions, chunkIndex, filesystem);
    // Removed or unlinked meanwhile: nobody reads it.
    const length = inode === null || inode.nlink <= 0 ? 0 : inode.length;
    const nameOf = (object: ObjectId): string => objectName(key, object, filesystem.objectPrefix);
    const blocks = visibleBlocks({ geometry: filesystem, chunkIndex, versions, length });
    return blocks.flatMap((block) => wantedInBlock(block, versions, nameOf));
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    const { code, message } = error;
    if (code === 'list-invalid' || code === 'record-malformed') return faulty(code, message);
    throw error;
  }
}

function wantedInBlock(
  { blockIndex, begin, data }: BlockView,
  versions: readonly S3ChunkInfo[],
  nameOf: (object: ObjectId) => string,
): WantedObject[] {
  return [...Map.groupBy(data, ({ version }) => version)].map(([position, ranges]) => {
    const { chunkId, compaction, offset } = versions[position] ?? outside();
    const pieces = ranges.map((range) => ({ begin: range.begin, end: range.end }));
    return { name: nameOf({ chunkId, compaction, blockIndex }), begin: Math.max(offset, begin), pieces };
  });
}

/** Batch by batch, so that a list of a million versions does not make a million promises. */
async function faultsOf(
  wanted: readonly WantedObject[],
  chunkIndex: number,
  context: ChunkContext,
): Promise<FsckFault[]> {
  const limit = pLimit(context.requestsInFlight);
  const faults: FsckFault[] = [];
  for (let from = 0; from < wanted.length; from += BATCH_OBJECTS) {
    throwIfCancelled(context.signal, STOPPED);
    const found = await limit.map(wanted.slice(from, from + BATCH_OBJECTS), async (object) => {
      const ofObject = await objectFaults(object, chunkIndex, context);
      context.onObject?.();
      return ofObject;
    });
    for (const some of found) for (const fault of some) faults.push(fault);
  }
  return faults;
}

async function objectFaults(wanted: WantedObject, chunkIndex: number, context: ChunkContext): Promise<FsckFault[]> {
  const { name, begin, pieces } = wanted;
  const fault = (reason: FaultReason, detail: string, from = 0): FsckFault[] =>
    pieces
      .filter((piece) => piece.end > from)
      .map((piece) => ({ chunkIndex, ...piece, begin: Math.max(piece.begin, from), reason, object: name, detail }));
  const head = await context.objects.head(name, context.signal);
  if (head === null) return fault('missing', 'there is no such object');
  const needed = (pieces.at(-1)?.end ?? begin) - begin;
  if (head.bytes < needed) {
    return fault('short', `the object has ${head.bytes} bytes, ${needed} are needed`, begin + head.bytes);
  }
  if (!context.read) return [];
  try {
    const crcOf = (from: number, to: number) => crcOfRange(name, { begin: from, end: to }, context);
    if (head.crc32 === undefined) for (const piece of pieces) await crcOf(piece.begin - begin, piece.end - begin);
    else if ((await crcOf(0, head.bytes)) !== head.crc32) {
      return fault('corrupt', 'its CRC32 is not the one that it was written with');
    }
    return [];
  } catch (error) {
    if (!(error instanceof CompactError)) throw error;
    if (error.code === 'object-missing') return fault('missing', error.message);
    if (error.code === 'object-short') return fault('short', error.message);
    throw error;
  }
}

/** Reads all of the range, whoever needs its sum or not. */
async function crcOfRange(name: string, { begin, end }: Window, { objects, signal }: ChunkContext): Promise<number> {
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES_MAX, end - begin));
  let sum = 0;
  for (let at = begin; at < end; at += READ_BYTES_MAX) {
    const part = buffer.subarray(0, Math.min(READ_BYTES_MAX, end - at));
    await objects.getRange(name, at, part, signal);
    sum = crc32(part, sum);
  }
  return sum;
}

function findings(wanted: readonly WantedObject[], faults: readonly FsckFault[]): ChunkFindings {
  let dataBytes = 0;
  for (const { pieces } of wanted) for (const piece of pieces) dataBytes += piece.end - piece.begin;
  return { objects: wanted.length, dataBytes, faults };
}

/** What of the faults is still read from the same objects. */
function stillWanted(faults: readonly FsckFault[], wanted: readonly WantedObject[]): FsckFault[] {
  const byName = Map.groupBy(wanted, ({ name }) => name);
  const still: FsckFault[] = [];
  for (const fault of faults) {
    for (const piece of (byName.get(fault.object ?? '') ?? []).flatMap(({ pieces }) => pieces)) {
      const begin = Math.max(piece.begin, fault.begin);
      const end = Math.min(piece.end, fault.end);
      if (begin < end) still.push({ ...fault, begin, end });
    }
  }
  return still;
}
