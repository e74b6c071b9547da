/**
 * The requests that every reading of a JuiceFS volume on Redis is made of: binary values, many in one round trip, none of
 * unbounded size. It stands alone because single look-ups and the walk must not differ in that. It never writes.
 */
import { CompactError } from '../../errors.ts';
import type { ReferencesOf, SliceRecord } from '../../layout/slices/index.ts';
import { replyCode } from '../../redis/link.ts';
import type { RedisCalls } from '../redis/calls.ts';
import { callFailed } from '../redis/errors.ts';
import { type Attributes, parseAttributes, parseSlices, referenceField, TRASH_INODE, VOLUME_FS_ID } from './decode.ts';

/** Records of a list in one reply, 24 kB … */
const RECORDS_AT_ONCE = 1_000;
/** … lists in one round trip … */
export const LISTS_AT_ONCE = 500;
/** … and records of a list that are read at all; clients stop writers at 2,500. */
export const LIST_RECORDS_MAX = 1_000_000;

export interface ListKey {
  readonly inodeId: bigint;
  readonly chunkIndex: number;
}

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

  get(name: string): Promise<Buffer | null> {
    const key = this.key(name);
    return this.calls.ask(key, () => this.calls.redis.getBuffer(key));
  }

  /** Attributes of many inodes; `null` for those that are not there, an error for those that cannot be read. */
  async attributes(inodeIds: readonly bigint[]): Promise<readonly (Attributes | CompactError | null)[]> {
    if (inodeIds.length === 0) return [];
    const keys = inodeIds.map((inodeId) => this.key(`i${inodeId}`));
    const values = await this.calls.ask(keys[0] ?? '', () => this.calls.redis.mgetBuffer(...keys));
    return inodeIds.map((inodeId, n) => {
      const value = values[n] ?? null;
      if (value === null) return null;
      return orError(() => parseAttributes(inodeId, value));
    });
  }

  /** Which of these files, whose parents stand in a hash of their own, have them all in the trash. */
  async trashed(inodeIds: readonly bigint[]): Promise<ReadonlySet<bigint>> {
    const found = new Set<bigint>();
    if (inodeIds.length === 0) return found;
    const answers = await this.pipelined(inodeIds, (batch, inodeId) => batch.hgetall(this.key(`p${inodeId}`)));
    for (const [n, answer] of answers.entries()) {
      const parents = Object.entries(answer as Readonly<Record<string, string>>).filter(
        ([, links]) => Number(links) > 0,
      );
      const inodeId = inodeIds[n];
      if (inodeId === undefined || parents.length === 0) continue;
      if (parents.every(([parent]) => /^\d+$/.test(parent) && BigInt(parent) >= TRASH_INODE)) found.add(inodeId);
    }
    return found;
  }

  /** Many lists; `long` for those that `list` has to read alone, an error for those that cannot be read. */
  async lists(keys: readonly ListKey[]): Promise<readonly (readonly SliceRecord[] | CompactError | 'long')[]> {
    const answers = await this.#batch(keys, (batch, key) =>
      batch.lrangeBuffer(this.#listKey(key), 0, RECORDS_AT_ONCE - 1),
    );
    return keys.map((key, n) => {
      const [error, values] = answers[n] ?? [];
      if (replyCode(error) === 'WRONGTYPE') return noList(key);
      if (error) throw callFailed(error, this.#listKey(key));
      const list = values as Buffer[];
      return list.length < RECORDS_AT_ONCE ? orError(() => parseSlices(key, list)) : 'long';
    });
  }

  /** A whole list, however long. Throws `record-malformed` (halt). */
  async list(key: ListKey): Promise<readonly SliceRecord[]> {
    const listKey = this.#listKey(key);
    const records: SliceRecord[] = [];
    for (;;) {
      const position = records.length;
      const values = await this.calls.ask(listKey, () =>
        this.calls.redis.lrangeBuffer(listKey, position, position + RECORDS_AT_ONCE - 1),
      );
      for (const record of parseSlices({ ...key, position }, values)) records.push(record);
      if (values.length < RECORDS_AT_ONCE) return records;
      if (records.length >= LIST_RECORDS_MAX) throw tooLong(key);
    }
  }

  /** The references of all slices in these records, asked at once. */
  async references(records: readonly Pick<SliceRecord, 'id' | 'size'>[]): Promise<ReferencesOf> {
    const fields = [...new Set(records.filter(({ id }) => id !== 0n).map(referenceField))];
    const key = this.key('sliceRef');
    const more = new Map<string, number>();
    for (let n = 0; n < fields.length; n += RECORDS_AT_ONCE) {
      const some = fields.slice(n, n + RECORDS_AT_ONCE);
      const values = await this.calls.ask(key, () => this.calls.redis.hmget(key, ...some));
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

  #listKey({ inodeId, chunkIndex }: ListKey): string {
    return this.key(`c${inodeId}_${chunkIndex}`);
  }
}

export type Batch = ReturnType<RedisCalls['redis']['pipeline']>;

function orError<T>(parse: () => T): T | CompactError {
  try {
    return parse();
  } catch (error) {
    return recordError(error);
  }
}

/** Damage of one inode is a finding; all else ends the call. */
export function recordError(error: unknown): CompactError {
  if (error instanceof CompactError && error.kind === 'halt' && error.inode !== undefined) return error;
  throw error;
}

function noList({ inodeId, chunkIndex }: ListKey): CompactError {
  return new CompactError(`inode ${inodeId}, chunk ${chunkIndex}: its key is no list`, {
    kind: 'halt',
    code: 'inode-malformed',
    inode: { fsId: VOLUME_FS_ID, inodeId },
  });
}

function tooLong({ inodeId, chunkIndex }: ListKey): CompactError {
  return new CompactError(
    `inode ${inodeId}, chunk ${chunkIndex}: its list has ${LIST_RECORDS_MAX} records or more, which are not read`,
    { kind: 'halt', code: 'record-malformed', inode: { fsId: VOLUME_FS_ID, inodeId } },
  );
}
