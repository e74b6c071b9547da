/**
 * The requests that every reading of a JuiceFS volume on Redis is made of: binary values, many in one round trip, none of
 * unbounded size. It stands alone because single look-ups and the walk must not differ in that. It never writes.
 */
import type { CompactError } from '../../errors.ts';
import type { ReferencesOf, SliceRecord } from '../../layout/slices/index.ts';
import { type RedisClient, replyCode } from '../../redis/link.ts';
import { damageOf } from '../port.ts';
import type { RedisCalls } from '../redis/calls.ts';
import { callFailed } from '../redis/errors.ts';
import {
  type Attributes,
  type ListPlace,
  malformed,
  parseAttributes,
  parseSlices,
  referenceField,
  TRASH_INODE,
} from './decode.ts';

/** What one request asks for at most, and one reply holds: keys, fields, or records of a list (24 kB). */
export const AT_ONCE = 1_000;
/** Lists in one round trip … */
export const LISTS_AT_ONCE = 500;
/** … and records of a list that are read at all; clients stop writers at 2,500. */
const LIST_RECORDS_MAX = 1_000_000;

export class VolumeReads {
  readonly calls: RedisCalls;
  readonly prefix: string;

  constructor(calls: RedisCalls, prefix: string) {
    this.calls = calls;
    this.prefix = prefix;
  }

  key(name: string): string {
    return `${this.prefix}${name}`;
  }

  /** One request about a key of the volume. */
  ask<T>(name: string, send: (redis: RedisClient, key: string) => Promise<T>): Promise<T> {
    const key = this.key(name);
    return this.calls.ask(key, () => send(this.calls.redis, key));
  }

  get(name: string): Promise<Buffer | null> {
    return this.ask(name, (redis, key) => redis.getBuffer(key));
  }

  /** A hash, in pages: it may be large. SCAN may give a field twice. */
  async *hashPages(name: string): AsyncGenerator<readonly (readonly [field: Buffer, value: Buffer])[]> {
    let cursor = '0';
    do {
      const [next, flat] = await this.ask(name, (redis, key) => redis.hscanBuffer(key, cursor, 'COUNT', AT_ONCE));
      const pairs: (readonly [Buffer, Buffer])[] = [];
      for (let n = 0; n + 1 < flat.length; n += 2) {
        const [field, value] = [flat[n], flat[n + 1]];
        if (field !== undefined && value !== undefined) pairs.push([field, value]);
      }
      yield pairs;
      cursor = next.toString();
    } while (cursor !== '0');
  }

  /** Attributes of many inodes; `null` for those that are not there, an error for those that cannot be read. */
  async attributes(inodeIds: readonly bigint[]): Promise<readonly (Attributes | CompactError | null)[]> {
    if (inodeIds.length === 0) return [];
    const keys = inodeIds.map((inodeId) => this.key(`i${inodeId}`));
    const values = await this.calls.ask(keys[0] ?? '', () => this.calls.redis.mgetBuffer(...keys));
    return inodeIds.map((inodeId, n) => {
      const value = values[n] ?? null;
      return value === null ? null : orError(() => parseAttributes(inodeId, value));
    });
  }

  /** Which of these files, whose parents stand in a hash of their own, have them all in the trash. */
  async trashed(inodeIds: readonly bigint[]): Promise<ReadonlySet<bigint>> {
    if (inodeIds.length === 0) return new Set();
    const answers = await this.pipelined(inodeIds, (batch, inodeId) => batch.hgetall(this.key(`p${inodeId}`)));
    return new Set(inodeIds.filter((_, n) => isTrashed(answers[n] as Readonly<Record<string, string>>)));
  }

  /** Many lists; `long` for those that `list` has to read alone, an error for those that cannot be read. */
  async lists(keys: readonly ListPlace[]): Promise<readonly (readonly SliceRecord[] | CompactError | 'long')[]> {
    const answers = await this.#batch(keys, (batch, key) =>
      batch.lrangeBuffer(this.key(listName(key)), 0, AT_ONCE - 1),
    );
    return keys.map((key, n) => {
      const [error, values] = answers[n] ?? [];
      if (replyCode(error) === 'WRONGTYPE') return noList(key);
      if (error) throw callFailed(error, this.key(listName(key)));
      const list = values as Buffer[];
      return list.length < AT_ONCE ? orError(() => parseSlices(key, list)) : 'long';
    });
  }

  /** A whole list, however long. Throws `record-malformed` (halt). */
  async list(key: ListPlace): Promise<readonly SliceRecord[]> {
    const records: SliceRecord[] = [];
    for (;;) {
      const position = records.length;
      const values = await this.ask(listName(key), (redis, listKey) =>
        redis.lrangeBuffer(listKey, position, position + AT_ONCE - 1),
      );
      for (const record of parseSlices({ ...key, position }, values)) records.push(record);
      if (values.length < AT_ONCE) return records;
      if (records.length >= LIST_RECORDS_MAX) throw tooLong(key);
    }
  }

  /** The references of all slices in these records, asked at once. */
  async references(records: readonly Pick<SliceRecord, 'id' | 'size'>[]): Promise<ReferencesOf> {
    const fields = [...new Set(records.filter(({ id }) => id !== 0n).map(referenceField))];
    const more = new Map<string, number>();
    for (let n = 0; n < fields.length; n += AT_ONCE) {
      const some = fields.slice(n, n + AT_ONCE);
      const values = await this.ask('sliceRef', (redis, key) => redis.hmget(key, ...some));
      for (const [m, field] of some.entries()) {
        const value = Number(values[m] ?? 0);
        // The hash counts what comes on top of the first.
        if (value !== 0 && Number.isSafeInteger(value)) more.set(field, value);
      }
    }
    return more.size === 0 ? () => 1 : (record) => 1 + (more.get(referenceField(record)) ?? 0);
  }

  /** One round trip for all; an error reply to any of them fails the call. */
  async pipelined<T>(items: readonly T[], add: (batch: Batch, item: T) => unknown): Promise<readonly unknown[]> {
    return (await this.#batch(items, add)).map(([error, answer]) => {
      if (error) throw callFailed(error, this.key(''));
      return answer;
    });
  }

  async #batch<T>(items: readonly T[], add: (batch: Batch, item: T) => unknown) {
    const answers = await this.calls.ask(this.key(''), () => {
      const batch = this.calls.redis.pipeline();
      for (const item of items) add(batch, item);
      return batch.exec();
    });
    return answers ?? [];
  }
}

function listName({ inodeId, chunkIndex }: ListPlace): string {
  return `c${inodeId}_${chunkIndex}`;
}

/** By the parents and the links in each. */
function isTrashed(linksByParent: Readonly<Record<string, string>>): boolean {
  const parents = Object.keys(linksByParent).filter((parent) => Number(linksByParent[parent]) > 0);
  return parents.length > 0 && parents.every((parent) => /^\d+$/.test(parent) && BigInt(parent) >= TRASH_INODE);
}

type Batch = ReturnType<RedisClient['pipeline']>;

function orError<T>(parse: () => T): T | CompactError {
  try {
    return parse();
  } catch (error) {
    return damageOf(error);
  }
}

function noList({ inodeId, chunkIndex }: ListPlace): CompactError {
  return malformed(inodeId, `inode ${inodeId}, chunk ${chunkIndex}: its key is no list`);
}

function tooLong({ inodeId, chunkIndex }: ListPlace): CompactError {
  const what = `its list has ${LIST_RECORDS_MAX} records or more, which are not read`;
  return malformed(inodeId, `inode ${inodeId}, chunk ${chunkIndex}: ${what}`, 'record-malformed');
}
