/**
 * Reads to merged objects: the only part that moves file bytes. Every GET must return exactly what was asked for
 * and every PUT is acknowledged before this returns (I4). Memory is bounded by blocks in flight, never by
 * the size of a chunk. It must know nothing of lists or commits, and must leave no request running behind.
 */
import { crc32 } from 'node:zlib';
import pLimit from 'p-limit';
import { CompactError, throwIfCancelled } from '../errors.ts';
import type { Copy, MergedBlock, MergeTask, ObjectId, SourceRead } from '../model.ts';
import type { BlockCodec, ObjectStore } from '../objects/port.ts';
import type { MemoryBudget, Reservation } from './memory-budget.ts';
import { ReadPump } from './read-pump.ts';

const CANCELLED = 'the attempt was cancelled; its objects are left to its reap record';

export interface MergeOptions<Source = ObjectId> {
  readonly objects: ObjectStore;
  readonly memory: MemoryBudget;
  readonly nameOf: (source: Source) => string;
  /** Where objects are compressed or encrypted; each read is of a whole block then. */
  readonly codec?: BlockCodec;
  readonly blocksInFlight: number;
  readonly getsInFlight: number;
  /** Called before every PUT; throws when the lease is over. */
  readonly beforePut: () => void;
  readonly onBlock?: (task: MergeTask<Source>) => void;
  readonly signal?: AbortSignal;
  /** Gets each name that exists when it is put, and has it as long as nobody knows that this is an own PUT. */
  readonly taken?: Set<string>;
}

/**
 * Writes every task's object, and answers how many bytes each has in the store. Ends only when no request of its own is in
 * flight; throws the first failure, but before all others that a name is somebody else's.
 */
export async function writeMergedObjects<Source>(
  tasks: readonly MergeTask<Source>[],
  options: MergeOptions<Source>,
): Promise<ReadonlyMap<string, number>> {
  const stored = new Map<string, number>();
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
      const bytes = await options.memory.reserve(sizesOf(task.block, options), (own) =>
        writeOne(task, { ...options, objects, signal, pump, own }),
      );
      stored.set(task.name, bytes);
      options.onBlock?.(task);
    } catch (error) {
      if (first === undefined || isCollision(error)) first = { error };
      failure.abort();
    }
  };
  await Promise.all(tasks.map((task) => blocks(() => one(task))));
  if (first !== undefined) throw first.error;
  return stored;
}

function isCollision(error: unknown): boolean {
  return error instanceof CompactError && error.code === 'object-collision';
}

type Buffers = Pick<MergeOptions, 'codec' | 'getsInFlight'>;

/** The merged object, and one scratch buffer for the largest read that does not go straight into it. */
function sizesOf(block: MergedBlock<unknown>, { codec, getsInFlight }: Buffers): readonly number[] {
  const body = block.end - block.begin;
  let scratch = 0;
  let [short, shorts] = [0, 0];
  for (const read of block.reads) {
    if (codec !== undefined && isShort(read)) [short, shorts] = [Math.max(short, read.len), shorts + 1];
    else if (codec !== undefined || !isDirect(read)) scratch = Math.max(scratch, read.len);
  }
  if (codec === undefined) return scratch === 0 ? [body] : [body, scratch];
  const coded = (bytes: number): number[] => (bytes === 0 ? [] : [bytes, codec.bodyBytesMax(bytes)]);
  // What a codec holds besides is of its own making: one body or block of each of its two steps.
  const codecs = codec.bodyBytesMax(Math.max(body, scratch));
  const atOnce = Array.from({ length: Math.min(shorts, getsInFlight) }, () => coded(short)).flat();
  return [body, codecs, codecs, ...coded(scratch), ...atOnce];
}

/** A read whose bytes all go to one place needs no buffer of its own. */
function isDirect(read: SourceRead<unknown>): boolean {
  return read.copies.length === 1 && read.copies[0]?.len === read.len;
}

/** Blocks up to this are read side by side where they have to be decoded: each needs buffers of its own. */
const SHORT_BYTES = 64 * 1024;

function isShort(read: SourceRead<unknown>): boolean {
  return read.len <= SHORT_BYTES;
}

interface WriteOptions<Source> extends MergeOptions<Source> {
  readonly signal: AbortSignal;
  readonly pump: ReadPump<SourceRead<Source>>;
  readonly own: Reservation;
}

/** How many bytes the object has. */
async function writeOne<Source>(task: MergeTask<Source>, options: WriteOptions<Source>): Promise<number> {
  const { own, pump, codec } = options;
  const { block } = task;
  const body = own.take(block.end - block.begin);
  if (!isTiled(block)) body.fill(0);
  const direct: SourceRead<Source>[] = [];
  const inTurn: SourceRead<Source>[] = [];
  const mayGoAhead = codec === undefined ? isDirect : isShort;
  for (const read of block.reads) (mayGoAhead(read) ? direct : inTurn).push(read);
  // One after the other: their scratch buffer is what sizesOf counted once.
  await pump.readAll({ direct, inTurn, run: (read) => readInto(body, read, options) });
  throwIfCancelled(options.signal, CANCELLED);
  const stored = codec === undefined ? body : await codec.encode(body);
  options.beforePut();
  await putOwn(task.name, stored, options);
  own.give(body);
  return stored.length;
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
  const { own, objects, codec, signal } = options;
  throwIfCancelled(signal, CANCELLED);
  const name = options.nameOf(read.source);
  const [only] = read.copies;
  if (codec === undefined && only !== undefined && isDirect(read)) {
    await objects.getRange(name, read.offset, body.subarray(only.to, only.to + only.len), signal);
    return;
  }
  const scratch = own.take(read.len);
  if (codec === undefined) await objects.getRange(name, read.offset, scratch, signal);
  else await getDecoded(name, scratch, { own, objects, codec, signal });
  for (const copy of read.copies) scratch.copy(body, copy.to, copy.from, copy.from + copy.len);
  own.give(scratch);
}

/** The object of a whole block. What it is not is damage, and is reported with its name. */
async function getDecoded(
  name: string,
  block: Buffer,
  { own, objects, codec, signal }: OwnOptions & { readonly own: Reservation; readonly codec: BlockCodec },
): Promise<void> {
  const object = own.take(codec.bodyBytesMax(block.length));
  const bytes = await objects.getWhole(name, object, signal);
  try {
    await codec.decode(object.subarray(0, bytes), block);
  } catch (error) {
    if (!(error instanceof CompactError) || error.code !== 'object-damaged') throw error;
    const message = `the object ${name} is damaged: ${error.message}; nothing was committed`;
    throw new CompactError(message, { kind: 'halt', code: error.code, cause: error });
  }
  own.give(object);
}

/** Pieces in which an object is read back: small beside any block, since no memory is reserved for them. */
const READ_BACK_BYTES = 256 * 1024;

/** A name that is taken can only be our own earlier PUT whose answer was lost: the same bytes, or stop (I3). */
async function putOwn(name: string, body: Uint8Array, options: OwnOptions): Promise<void> {
  if ((await options.objects.putIfAbsent(name, body, options.signal)) === 'created') return;
  options.taken?.add(name);
  const head = await options.objects.head(name, options.signal);
  if (head === null) {
    const message = `the object ${name} was reported as existing and is gone; the attempt is given up and tried again`;
    throw new CompactError(message, { kind: 'retry', code: 'store-unavailable' });
  }
  if (head.bytes === body.length && (await isOwn(name, body, { ...options, checksum: head.crc32 }))) {
    options.taken?.delete(name);
    return;
  }
  throw new CompactError(
    `the object ${name} exists with other content although no other attempt can have this name; nothing was committed, look at it before releasing the inode`,
    { kind: 'halt', code: 'object-collision' },
  );
}

type OwnOptions = Pick<WriteOptions<unknown>, 'objects' | 'signal' | 'taken'>;

/** A store that returns no metadata says nothing of the content, and not known is not different: it is read back. */
async function isOwn(
  name: string,
  body: Uint8Array,
  { checksum, objects, signal }: OwnOptions & { readonly checksum: number | undefined },
): Promise<boolean> {
  if (checksum !== undefined) return checksum === crc32(body);
  const piece = Buffer.allocUnsafe(Math.min(READ_BACK_BYTES, body.length));
  for (let offset = 0; offset < body.length; offset += piece.length) {
    const expected = body.subarray(offset, offset + piece.length);
    const read = piece.subarray(0, expected.length);
    await objects.getRange(name, offset, read, signal);
    if (!read.equals(expected)) return false;
  }
  return true;
}
