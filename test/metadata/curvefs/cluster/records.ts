/**
 * What a metaserver keeps of S3 files, and what its requests make of it: facts §2 to the letter. One record per list that
 * was added, by first chunkId, last chunkId and count; a remove list counts by its first id, its last id and its length
 * alone; the counter counts requests, not records; one transaction for all chunk indexes; nobody asks whether the inode
 * is there. The sockets (metaserver.ts) and the seeded world play on the same class. It must know nothing of compaction.
 */

export interface Version {
  readonly chunkId: bigint;
  readonly compaction: bigint;
  readonly offset: bigint;
  readonly len: bigint;
  readonly size: bigint;
  readonly zero: boolean;
}

/** What UpdateInode may set; all of it is the client's word, the times too. */
export interface InodeFields {
  readonly length: bigint;
  readonly nlink: number;
  readonly type: number;
  /** Seconds and nanoseconds. */
  readonly mtime: bigint;
  readonly mtimeNs: number;
  readonly ctime: bigint;
  readonly ctimeNs: number;
  readonly dtime?: bigint;
  readonly parent: readonly bigint[];
}

export type Lists = ReadonlyMap<bigint, readonly Version[]>;

export interface InodePlace {
  readonly fsId: number;
  readonly inodeId: bigint;
}

/** MetaStatusCode, as far as this part answers. */
export const OK = 0;
export const NOT_FOUND = 3;
export const STORAGE_INTERNAL_ERROR = 24;

/** The value of one key `(inode, chunk index, first, last, count)`. */
interface StoredRecord {
  readonly first: bigint;
  readonly last: bigint;
  readonly versions: readonly Version[];
}

/** The tables of one copyset or more: inodes, records, counters. */
export class InodeTables {
  readonly inodes = new Map<string, InodeFields>();
  /** Inode → chunk index → records in key order. */
  readonly #records = new Map<string, Map<bigint, StoredRecord[]>>();
  readonly #counters = new Map<string, number>();

  /** The chunk lists as GetInode shows them: indexes ascending, records in key order, inside a record as sent. */
  lists(place: InodePlace): Map<bigint, Version[]> {
    const chunks = [...(this.#records.get(keyOf(place)) ?? [])].sort(([a], [b]) => order(a, b));
    return new Map(chunks.map(([index, records]) => [index, records.flatMap(({ versions }) => versions)]));
  }

  /** Keys of the records of a chunk, as text: `first..last x count`. */
  recordKeys(place: InodePlace, index: bigint): string[] {
    const records = this.#records.get(keyOf(place))?.get(index) ?? [];
    return records.map(({ first, last, versions }) => `${first}..${last} x ${versions.length}`);
  }

  /** InodeAuxInfo.s3MetaSize. */
  counter(place: InodePlace): number {
    return this.#counters.get(keyOf(place)) ?? 0;
  }

  /** UpdateInode: attributes and appends in one transaction; a missing inode is NOT_FOUND. */
  update(place: InodePlace, fields: Partial<InodeFields>, add: Lists = new Map()): number {
    const inode = this.inodes.get(keyOf(place));
    if (inode === undefined) return NOT_FOUND;
    const status = this.modify(place, { add, remove: new Map() });
    if (status === OK) this.inodes.set(keyOf(place), { ...inode, ...fields });
    return status;
  }

  /** GetOrModifyS3ChunkInfo: for every index to add to, remove and add; then what is only removed. All or nothing. */
  modify(place: InodePlace, { add, remove }: { readonly add: Lists; readonly remove: Lists }): number {
    const key = keyOf(place);
    const before: ReadonlyMap<bigint, readonly StoredRecord[]> = this.#records.get(key) ?? new Map();
    const after = new Map<bigint, StoredRecord[]>();
    let counter = this.counter(place);
    const indexes = [...add.keys(), ...[...remove.keys()].filter((index) => !add.has(index))];
    for (const index of indexes) {
      const added = add.get(index) ?? [];
      const removed = remove.get(index) ?? [];
      if (added.length === 0 && removed.length === 0)
        throw new Error('an empty list: the metaserver reads past its end');
      const left = withoutRange(before.get(index) ?? [], removed);
      if (left === null) return STORAGE_INTERNAL_ERROR;
      after.set(index, left);
      counter += added.length;
      if (counter < removed.length) return STORAGE_INTERNAL_ERROR;
      counter -= removed.length;
    }
    // Nothing can fail any more: the transaction is committed.
    const chunks = this.#records.get(key) ?? new Map<bigint, StoredRecord[]>();
    for (const [index, records] of after) {
      addRecord(records, add.get(index) ?? []);
      if (records.length > 0) chunks.set(index, records);
      else chunks.delete(index);
    }
    this.#records.set(key, chunks);
    this.#counters.set(key, counter);
    return OK;
  }

  /** DeleteInode: the inode goes; its records stay for ever. */
  delete(place: InodePlace): void {
    this.inodes.delete(keyOf(place));
  }

  inode(place: InodePlace): InodeFields | undefined {
    return this.inodes.get(keyOf(place));
  }

  put(place: InodePlace, fields: InodeFields): void {
    this.inodes.set(keyOf(place), fields);
  }

  /** For a test that wants the counter as a duplicate request leaves it. */
  setCounter(place: InodePlace, counter: number): void {
    this.#counters.set(keyOf(place), counter);
  }
}

/** The records that the range leaves; the very list where nothing is removed. `null`: it cuts one, or passes one by. */
function withoutRange(records: readonly StoredRecord[], removed: readonly Version[]): StoredRecord[] | null {
  const first = removed[0]?.chunkId;
  const last = removed.at(-1)?.chunkId;
  if (first === undefined || last === undefined) return records as StoredRecord[];
  const left: StoredRecord[] = [];
  for (const record of records) {
    if (first <= record.first && last >= record.last) continue;
    if (last >= record.first) return null;
    left.push(record);
  }
  return left;
}

/** The record takes its place by key; one that has the same key is replaced. Lists grow at their end, as a rule. */
function addRecord(records: StoredRecord[], versions: readonly Version[]): void {
  const first = versions[0]?.chunkId;
  const last = versions.at(-1)?.chunkId;
  if (first === undefined || last === undefined) return;
  const added: StoredRecord = { first, last, versions };
  let at = records.length;
  for (let before = records[at - 1]; before !== undefined && byKey(before, added) > 0; before = records[at - 1]) at--;
  const same = records[at - 1];
  if (same !== undefined && byKey(same, added) === 0) records[at - 1] = added;
  else records.splice(at, 0, added);
}

function byKey(a: StoredRecord, b: StoredRecord): number {
  return order(a.first, b.first) || order(a.last, b.last) || a.versions.length - b.versions.length;
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function keyOf({ fsId, inodeId }: InodePlace): string {
  return `${fsId}/${inodeId}`;
}
