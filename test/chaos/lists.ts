/**
 * Where the files of a chaos run keep their lists, as their clients and the judge need it: Redis, or the stand-in CurveFS
 * cluster (curvefs.ts). What an attack does with it is the same for both. It shares no code with `src/`.
 */
import type { Redis } from 'ioredis';
import type { HistoryOrder } from '../kit/oracle/history.ts';
import { recordText } from '../kit/oracle/names.ts';
import type { FileClient } from '../kit/support/file-client.ts';
import { RedisFiles, type RedisFilesOptions } from '../kit/support/redis-files.ts';
import type { Entry, Journal } from './journal.ts';
import { GRACE_MS, METADATA_PREFIX } from './settings.ts';

/** Beside the file system's own keys. */
export const NUMBERS_KEY = 'chaos:numbers';

export interface Append {
  readonly journal: Journal;
  readonly entry: Entry;
  /** The chunk; none for a truncate. */
  readonly index?: number;
}

export interface Lists {
  readonly files: FileClient;
  /** What a worker must be started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly order: HistoryOrder;
  /** From here on an object that went out of the lists may be gone. */
  readonly graceMs: number;
  /** A client that has held a chunkId for longer gives its write up. */
  readonly holdMaxMs: number;
  /** Files are left alone for a while, one after the other, since only such are compacted. */
  readonly resting: boolean;
  /** Nothing of it is lost when Redis dies. */
  readonly apart: boolean;
  create(inodeIds: readonly bigint[]): Promise<void>;
  takeChunkId(): Promise<bigint>;
  /** One step for those who look: version, length, and the journal's number. */
  append(append: Append): Promise<void>;
  /** How much of the journal is there. */
  numberOf(journal: Journal): Promise<number>;
  /** An attempt left its fence behind. */
  fenced(inodeId: bigint): Promise<boolean>;
  close(): Promise<void>;
}

/** On Redis as docs/format.md says. Each MULTI also sets the journal's number, so that a restarted Redis shows what it kept. */
export class RedisLists implements Lists {
  readonly files: RedisFiles;
  readonly env = { METADATA_PREFIX };
  readonly order = 'arrival';
  readonly graceMs = GRACE_MS;
  readonly holdMaxMs = Number.POSITIVE_INFINITY;
  readonly resting = false;
  readonly apart = false;
  readonly #redis: Redis;
  readonly #filesystemKey: string;

  /** The connection never sends a command twice and never gives one up while it stands. */
  constructor(options: Omit<RedisFilesOptions, 'prefix'>) {
    this.files = new RedisFiles({ ...options, prefix: METADATA_PREFIX });
    this.#redis = options.redis;
    this.#filesystemKey = `${METADATA_PREFIX}:{${options.fsId}}`;
  }

  async create(inodeIds: readonly bigint[]): Promise<void> {
    await this.files.createFilesystem();
    for (const inodeId of inodeIds) await this.files.createInode(inodeId);
  }

  async takeChunkId(): Promise<bigint> {
    return BigInt(await this.#redis.hincrby(this.#filesystemKey, 'nextChunkId', 1));
  }

  async append({ journal, entry, index }: Append): Promise<void> {
    const key = this.files.inodeKey(journal.inodeId);
    const batch = this.#redis.multi();
    if (entry.version !== undefined) batch.rpush(`${key}:${index}`, recordText(entry.version));
    if (index !== undefined) batch.sadd(`${key}:chunks`, index);
    batch.hset(key, { length: entry.length, mtimeMs: Date.now() });
    batch.hset(NUMBERS_KEY, `${journal.inodeId}`, journal.count);
    for (const [error] of (await batch.exec()) ?? []) if (error !== null) throw error;
  }

  async numberOf({ inodeId }: Journal): Promise<number> {
    return Number((await this.#redis.hget(NUMBERS_KEY, `${inodeId}`)) ?? 0);
  }

  async fenced(inodeId: bigint): Promise<boolean> {
    return (await this.#redis.hexists(this.files.inodeKey(inodeId), 'attempt')) === 1;
  }

  async close(): Promise<void> {}
}
