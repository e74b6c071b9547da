/**
 * Many inodes with their lists in few round trips, for scans: a script for hundreds of them, since most of what a scan
 * takes is the client's work on single commands; on a cluster, and for inodes of many chunks, plain reads. What comes is not of one moment, and a scan does not need that: whoever acts on it
 * reads again. It must hold no policy, and its memory is bounded by the constants below, whatever the inodes are like.
 */
import { Cluster, ReplyError } from 'ioredis';
import { CompactError, toError } from '../../errors.ts';
import type { Inode, InodeKey } from '../../model.ts';
import { type ChunkList, checkListBounds, type InodePart } from '../port.ts';
import type { RedisCalls } from './calls.ts';
import { callFailed } from './errors.ts';
import { parseChunkIndex, parseInode, parseRecords } from './fields.ts';
import type { MetadataScripts } from './scripts.ts';

/** Versions that one pipeline may bring, were every list as long as asked for: some 10 MB of text at the very most. */
const VERSIONS_PER_PIPELINE = 250_000;
/** Chunk indexes that one SSCAN looks at; a set of numbers up to 512 members comes as a whole. */
const INDEX_COUNT = 500;

type Command = [name: string, redisKey: string, ...args: (string | number)[]];
type Reply = readonly [error: Error | null, value?: unknown];
type Unreadable = Extract<InodePart, { readonly error: CompactError }>;

/** The first two are what READ_LISTS looks at. */
const INODE_FIELDS = ['type', 'nlink', 'length', 'mtimeMs', 'attempt'] as const;
/** Inodes of more chunks are read by plain commands, so that no call of the script takes long. */
const SCRIPT_CHUNKS_MAX = 64;
/** Versions after which an answer of the script ends; with one more inode at the very most 64,000 more. */
const SCRIPT_VERSIONS = 10_000;

/** An inode of which the chunk indexes are known, or a part of them. */
interface Indexed {
  readonly key: InodeKey;
  readonly redisKey: string;
  readonly inode: Inode;
  readonly indexes: readonly number[];
  /** SSCAN's; `0` when these are all. */
  readonly cursor: string;
}

export class RedisLists {
  readonly #calls: RedisCalls;
  readonly #scripts: MetadataScripts;
  readonly #keyOf: (key: InodeKey) => string;

  constructor(calls: RedisCalls, scripts: MetadataScripts, keyOf: (key: InodeKey) => string) {
    this.#calls = calls;
    this.#scripts = scripts;
    this.#keyOf = keyOf;
  }

  /** See the port. One round trip for inodes of ordinary size, two on a cluster. */
  async *read(keys: readonly InodeKey[], versionsMax: number): AsyncGenerator<InodePart> {
    checkListBounds(keys, versionsMax);
    if (this.#calls.isCluster) yield* this.#readPlain(keys, versionsMax);
    else yield* this.#readByScript(keys, versionsMax);
  }

  async *#readByScript(keys: readonly InodeKey[], versionsMax: number): AsyncGenerator<InodePart> {
    let left = keys;
    while (left.length > 0) {
      const redisKeys = left.map(this.#keyOf);
      const limits = [versionsMax, SCRIPT_CHUNKS_MAX, SCRIPT_VERSIONS];
      const answer = await this.#calls.ask('many inodes', () =>
        this.#scripts.s3compactReadLists([redisKeys.length, ...redisKeys, ...limits, ...INODE_FIELDS]),
      );
      const found = answer as readonly Answer[];
      if (found.length === 0) throw new TypeError('the script that reads lists answered nothing');
      for (const [n, one] of found.entries()) {
        const key = left[n];
        const redisKey = redisKeys[n];
        if (key === undefined || redisKey === undefined) break;
        if (one[0] === 'many') yield* this.#readPlain([key], versionsMax);
        else yield orUnreadable(key, () => partOfAnswer(one, { key, redisKey, versionsMax }));
      }
      left = left.slice(found.length);
    }
  }

  async *#readPlain(keys: readonly InodeKey[], versionsMax: number): AsyncGenerator<InodePart> {
    const indexed: Indexed[] = [];
    for (const found of await this.#inodes(keys)) {
      if ('indexes' in found) indexed.push(found);
      else yield found;
    }
    const listsMax = Math.floor(VERSIONS_PER_PIPELINE / versionsMax);
    for (const group of groupsOf(indexed, listsMax)) {
      const replies = await this.#lists(group, versionsMax);
      let at = 0;
      for (const one of group) {
        const mine = replies.slice(at, at + one.indexes.length);
        at += one.indexes.length;
        yield* this.#parts(one, mine, versionsMax);
      }
    }
  }

  /** The inodes with the first of their chunk indexes; those without lists are whole already. */
  async #inodes(keys: readonly InodeKey[]): Promise<readonly (Indexed | InodePart)[]> {
    const commands = keys.map(this.#keyOf).flatMap((redisKey): Command[] => [
      ['hmget', redisKey, ...INODE_FIELDS],
      ['sscan', `${redisKey}:chunks`, 0, 'COUNT', INDEX_COUNT],
    ]);
    const replies = await this.#send(commands);
    return keys.map((key, n) => {
      const redisKey = this.#keyOf(key);
      return orUnreadable(key, (): Indexed | InodePart => {
        const inode = inodeOf(key, redisKey, answered(replies[2 * n], redisKey) as (string | null)[]);
        if (inode === null || inode.type !== 's3' || inode.nlink <= 0) return { key, inode, chunks: [], last: true };
        const setKey = `${redisKey}:chunks`;
        const [cursor, members] = answered(replies[2 * n + 1], setKey) as [string, string[]];
        const indexes = members.map((member) => parseChunkIndex(key, setKey, member));
        if (indexes.length === 0 && cursor === '0') return { key, inode, chunks: [], last: true };
        return { key, redisKey, inode, indexes, cursor };
      });
    });
  }

  /** The parts of one inode: what has been read, then the rest of its indexes, if there are more. */
  async *#parts(one: Indexed, replies: readonly Reply[], versionsMax: number): AsyncGenerator<InodePart> {
    const seen = new Set(one.cursor === '0' ? [] : one.indexes);
    let at = one;
    let part = partOf(at, replies, versionsMax);
    while (!part.last) {
      yield part;
      const next = await this.#moreIndexes(at, seen);
      if ('error' in next) part = next;
      else {
        at = next;
        part = partOf(at, await this.#lists([at], versionsMax), versionsMax);
      }
    }
    yield part;
  }

  /** SSCAN may give a member twice. */
  async #moreIndexes(one: Indexed, seen: Set<number>): Promise<Indexed | Unreadable> {
    const setKey = `${one.redisKey}:chunks`;
    const [reply] = await this.#send([['sscan', setKey, one.cursor, 'COUNT', INDEX_COUNT]]);
    return orUnreadable(one.key, (): Indexed => {
      const [cursor, members] = answered(reply, setKey) as [string, string[]];
      const found = new Set(members.map((member) => parseChunkIndex(one.key, setKey, member)));
      const indexes = [...found].filter((index) => !seen.has(index));
      for (const index of indexes) seen.add(index);
      return { ...one, indexes, cursor };
    });
  }

  async #lists(group: readonly Indexed[], versionsMax: number): Promise<readonly Reply[]> {
    // One more than wanted tells that there are more.
    const commands = group.flatMap(({ redisKey, indexes }) =>
      indexes.map((index): Command => ['lrange', `${redisKey}:${index}`, 0, versionsMax]),
    );
    return this.#send(commands);
  }

  /** On a cluster a pipeline takes only what one node has: there every command finds its own way, side by side. */
  #send(commands: Command[]): Promise<readonly Reply[]> {
    const { redis } = this.#calls;
    return this.#calls.ask('many inodes', async () => {
      if (!(redis instanceof Cluster)) return (await redis.pipeline(commands).exec()) ?? [];
      return Promise.all(commands.map((command) => redis.call(...command).then(fulfilled, rejected)));
    });
  }
}

const fulfilled = (value: unknown): Reply => [null, value];
const rejected = (error: unknown): Reply => [toError(error)];

/** Throws what the server answered in the place of a value. */
function answered(reply: Reply | undefined, redisKey: string): unknown {
  if (reply === undefined) throw callFailed(new Error('the answer is missing'), redisKey);
  if (reply[0] !== null) throw callFailed(reply[0], redisKey);
  return reply[1];
}

function inodeOf(key: InodeKey, redisKey: string, values: readonly (string | null)[]): Inode | null {
  const fields = new Map<string, string>();
  for (const [n, name] of INODE_FIELDS.entries()) {
    const value = values[n];
    if (value !== null && value !== undefined) fields.set(name, value);
  }
  return fields.size === 0 ? null : parseInode(key, redisKey, fields);
}

/** What is wrong with one inode must not stop a walk; what is wrong with the server does. */
function orUnreadable<T>(key: InodeKey, read: () => T): T | Unreadable {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CompactError) || error.kind !== 'halt') throw error;
    return { key, error: error.withInode(key), last: true };
  }
}

function partOf(one: Indexed, replies: readonly Reply[], versionsMax: number): InodePart {
  const { key, inode } = one;
  return orUnreadable(key, (): InodePart => {
    const chunks = one.indexes.map((chunkIndex, n) => {
      const records = answered(replies[n], `${one.redisKey}:${chunkIndex}`) as string[];
      return chunkOf({ ...one, versionsMax }, chunkIndex, records);
    });
    return { key, inode, chunks, last: one.cursor === '0' };
  });
}

/** What READ_LISTS says of one inode: a word and more, or its fields, then chunk index and records in turns. */
type Answer = readonly [first: string | readonly (string | null)[], ...rest: (string | readonly string[])[]];

interface Asked {
  readonly key: InodeKey;
  readonly redisKey: string;
  readonly versionsMax: number;
}

function chunkOf({ key, redisKey, versionsMax }: Asked, chunkIndex: number, records: readonly string[]): ChunkList {
  if (records.length > versionsMax) return { chunkIndex, versions: null };
  return { chunkIndex, versions: parseRecords(key, { redisKey: `${redisKey}:${chunkIndex}`, chunkIndex }, records) };
}

function partOfAnswer([first, ...rest]: Answer, asked: Asked): InodePart {
  const { key, redisKey } = asked;
  if (typeof first === 'string') {
    const [place = redisKey, message] = rest;
    throw callFailed(new ReplyError(String(message)), String(place));
  }
  const inode = inodeOf(key, redisKey, first);
  const chunks: ChunkList[] = [];
  for (let n = 0; n + 1 < rest.length; n += 2) {
    const chunkIndex = parseChunkIndex(key, `${redisKey}:chunks`, String(rest[n]));
    chunks.push(chunkOf(asked, chunkIndex, rest[n + 1] as readonly string[]));
  }
  return { key, inode, chunks, last: true };
}

/** Neighbours whose lists fit into one pipeline; one that has more than that alone is a group of its own. */
function* groupsOf(indexed: readonly Indexed[], listsMax: number): Generator<readonly Indexed[]> {
  let group: Indexed[] = [];
  let lists = 0;
  for (const one of indexed) {
    if (group.length > 0 && lists + one.indexes.length > listsMax) {
      yield group;
      group = [];
      lists = 0;
    }
    group.push(one);
    lists += one.indexes.length;
  }
  if (group.length > 0) yield group;
}
