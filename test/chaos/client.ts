/**
 * A client of the file system that goes on while its servers die: objects first, then the lists (lists.ts), and it reads
 * by whatever list it holds. It shares no code with `src/`. It must not judge what it reads.
 */
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { originalObjects } from '../kit/oracle/layout.ts';
import { visibleObjects } from '../kit/oracle/reader.ts';
import type { FileState, OracleVersion } from '../kit/oracle/types.ts';
import type { Gate } from './gate.ts';
import { type Entry, Journal } from './journal.ts';
import type { Lists } from './lists.ts';
import { BUCKET, FS_ID, GEOMETRY } from './settings.ts';
import type { Tally } from './tally.ts';

const REQUEST_TIMEOUT_MS = 3_000;
const GETS_IN_FLIGHT = 4;

export interface ChaosClientOptions {
  readonly lists: Lists;
  readonly s3: S3Client;
  /** Closed while the lists cannot be reached. */
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
  readonly lists: Lists;
  readonly journals: readonly Journal[];
  /** Every name that was put, or may have been. */
  readonly putNames = new Set<string>();
  readonly #options: ChaosClientOptions;

  constructor(options: ChaosClientOptions) {
    this.#options = options;
    this.lists = options.lists;
    const { order } = options.lists;
    this.journals = Array.from({ length: options.inodes }, (_, n) => new Journal(BigInt(1000 + n), order));
  }

  async createFiles(): Promise<void> {
    await this.lists.create(this.journals.map(({ inodeId }) => inodeId));
  }

  /** One version of one chunk, and the length raised to its end. Throws what S3 or Redis throw, nothing done for certain. */
  async write(journal: Journal, extent: { offset: number; len: number; zero: boolean }): Promise<void> {
    const { lists, gate, tally } = this.#options;
    await gate.opened();
    const takenAtMs = performance.now();
    const chunkId = await lists.takeChunkId();
    const version: OracleVersion = { chunkId, compaction: 0n, ...extent, size: extent.len };
    const index = Math.floor(extent.offset / GEOMETRY.chunkSize);
    for (const { name, bytes } of originalObjects(this.#fileOf(journal, index, version))) await this.#put(name, bytes);
    await journal.order.runExclusive(async () => {
      await gate.opened();
      if (performance.now() - takenAtMs > lists.holdMaxMs) {
        tally.add('idsHeld');
        throw new Error('the chunkId was held for too long');
      }
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

  /** From the moment it is sent until it is answered, its outcome is unknown. */
  async #commit(journal: Journal, entry: Entry, index?: number): Promise<void> {
    if (journal.unsettled) throw new Error('an earlier write of this file is not settled yet');
    const { lists, gate } = this.#options;
    journal.add(entry);
    await gate.sending(lists.append({ journal, entry, ...(index === undefined ? {} : { index }) }));
    entry.ackedAtMs = performance.now();
  }

  /** `null` when the lists' server went away meanwhile. Not a moment of all chunks: each list is of some moment after `takenAtMs`. */
  async snapshot(journal: Journal): Promise<Snapshot | null> {
    const { lists, gate, tally } = this.#options;
    return journal.order.runExclusive(async () => {
      const life = gate.life;
      if (!gate.open || journal.unsettled) return null;
      const takenAtMs = performance.now();
      const state = await lists.files.state(journal.inodeId);
      const number = await lists.numberOf(journal);
      if (gate.life !== life || journal.unsettled) return null;
      if (number !== journal.count || state.length !== journal.length) {
        tally.violate(
          `inode ${journal.inodeId}: the lists are at entry ${number}, length ${state.length}; the journal at ${journal.count}, ${journal.length}`,
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

  #fileOf(journal: Journal, index: number, version: OracleVersion): FileState {
    const lists = new Map([[index, [version]]]);
    const length = version.offset + version.len;
    return { fsId: FS_ID, inodeId: journal.inodeId, objectPrefix: 0, geometry: GEOMETRY, length, lists };
  }
}
