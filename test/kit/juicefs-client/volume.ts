/**
 * What the model of a JuiceFS client stands on: keys, transactions as clients make them (WATCH, MULTI, EXEC, again when it
 * was lost), ids, and slices as objects. Written from the facts about JuiceFS; it shares no code with `src/`, so that both
 * can be held against each other and against the real program. Plain and slow on purpose.
 */
import type { ChainableCommander, Redis } from 'ioredis';
import { encodeAttributes, encodeSlice, type RawSlice, settingJson } from '../juicefs/encode.ts';

export const CHUNK = 64 * 1024 * 1024;
export const TRASH = 0x7fff_ffff_1000_0000n;
const IDS_AT_ONCE = 4096;
const TRANSACTION_TRIES = 50;

export interface ModelObjects {
  put(name: string, body: Uint8Array): Promise<void>;
  /** `null`: there is none. */
  get(name: string): Promise<Uint8Array | null>;
  delete(name: string): Promise<void>;
  list(): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
}

export interface ModelOptions {
  /** Its own: a transaction belongs to a connection. */
  readonly redis: Redis;
  readonly objects: ModelObjects;
  readonly name: string;
  readonly blockSize: number;
  readonly trashDays: number;
  readonly prefix?: string;
  /** Seconds since 1970. */
  readonly now?: () => number;
}

export type Size = Pick<RawSlice, 'id' | 'size'>;

export class ModelVolume {
  readonly redis: Redis;
  readonly objects: ModelObjects;
  readonly options: ModelOptions;
  #ids: number[] = [];

  constructor(options: ModelOptions) {
    this.redis = options.redis;
    this.objects = options.objects;
    this.options = options;
  }

  /** A volume as `format` leaves it, where the real program is not there to do it. */
  async format(): Promise<void> {
    const { name, blockSize, trashDays } = this.options;
    await this.redis.set(this.key('setting'), settingJson(name, { BlockSize: blockSize / 1024, TrashDays: trashDays }));
    const directory = encodeAttributes({ kind: 'directory', nlink: 2, length: 4096 });
    await this.redis.set(this.key('i1'), directory);
    if (trashDays > 0) await this.redis.set(this.key(`i${TRASH}`), directory);
  }

  key(name: string): string {
    return `${this.options.prefix ?? ''}${name}`;
  }

  now(): number {
    return this.options.now?.() ?? Math.floor(Date.now() / 1000);
  }

  /** `write` queues commands, or says no with `null`; what they answered. */
  async transaction(
    watched: readonly string[],
    write: (queued: ChainableCommander) => Promise<unknown>,
  ): Promise<readonly unknown[] | null> {
    for (let tries = 0; tries < TRANSACTION_TRIES; tries++) {
      await this.redis.watch(...watched);
      const queued = this.redis.multi();
      if ((await write(queued)) === null) {
        await this.redis.unwatch();
        return null;
      }
      const answers = await queued.exec();
      if (answers !== null) return answers.map(([error, value]) => (error === null ? value : raise(error)));
    }
    throw new Error('a transaction was lost again and again');
  }

  async newId(): Promise<number> {
    if (this.#ids.length === 0) {
      const last = await this.redis.incrby(this.key('nextchunk'), IDS_AT_ONCE);
      this.#ids = Array.from({ length: IDS_AT_ONCE }, (_, n) => last - n);
    }
    return this.#ids.pop() ?? raise(new Error('no id'));
  }

  async list(inode: number | bigint, chunk: number, count = 0): Promise<RawSlice[]> {
    const values = await this.redis.lrangeBuffer(this.key(`c${inode}_${chunk}`), 0, count - 1);
    return values.map(decodeSlice);
  }

  blocks({ id, size }: Size): { readonly name: string; readonly bytes: number }[] {
    const { name, blockSize } = this.options;
    const folder = `${name}/chunks/${Math.floor(id / 1_000_000)}/${Math.floor(id / 1_000)}`;
    return Array.from({ length: Math.ceil(size / blockSize) }, (_, n) => {
      const bytes = Math.min(blockSize, size - n * blockSize);
      return { name: `${folder}/${id}_${n}_${bytes}`, bytes };
    });
  }

  async putSlice(id: number, content: Uint8Array): Promise<void> {
    let at = 0;
    for (const { name, bytes } of this.blocks({ id, size: content.length })) {
      await this.objects.put(name, content.subarray(at, at + bytes));
      at += bytes;
    }
  }

  /** A part of a slice; `null`: one of its objects is not there. */
  async sliceBytes(slice: RawSlice): Promise<Uint8Array | null> {
    const content = new Uint8Array(slice.len);
    let at = 0;
    for (const { name, bytes } of this.blocks(slice)) {
      const [begin, end] = [Math.max(at, slice.off), Math.min(at + bytes, slice.off + slice.len)];
      if (begin < end) {
        const body = await this.objects.get(name);
        if (body === null) return null;
        if (body.length !== bytes) throw new Error(`${name} has ${body.length} bytes`);
        content.set(body.subarray(begin - at, end - at), begin - slice.off);
      }
      at += bytes;
    }
    return content;
  }

  /** Objects first, then what is known of it. */
  async deleteSlice(slice: Size): Promise<void> {
    for (const { name } of this.blocks(slice)) {
      await this.objects.delete(name);
    }
    await this.redis.hdel(this.key('sliceRef'), sliceField(slice));
  }
}

export function sliceField({ id, size }: Size): string {
  return `k${id}_${size}`;
}

export function decodeSlice(value: Buffer): RawSlice {
  if (value.length !== 24) throw new Error(`a record of ${value.length} bytes`);
  const view = new DataView(value.buffer, value.byteOffset);
  return {
    pos: view.getUint32(0),
    id: Number(view.getBigUint64(4)),
    size: view.getUint32(12),
    off: view.getUint32(16),
    len: view.getUint32(20),
  };
}

export function decodeDelayed(value: Buffer): Size[] {
  const view = new DataView(value.buffer, value.byteOffset);
  return Array.from({ length: value.length / 12 }, (_, n) => ({
    id: Number(view.getBigUint64(12 * n)),
    size: view.getUint32(12 * n + 8),
  }));
}

/** What a reader sees of a list, ascending; written zeros as slice 0, nothing for gaps. From the last record to the first. */
export function overlay(records: readonly RawSlice[]): RawSlice[] {
  const pieces: RawSlice[] = [];
  let free: (readonly [begin: number, end: number])[] = [[0, CHUNK]];
  for (const record of records.toReversed()) {
    const { pos, id, size, off, len } = record;
    const left: (readonly [number, number])[] = [];
    for (const [begin, end] of free) {
      const [from, to] = [Math.max(begin, pos), Math.min(end, pos + len)];
      if (from >= to) {
        left.push([begin, end]);
        continue;
      }
      pieces.push({ pos: from, id, size, off: id === 0 ? 0 : off + from - pos, len: to - from });
      if (begin < from) left.push([begin, from]);
      if (to < end) left.push([to, end]);
    }
    free = left;
  }
  return pieces.toSorted((a, b) => a.pos - b.pos);
}

export function pushed(queued: ChainableCommander, key: string, records: readonly RawSlice[]): void {
  if (records.length > 0) queued.rpush(key, ...records.map(encodeSlice));
}

export function raise(error: Error): never {
  throw error;
}
