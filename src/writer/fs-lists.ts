/**
 * The metadata half of a writer, in the format of docs/format.md: file systems, inodes and versions in Redis, also for programs
 * that put their objects themselves. It must not write over anything: what is there already is refused.
 */
import { CompactError } from '../errors.ts';
import { printInodeKey, printRecord } from '../format.ts';
import { RedisCalls } from '../metadata/redis/calls.ts';
import { parseFilesystem } from '../metadata/redis/fields.ts';
import { CHECK_INODE, CHECK_TYPES } from '../metadata/redis/scripts.ts';
import type { Filesystem, InodeKey, S3ChunkInfo } from '../model.ts';
import type { RedisClient } from '../redis/link.ts';

export interface FsListsOptions {
  /** Of the profile `metadata`, so that no version is appended twice; the caller closes it. */
  readonly redis: RedisClient;
  /** First part of every key (`fs`). */
  readonly keyPrefix?: string;
  /** How long one call may take; default 10 s. */
  readonly timeoutMs?: number;
}

/** A file system to be made; the rest is as most have it. */
export interface NewFilesystem {
  readonly name: string;
  readonly bucket: string;
  /** A random one of its own, never used again. */
  readonly uuid: string;
  readonly blockSize?: number;
  readonly chunkSize?: number;
  readonly objectPrefix?: Filesystem['objectPrefix'];
}

/** Versions to be appended to the list of one chunk, oldest first, and the length that the file then has at least. */
export interface Append {
  readonly chunkIndex: number;
  readonly versions: readonly S3ChunkInfo[];
  readonly length: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MIB = 1024 * 1024;
const BLOCK_SIZE = 4 * MIB;
const CHUNK_SIZE = 64 * MIB;
/** `unpack` puts all its values on Lua's C stack, which ends at some 8,000. */
export const APPEND_VERSIONS_MAX = 1000;
/** Keys that one command removes. */
const REMOVE_BATCH = 1000;

/** Errors are CompactError: `metadata-unavailable` (retry), or a halt with the reason; nothing was changed then. */
export class FsLists {
  /** As the adapter's. */
  readonly storeId: string;
  readonly #redis: RedisClient;
  readonly #scripts: WriterScripts;
  readonly #calls: RedisCalls;
  readonly #keyPrefix: string;

  constructor({ redis, keyPrefix = 'fs', timeoutMs = DEFAULT_TIMEOUT_MS }: FsListsOptions) {
    this.#redis = redis;
    this.#scripts = defineWriterScripts(redis);
    this.#calls = new RedisCalls(redis, timeoutMs);
    this.#keyPrefix = keyPrefix;
    this.storeId = `redis:${keyPrefix}`;
  }

  /** Fields beside those of the format are the caller's own. Refuses a file system that is there. */
  async createFilesystem(
    fsId: number,
    made: NewFilesystem,
    more: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { name, bucket, uuid, blockSize = BLOCK_SIZE, chunkSize = CHUNK_SIZE, objectPrefix = 0 } = made;
    const own = { uuid, name, bucket, blockSize, chunkSize, objectPrefix, nextChunkId: 0 };
    await this.#create(this.filesystemKey(fsId), { ...more, ...own }, `file system ${fsId}`);
  }

  /** `null`: there is none. */
  async getFilesystem(fsId: number): Promise<Filesystem | null> {
    const fields = await this.filesystemFields(fsId);
    return fields.size === 0 ? null : parseFilesystem(fsId, this.filesystemKey(fsId), fields);
  }

  /** As they are, the caller's own among them. */
  filesystemFields(fsId: number): Promise<ReadonlyMap<string, string>> {
    return this.#calls.fields(this.filesystemKey(fsId));
  }

  async hasInode(key: InodeKey): Promise<boolean> {
    const inode = this.inodeKey(key);
    return (await this.#calls.ask(inode, () => this.#redis.exists(inode))) === 1;
  }

  /** An empty file of this number. Refuses an inode that is there. */
  async createInode(key: InodeKey): Promise<void> {
    const own = { type: 's3', length: 0, nlink: 1, mtimeMs: Date.now() };
    await this.#create(this.inodeKey(key), own, `inode ${printInodeKey(key)}`);
  }

  /** A chunkId that nobody else gets. */
  async takeChunkId(fsId: number): Promise<bigint> {
    const key = this.filesystemKey(fsId);
    return BigInt(await this.#calls.ask(key, () => this.#redis.hincrby(key, 'nextChunkId', 1)));
  }

  /** In one step: versions, chunk index, length. The store must have acknowledged their objects before. */
  async append(key: InodeKey, { chunkIndex, versions, length }: Append): Promise<void> {
    if (versions.length === 0 || versions.length > APPEND_VERSIONS_MAX) {
      throw new TypeError(`append takes 1 to ${APPEND_VERSIONS_MAX} versions`);
    }
    const inode = this.inodeKey(key);
    const args = [`${chunkIndex}`, `${length}`, `${Date.now()}`, ...versions.map(printRecord)];
    await this.#run(key, () =>
      this.#scripts.s3compactAppend(inode, `${inode}:${chunkIndex}`, `${inode}:chunks`, ...args),
    );
  }

  /** Shorter or longer; what is behind the end stays in the lists. */
  async truncate(key: InodeKey, length: number): Promise<void> {
    await this.#change(key, { length: `${length}`, mtimeMs: `${Date.now()}` });
  }

  /** The file has no name any more; its owner removes it later. */
  async unlink(key: InodeKey): Promise<void> {
    await this.#change(key, { nlink: '0' });
  }

  /** The inode first: from then on no commit goes through. Its objects are the caller's to delete. */
  async removeInode(key: InodeKey): Promise<void> {
    const inode = this.inodeKey(key);
    const set = `${inode}:chunks`;
    await this.#calls.ask(inode, () => this.#redis.unlink(inode));
    const indexes = await this.#calls.ask(set, () => this.#redis.smembers(set));
    for (let from = 0; from < indexes.length; from += REMOVE_BATCH) {
      const lists = indexes.slice(from, from + REMOVE_BATCH).map((index) => `${inode}:${index}`);
      await this.#calls.ask(inode, () => this.#redis.unlink(...lists));
    }
    await this.#calls.ask(set, () => this.#redis.unlink(set));
  }

  /** Its inodes must be gone. */
  async removeFilesystem(fsId: number): Promise<void> {
    const key = this.filesystemKey(fsId);
    await this.#calls.ask(key, () => this.#redis.unlink(key));
  }

  filesystemKey(fsId: number): string {
    return `${this.#keyPrefix}:{${fsId}}`;
  }

  inodeKey({ fsId, inodeId }: InodeKey): string {
    return `${this.#keyPrefix}:{${fsId}:${inodeId}}`;
  }

  async #create(redisKey: string, fields: Readonly<Record<string, string | number>>, what: string): Promise<void> {
    const flat = Object.entries(fields).flatMap(([name, value]) => [name, `${value}`]);
    const answer = await this.#calls.ask(redisKey, () => this.#scripts.s3compactCreate(redisKey, ...flat));
    if (wordOf(answer) === 'ok') return;
    throw new CompactError(`${what} is there already (key ${redisKey}); nothing was changed, choose another number`, {
      kind: 'halt',
      code: 'metadata-refused',
    });
  }

  async #change(key: InodeKey, fields: Readonly<Record<string, string>>): Promise<void> {
    const flat = Object.entries(fields).flat();
    await this.#run(key, () => this.#scripts.s3compactChange(this.inodeKey(key), ...flat));
  }

  async #run(key: InodeKey, send: () => Promise<unknown>): Promise<void> {
    const answer = await this.#calls.ask(this.inodeKey(key), send);
    if (wordOf(answer) === 'ok') return;
    throw new CompactError(
      `inode ${printInodeKey(key)} cannot be written to (${(answer as unknown[]).map(String).join(' ')}); nothing was changed`,
      { kind: 'halt', code: 'metadata-refused', inode: key },
    );
  }
}

function wordOf(answer: unknown): unknown {
  return Array.isArray(answer) ? answer[0] : undefined;
}

/*
 * Each script is one step on the slot of one inode or file system, so that two clients never lose each other's length. As in the
 * adapter's, every check comes before the first write, and what may be refused is tried first.
 */

/** KEYS: file system or inode. ARGV: fields and values. Answers ok or exists. */
const CREATE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
redis.call('HSET', KEYS[1], unpack(ARGV))
return {'ok'}
`;

/** KEYS: inode, list, set of indexes. ARGV: chunk index, least length, time, then versions, oldest first. */
const APPEND = `${CHECK_TYPES}${CHECK_INODE}
local bad = wrongType({'hash', 'list', 'set'}) or notWritable()
if bad then return bad end
local length = redis.call('HGET', KEYS[1], 'length')
if not length or not string.match(length, '^%d+$') then return {'malformed', 'length', length or ''} end
redis.call('HSET', KEYS[1], 'mtimeMs', ARGV[3])
-- An index without a list is harmless, a list without an index is not.
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('RPUSH', KEYS[2], unpack(ARGV, 4))
if tonumber(ARGV[2]) > tonumber(length) then redis.call('HSET', KEYS[1], 'length', ARGV[2]) end
return {'ok'}
`;

/** KEYS: inode. ARGV: fields and values. */
const CHANGE = `${CHECK_TYPES}${CHECK_INODE}
local bad = wrongType({'hash'}) or notWritable()
if bad then return bad end
redis.call('HSET', KEYS[1], unpack(ARGV))
return {'ok'}
`;

/** The scripts as methods of a client. */
interface WriterScripts {
  s3compactCreate(key: string, ...fields: readonly string[]): Promise<unknown>;
  s3compactAppend(inode: string, list: string, set: string, ...args: readonly string[]): Promise<unknown>;
  s3compactChange(inode: string, ...fields: readonly string[]): Promise<unknown>;
}

/** Teaches the client the scripts; harmless when it knows them already. */
function defineWriterScripts(redis: RedisClient): WriterScripts {
  redis.defineCommand('s3compactCreate', { numberOfKeys: 1, lua: CREATE });
  redis.defineCommand('s3compactAppend', { numberOfKeys: 3, lua: APPEND });
  redis.defineCommand('s3compactChange', { numberOfKeys: 1, lua: CHANGE });
  // defineCommand adds the methods at run time; ioredis has no type for that.
  return redis as unknown as WriterScripts;
}
