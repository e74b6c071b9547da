/**
 * A client of the file system that goes on while its servers die: it writes as DESIGN §6 says and reads by whatever list
 * it holds. It shares no code with `src/`. Each MULTI also sets the journal's number, so that afterwards it can be told
 * how much of the journal Redis kept. It must not judge what it reads.
 */
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Redis } from 'ioredis';
import pLimit from 'p-limit';
import { originalObjects } from '../kit/oracle/layout.ts';
import { recordText } from '../kit/oracle/names.ts';
import { visibleObjects } from '../kit/oracle/reader.ts';
import type { FileState, OracleVersion } from '../kit/oracle/types.ts';
import { FsWriter } from '../kit/support/writer.ts';
import type { Gate } from './gate.ts';
import { type Entry, Journal } from './journal.ts';
import { BUCKET, FS_ID, GEOMETRY, METADATA_PREFIX } from './settings.ts';
import type { Tally } from './tally.ts';

/** Beside the file system's own keys. */
export const NUMBERS_KEY = 'chaos:numbers';
const REQUEST_TIMEOUT_MS = 3_000;
const GETS_IN_FLIGHT = 4;

export interface ChaosClientOptions {
  /** Never sends a command twice and never gives one up while its connection stands. */
  readonly redis: Redis;
  readonly s3: S3Client;
  readonly gate: Gate;
  readonly tally: Tally;
  readonly inodes: number;
}

/** A file as its lists say it is, and the journal's history at the same moment. */
export interface Snapshot {
  readonly journal: Journal;
  readonly state: FileState;
  /** The entries at that moment. */
  readonly history: ReturnType<Journal['history']>;
  /** Before the lists were read: from here the grace period counts at the earliest. */
  readonly takenAtMs: number;
}

/** An object that is not there, or that is too short to be what the list says. */
export class ObjectMissing extends Error {}

export class ChaosClient {
  readonly files: FsWriter;
  readonly journals: readonly Journal[];
  /** Every name that was put, or may have been. */
  readonly putNames = new Set<string>();
  readonly #options: ChaosClientOptions;

  constructor(options: ChaosClientOptions) {
    this.#options = options;
    const { redis, s3 } = options;
    const geometry = GEOMETRY;
    this.files = new FsWriter({ redis, s3, bucket: BUCKET, prefix: METADATA_PREFIX, fsId: FS_ID, geometry });
    this.journals = Array.from({ length: options.inodes }, (_, n) => new Journal(BigInt(1000 + n)));
  }

  async createFiles(): Promise<void> {
    await this.files.createFilesystem();
    for (const { inodeId } of this.journals) await this.files.createInode(inodeId);
  }

  /** One version of one chunk, and the length raised to its end. Throws what S3 or Redis throw, nothing done for certain. */
  async write(journal: Journal, extent: { offset: number; len: number; zero: boolean }): Promise<void> {
    const { redis, gate, tally } = this.#options;
    await gate.opened();
    const chunkId = BigInt(await redis.hincrby(this.#filesystemKey(), 'nextChunkId', 1));
    const version: OracleVersion = { chunkId, compaction: 0n, ...extent, size: extent.len };
    const index = Math.floor(extent.offset / GEOMETRY.chunkSize);
    for (const { name, bytes } of originalObjects(this.#fileOf(journal, index, version))) await this.#put(name, bytes);
    await journal.order.runExclusive(async () => {
      await gate.opened();
      const entry = { version, length: Math.max(journal.length, extent.offset + extent.len) };
      await this.#commit(journal, entry, index);
    });
    tally.add('writes');
    if (extent.zero) tally.add('zeroWrites');
  }

  async truncate(journal: Journal, length: number): Promise<void> {
    await journal.order.runExclusive(async () => {
      await this.#options.gate.opened();
      await this.#commit(journal, { length });
    });
    this.#options.tally.add('truncates');
  }

  /** The MULTI. From the moment it is sent until it is answered, its outcome is unknown. */
  async #commit(journal: Journal, entry: Entry, index?: number): Promise<void> {
    if (journal.unsettled) throw new Error('an earlier write of this file is not settled yet');
    const { redis, gate } = this.#options;
    const { inodeId } = journal;
    journal.add(entry);
    const batch = redis.multi();
    const key = this.files.inodeKey(inodeId);
    if (entry.version !== undefined) batch.rpush(`${key}:${index}`, recordText(entry.version));
    if (index !== undefined) batch.sadd(`${key}:chunks`, index);
    batch.hset(key, { length: entry.length, mtimeMs: Date.now() });
    batch.hset(NUMBERS_KEY, `${inodeId}`, journal.count);
    const results = await gate.sending(batch.exec());
    for (const [error] of results ?? []) if (error !== null) throw error;
    entry.ackedAtMs = performance.now();
  }

  /** `null` when Redis went away meanwhile. Not a moment of all chunks: each list is of some moment after `takenAtMs`. */
  async snapshot(journal: Journal): Promise<Snapshot | null> {
    const { redis, gate, tally } = this.#options;
    return journal.order.runExclusive(async () => {
      const life = gate.life;
      if (!gate.open || journal.unsettled) return null;
      const takenAtMs = performance.now();
      const state = await this.files.state(journal.inodeId);
      const number = Number((await redis.hget(NUMBERS_KEY, `${journal.inodeId}`)) ?? 0);
      if (gate.life !== life || journal.unsettled) return null;
      if (number !== journal.count || state.length !== journal.length) {
        tally.violate(
          `inode ${journal.inodeId}: Redis is at entry ${number}, length ${state.length}; the journal at ${journal.count}, ${journal.length}`,
        );
      }
      return { journal, state, history: journal.history(), takenAtMs };
    });
  }

  /** The objects that a read of `[begin, end)` needs. Throws ObjectMissing for the first that is not there. */
  async fetch(state: FileState, begin: number, end: number): Promise<ReadonlyMap<string, Uint8Array>> {
    const objects = new Map<string, Uint8Array>();
    const limit = pLimit(GETS_IN_FLIGHT);
    const names = [...visibleObjects(state, begin, end)];
    const results = await Promise.allSettled(
      names.map((name) => limit(async () => objects.set(name, await this.#get(name)))),
    );
    const failed = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
    const first = failed.find((error) => error instanceof ObjectMissing) ?? failed[0];
    if (first !== undefined) throw first;
    return objects;
  }

  async #get(name: string): Promise<Uint8Array> {
    try {
      const command = new GetObjectCommand({ Bucket: BUCKET, Key: name });
      const { Body } = await this.#options.s3.send(command, { abortSignal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      if (Body === undefined) throw new Error(`no body for ${name}`);
      return await Body.transformToByteArray();
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') throw new ObjectMissing(`object ${name} is missing`);
      throw error;
    }
  }

  /** Create-if-absent. A name that is taken is thrown: whoever writes takes another chunkId. */
  async #put(name: string, bytes: Uint8Array): Promise<void> {
    this.putNames.add(name);
    try {
      const command = new PutObjectCommand({ Bucket: BUCKET, Key: name, Body: bytes, IfNoneMatch: '*' });
      await this.#options.s3.send(command, { abortSignal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    } catch (error) {
      if ((error as Error).name === 'PreconditionFailed') this.#options.tally.add('idsTaken');
      throw error;
    }
    this.#options.tally.add('writerPuts');
  }

  #filesystemKey(): string {
    return `${METADATA_PREFIX}:{${FS_ID}}`;
  }

  #fileOf(journal: Journal, index: number, version: OracleVersion): FileState {
    const lists = new Map([[index, [version]]]);
    const length = version.offset + version.len;
    return { fsId: FS_ID, inodeId: journal.inodeId, objectPrefix: 0, geometry: GEOMETRY, length, lists };
  }
}
