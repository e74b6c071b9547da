/**
 * Range reads to merged objects: the only part that moves file bytes. Every GET must return exactly what was asked for
 * and every PUT is acknowledged before this returns (I4). Memory is bounded by blocks in flight, never by
 * the size of a chunk. It must know nothing of lists or commits, and must leave no request running behind.
 */
import { crc32 } from 'node:zlib';
import pLimit from 'p-limit';
import { CompactError, throwIfCancelled } from '../errors.ts';
import type { Copy, MergedBlock, ObjectId, SourceRead } from '../model.ts';
import type { ObjectStore } from '../objects/port.ts';
import type { MemoryBudget, Reservation } from './memory-budget.ts';
import { ReadPump } from './read-pump.ts';

const CANCELLED = 'the attempt was cancelled; its objects are left to its reap record';

/** One object to write and how its sources are named. */
export interface MergeTask<Source = ObjectId> {
  readonly name: string;
  readonly block: MergedBlock<Source>;
}

export interface MergeOptions<Source = ObjectId> {
  readonly objects: ObjectStore;
  readonly memory: MemoryBudget;
  readonly nameOf: (source: Source) => string;
  readonly blocksInFlight: number;
  readonly getsInFlight: number;
  /** Called before every PUT; throws when the lease is over. */
  readonly beforePut: () => void;
  readonly onBlock?: (task: MergeTask<Source>) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Writes every task's object. Ends only when no request of its own is in flight; throws the first failure. */
export async function writeMergedObjects<Source>(
  tasks: readonly MergeTask<Source>[],
  options: MergeOptions<Source>,
): Promise<void> {
  const failure = new AbortController();
  // The lease may run out while a PUT waits for a limit or for its next try.
  const objects = options.objects.guarded?.(options.beforePut) ?? options.objects;
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([failure.signal, options.signal]);
  const blocks = pLimit(options.blocksInFlight);
  const pump = new ReadPump<SourceRead<Source>>(options.getsInFlight);
  let first: { readonly error: unknown } | undefined;
  const one = async (task: MergeTask<Source>): Promise<void> => {
    if (first !== undefined) return;
    try {
      throwIfCancelled(options.signal, CANCELLED);
      await options.memory.reserve(sizesOf(task.block), (own) =>
        writeOne(task, { ...options, objects, signal, pump, own }),
      );
      options.onBlock?.(task);
    } catch (error) {
      first ??= { error };
      failure.abort();
    }
  };
  await Promise.all(tasks.map((task) => blocks(() => one(task))));
  if (first !== undefined) throw first.error;
}

/** The merged object, and one scratch buffer for the largest read that does not go straight into it. */
function sizesOf(block: MergedBlock<unknown>): readonly number[] {
  let scratch = 0;
  for (const read of block.reads) if (!isDirect(read)) scratch = Math.max(scratch, read.len);
  const body = block.end - block.begin;
  return scratch === 0 ? [body] : [body, scratch];
}

/** A read whose bytes all go to one place needs no buffer of its own. */
function isDirect(read: SourceRead<unknown>): boolean {
  return read.copies.length === 1 && read.copies[0]?.len === read.len;
}

interface WriteOptions<Source> extends MergeOptions<Source> {
  readonly signal: AbortSignal;
  readonly pump: ReadPump<SourceRead<Source>>;
  readonly own: Reservation;
}

async function writeOne<Source>(task: MergeTask<Source>, options: WriteOptions<Source>): Promise<void> {
  const { own, pump } = options;
  const { block } = task;
  const body = own.take(block.end - block.begin);
  if (!isTiled(block)) body.fill(0);
  const direct: SourceRead<Source>[] = [];
  const inTurn: SourceRead<Source>[] = [];
  for (const read of block.reads) (isDirect(read) ? direct : inTurn).push(read);
  // One after the other: their scratch buffer is what sizesOf counted once.
  await pump.readAll({ direct, inTurn, run: (read) => readInto(body, read, options) });
  throwIfCancelled(options.signal, CANCELLED);
  options.beforePut();
  await putOwn(task.name, body, options);
  own.give(body);
}

/** With more copies than this, looking at them costs more than zeros do. */
const TILES_MAX = 64;

/** Whether the copies fill the block without a gap: then nothing need be zeroed, a tenth of the CPU of a large copy. */
function isTiled(block: MergedBlock<unknown>): boolean {
  const copies: Copy[] = [];
  for (const read of block.reads) {
    if (copies.length + read.copies.length > TILES_MAX) return false;
    copies.push(...read.copies);
  }
  let filled = 0;
  for (const { to, len } of copies.sort((a, b) => a.to - b.to)) {
    if (to !== filled) return false;
    filled += len;
  }
  return filled === block.end - block.begin;
}

async function readInto<Source>(body: Buffer, read: SourceRead<Source>, options: WriteOptions<Source>): Promise<void> {
  throwIfCancelled(options.signal, CANCELLED);
  const name = options.nameOf(read.source);
  const [only] = read.copies;
  if (only !== undefined && isDirect(read)) {
    await options.objects.getRange(name, read.offset, body.subarray(only.to, only.to + only.len), options.signal);
    return;
  }
  const scratch = options.own.take(read.len);
  await options.objects.getRange(name, read.offset, scratch, options.signal);
  for (const copy of read.copies) scratch.copy(body, copy.to, copy.from, copy.from + copy.len);
  options.own.give(scratch);
}

/** Pieces in which an object is read back: small beside any block, since no memory is reserved for them. */
const READ_BACK_BYTES = 256 * 1024;

/** A name that is taken can only be our own earlier PUT whose answer was lost: the same bytes, or stop (I3). */
async function putOwn(name: string, body: Buffer, options: OwnOptions): Promise<void> {
  if ((await options.objects.putIfAbsent(name, body, options.signal)) === 'created') return;
  const head = await options.objects.head(name, options.signal);
  if (head === null) {
    throw new CompactError(
      `the object ${name} was reported as existing and is gone; the attempt is given up and tried again`,
      {
        kind: 'retry',
        code: 'store-unavailable',
      },
    );
  }
  if (head.bytes === body.length && (await isOwn(head.crc32, { name, body, options }))) return;
  throw new CompactError(
    `the object ${name} exists with other content although no other attempt can have this name; nothing was committed, look at it before releasing the inode`,
    { kind: 'halt', code: 'object-collision' },
  );
}

type OwnOptions = Pick<WriteOptions<unknown>, 'objects' | 'signal'>;

interface Taken {
  readonly name: string;
  readonly body: Buffer;
  readonly options: OwnOptions;
}

/** A store that returns no metadata says nothing of the content, and not known is not different: it is read back. */
async function isOwn(checksum: number | undefined, { name, body, options }: Taken): Promise<boolean> {
  if (checksum !== undefined) return checksum === crc32(body);
  const piece = Buffer.allocUnsafe(Math.min(READ_BACK_BYTES, body.length));
  for (let offset = 0; offset < body.length; offset += piece.length) {
    const expected = body.subarray(offset, offset + piece.length);
    const read = piece.subarray(0, expected.length);
    await options.objects.getRange(name, offset, read, options.signal);
    if (!read.equals(expected)) return false;
  }
  return true;
}
