/**
 * reap: works off one due reap record (DESIGN §4.3). Whatever became of the attempt, afterwards each of its objects is
 * either named by the inode's lists or deleted, and none is deleted less than one grace period after it became unnamed.
 * Doubt deletes nothing and drops nothing: the record comes back later (I10). It never changes a list.
 */
import { CompactError, toError } from '../errors.ts';
import { parseObjectName } from '../format.ts';
import type { ReapRecord } from '../ledger.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem } from '../model.ts';
import { DELETE_BATCH_MAX, type ObjectStores } from '../objects/port.ts';
import { type DeleteGuard, passGuards } from './delete-guard.ts';
import { SharedLists } from './named-objects.ts';

/** A missing inode counts only when two looks this far apart miss it: metadata may be restored, or be another's. */
export const MISSING_INODE_WAIT_MS = 24 * 60 * 60 * 1000;
const DOUBT_DELAY_FIRST_MS = 30_000;
const DOUBT_DELAY_MAX_MS = 60 * 60 * 1000;

export interface ReapDeps {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStores;
  /** The ledger's clock. */
  readonly nowMs: () => Promise<number>;
  readonly graceMs: number;
  /** Where records of one inode that are due together find each other's reading of its lists; absent: each reads. */
  readonly lists?: SharedLists;
  /** What else must allow a delete. */
  readonly guards?: readonly DeleteGuard[];
}

/** `again`: keep the record in this form. `doubt` is set when something stood in the way. */
export type ReapVerdict =
  | { readonly kind: 'done'; readonly deleted: number; readonly stillNamed: number }
  | { readonly kind: 'again'; readonly record: ReapRecord; readonly doubt?: string };

/** Looks at a record once. Never throws for what the outside does: that is doubt. */
export async function reapRecord(record: ReapRecord, deps: ReapDeps): Promise<ReapVerdict> {
  const nowMs = await deps.nowMs();
  // Timers run on the pods' clocks; only this one counts (DESIGN §4.9).
  if (nowMs < record.dueMs) return { kind: 'again', record };
  try {
    return await new Look(record, nowMs, deps).look();
  } catch (error) {
    return doubt(record, nowMs, toError(error).message);
  }
}

function doubt(record: ReapRecord, nowMs: number, why: string): ReapVerdict {
  const doubts = record.doubts ?? 0;
  const delayMs = Math.min(DOUBT_DELAY_MAX_MS, DOUBT_DELAY_FIRST_MS * 2 ** Math.min(doubts, 20));
  return { kind: 'again', record: { ...record, doubts: doubts + 1, dueMs: nowMs + delayMs }, doubt: why };
}

function withoutNames(record: ReapRecord, names: readonly string[]): ReapRecord {
  const gone = new Set(names);
  const kept = (name: string): boolean => !gone.has(name);
  return { ...record, retired: record.retired.filter(kept), merged: record.merged.filter(kept) };
}

/** One look at one record. */
class Look {
  #record: ReapRecord;
  readonly #nowMs: number;
  readonly #deps: ReapDeps;
  #incarnation = '';
  /** What was read for another record will do, and this one's reading for another. */
  #shares = false;

  constructor(record: ReapRecord, nowMs: number, deps: ReapDeps) {
    this.#record = record;
    this.#nowMs = nowMs;
    this.#deps = deps;
  }

  async look(): Promise<ReapVerdict> {
    const filesystem = await this.#filesystem();
    const inode = await this.#deps.metadata.getInode(this.#record.key);
    if (inode === null) {
      const wait = this.#waitForMissingInode();
      if (wait !== null) return wait;
    } else {
      const { missingSinceMs: _, ...present } = this.#record;
      this.#record = present;
    }
    // Asked for before any list is read: a server that dies after this is another one at the next look.
    const incarnation = await this.#deps.metadata.incarnation(this.#record.key);
    const sameServer = this.#record.incarnation === incarnation;
    this.#incarnation = incarnation;
    if (this.#record.stampMs !== undefined && sameServer) {
      // An inode that is gone may come back: what its lists were then says nothing.
      this.#shares = inode !== null;
      return this.#deleteUnnamed(this.#record.retired, filesystem);
    }
    return this.#lookTwice(filesystem, { incarnation, sameServer });
  }

  /** The file system that the record speaks of; anything else under its number is doubt. */
  async #filesystem(): Promise<Filesystem> {
    const { key, storeId, fsUuid, bucket } = this.#record;
    if (storeId !== this.#deps.metadata.storeId) {
      throw this.#refusal(
        `it belongs to the metadata store ${storeId}, this worker serves ${this.#deps.metadata.storeId}`,
      );
    }
    const filesystem = await this.#deps.metadata.getFilesystem(key.fsId);
    if (filesystem === null) throw this.#refusal(`file system ${key.fsId} does not exist`);
    if (filesystem.uuid !== fsUuid)
      throw this.#refusal(`file system ${key.fsId} is another one now (${filesystem.uuid})`);
    if (filesystem.bucket !== bucket)
      throw this.#refusal(`file system ${key.fsId} keeps its objects in another bucket now`);
    return filesystem;
  }

  #refusal(why: string): CompactError {
    const { attempt, fsUuid, key } = this.#record;
    return new CompactError(`the reap record of attempt ${attempt} (file system ${fsUuid}) is left alone: ${why}`, {
      kind: 'retry',
      code: 'filesystem-missing',
      inode: key,
    });
  }

  #waitForMissingInode(): ReapVerdict | null {
    const sinceMs = this.#record.missingSinceMs ?? this.#nowMs;
    const untilMs = sinceMs + MISSING_INODE_WAIT_MS;
    if (this.#record.missingSinceMs !== undefined && this.#nowMs >= untilMs) return null;
    return { kind: 'again', record: { ...this.#record, missingSinceMs: sinceMs, dueMs: untilMs } };
  }

  /**
   * Nobody knows how the attempt ended, or whether the server still knows of its commit. Two looks, one grace apart, with
   * the fence down at both ends of it, at the same server: one that lost its last writes may have named an object again
   * in between.
   */
  async #lookTwice(
    filesystem: Filesystem,
    server: { readonly incarnation: string; readonly sameServer: boolean },
  ): Promise<ReapVerdict> {
    const { stampMs: _, unnamed, ...record } = this.#record;
    const { key, attempt, retired, merged } = record;
    const stood = await this.#deps.metadata.clearFence(key, attempt);
    const timeBound = this.#deps.metadata.commitForm === 'time-bound';
    if (unnamed !== undefined && !stood && server.sameServer) {
      const verdict = await this.#deleteUnnamed(unnamed, filesystem);
      return timeBound ? this.#lookOnceMore(withoutNames(record, unnamed), verdict, filesystem) : verdict;
    }
    // First look, or a fence found standing, or another server, makes it one again: from here on the attempt cannot commit.
    this.#refuseReusable([...retired, ...merged], filesystem);
    const now = await this.#unnamed([...retired, ...merged], filesystem);
    if (now.length === 0 && !timeBound) {
      return { kind: 'done', deleted: 0, stillNamed: retired.length + merged.length };
    }
    // I7: the grace period counts from after the lists were read; a name may have become unnamed since the look began.
    const sinceMs = await this.#deps.nowMs();
    const { incarnation } = server;
    return { kind: 'again', record: { ...record, incarnation, unnamed: now, dueMs: sinceMs + this.#deps.graceMs } };
  }

  /**
   * Without a fence a commit may come after the first look: this attempt's own, which unnames what it retires, or that
   * of another attempt at the same list, which unnames what this one merged. By now there can be no more of them, so
   * what has become unnamed meanwhile gets two looks of its own; what is still named, another attempt accounts for.
   */
  async #lookOnceMore(record: ReapRecord, verdict: ReapVerdict, filesystem: Filesystem): Promise<ReapVerdict> {
    const unnamed = await this.#unnamed([...record.retired, ...record.merged], filesystem);
    if (unnamed.length === 0) return verdict;
    const dueMs = (await this.#deps.nowMs()) + this.#deps.graceMs;
    return { kind: 'again', record: { ...record, unnamed, dueMs } };
  }

  /**
   * A server that lost its last writes gives their chunkIds out again, and a client may be about to name an object that
   * looks unnamed. Nothing is deleted until one grace after the ids have passed these.
   */
  #refuseReusable(names: readonly string[], { lastChunkId }: Filesystem): void {
    if (lastChunkId === undefined) return;
    const reusable = names.find((name) => {
      const object = parseObjectName(name)?.object;
      return object !== undefined && object.compaction === 0n && object.chunkId > lastChunkId;
    });
    if (reusable === undefined) return;
    throw this.#refusal(`the metadata server has forgotten the chunkId of ${reusable} and will give it out again`);
  }

  /** I7: a fresh look right before the delete; what anything names stays. */
  async #deleteUnnamed(names: readonly string[], filesystem: Filesystem): Promise<ReapVerdict> {
    const condemned = await this.#unnamed(names, filesystem);
    const store = this.#deps.objects.forFilesystem(filesystem);
    for (let from = 0; from < condemned.length; from += DELETE_BATCH_MAX) {
      await passGuards(this.#deps.guards, { filesystem, keys: [this.#record.key] });
      const [failure] = await store.delete(condemned.slice(from, from + DELETE_BATCH_MAX));
      if (failure !== undefined) {
        throw new CompactError(`${failure.name} could not be deleted (${failure.code})`, {
          kind: 'retry',
          code: 'store-refused',
        });
      }
    }
    return { kind: 'done', deleted: condemned.length, stillNamed: names.length - condemned.length };
  }

  /** Those of `names` that none of the inode's lists names now. An unreadable list throws: doubt. */
  #unnamed(names: readonly string[], filesystem: Filesystem): Promise<string[]> {
    const { key, dueMs } = this.#record;
    const look = { key, filesystem, incarnation: this.#incarnation, ...(this.#shares ? { dueMs } : {}) };
    return (this.#deps.lists ?? new SharedLists()).unnamed(names, look, this.#deps);
  }
}
