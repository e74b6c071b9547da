/**
 * reap: works off one due reap record. Whatever became of the attempt, afterwards each of its objects is either
 * referenced by the inode's lists or deleted, and none is deleted less than one grace period after it became unreferenced.
 * Doubt deletes nothing and drops nothing: the record comes back later (I10). It never changes a list.
 */

import { CompactError, isMissingObject, toError } from '../errors.ts';
import { changedLayout, namesBegin, objectName, parseObjectName, parseRecord } from '../format.ts';
import type { ReapRecord } from '../ledger.ts';
import type { Filesystem, Inode, S3ChunkInfo } from '../model.ts';
import type { DeleteFailure, ObjectStores } from '../objects/port.ts';
import { objectSizes } from '../plan/index.ts';
import { elapsed, type LedgerMs, later, latest } from '../time.ts';
import { confirmNothing, type DeleteAbout, type DeleteGuard, guardedDelete } from './delete-guard.ts';
import { deletable } from './fresh-look.ts';
import { isReusable, type ListsDeps, type LookFor, SharedLists } from './referenced-objects.ts';
import { StoredObjects } from './stored-objects.ts';

/** A missing inode, or one without its lists, counts only when two looks this far apart find it so: metadata may be restored, or be another's. */
export const MISSING_INODE_WAIT_MS = 24 * 60 * 60 * 1000;
const DOUBT_DELAY_FIRST_MS = 30_000;
const DOUBT_DELAY_MAX_MS = 60 * 60 * 1000;
/** Between two looks at a record whose objects a hold keeps: so late they go after its end. */
export const HELD_DELAY_MS = 30 * 60 * 1000;

export interface ReapDeps extends ListsDeps {
  readonly objects: ObjectStores;
  readonly graceMs: number;
  /** Where records of one inode that are due together find each other's reading of its lists; absent: each reads. */
  readonly lists?: SharedLists;
  /** The same for what was seen in the store. */
  readonly stored?: StoredObjects;
  /** What else must allow a delete. */
  readonly guards?: readonly DeleteGuard[];
  /** Throws what a guard would surely say: spares the look. */
  readonly refuseEarly?: (filesystem: Filesystem) => void;
}

/** How much a record would delete if no hold kept it: for people, not for decisions. */
export interface HeldObjects {
  readonly objects: number;
  /** At least: what the replaced versions say. */
  readonly bytes: number;
}

/**
 * `again`: keep the record in this form. `doubt` is set when something stood in the way; `unsafe`, when the store lacks what
 * the lists reference: the objects that the record keeps may be the last copy. `held`: what would go but for a hold, which
 * is no doubt. `deleted`: what went all the same.
 */
export type ReapVerdict =
  | { readonly kind: 'done'; readonly deleted: number; readonly stillReferenced: number }
  | {
      readonly kind: 'again';
      readonly record: ReapRecord;
      readonly doubt?: string;
      readonly unsafe?: true;
      readonly held?: HeldObjects;
      readonly deleted?: number;
    };

/** Looks at a record once. Never throws for what the outside does: that is doubt. */
export async function reapRecord(record: ReapRecord, deps: ReapDeps): Promise<ReapVerdict> {
  const nowMs = await deps.nowMs();
  const dueMs = dueOf(record, deps.graceMs);
  // Timers run on the pods' clocks; only this one counts.
  if (nowMs < dueMs) return { kind: 'again', record: dueMs === record.dueMs ? record : { ...record, dueMs } };
  try {
    return await new Look(record, nowMs, deps).look();
  } catch (error) {
    const { message } = toError(error);
    const code = error instanceof CompactError ? error.code : undefined;
    if (code === 'held') {
      return { kind: 'again', record: { ...record, dueMs: later(nowMs, HELD_DELAY_MS) }, held: heldObjects(record) };
    }
    const unsafe = error instanceof CompactError && isMissingObject(error);
    return { kind: 'again', record: delayed(record, nowMs), doubt: message, ...(unsafe ? { unsafe } : {}) };
  }
}

/** The grace period is the longer one of who wrote the record and who looks: a stamp made with a shorter one waits on. */
function dueOf({ stampMs, dueMs }: ReapRecord, graceMs: number): LedgerMs {
  return stampMs === undefined ? dueMs : latest(dueMs, later(stampMs, graceMs));
}

export function delayed(record: ReapRecord, nowMs: LedgerMs): ReapRecord {
  const doubts = record.doubts ?? 0;
  const delayMs = Math.min(DOUBT_DELAY_MAX_MS, DOUBT_DELAY_FIRST_MS * 2 ** Math.min(doubts, 20));
  return { ...record, doubts: doubts + 1, dueMs: later(nowMs, delayMs) };
}

/** Reads nothing but the record; versions that cannot be read have no size. */
function heldObjects({ key, layout, unreferenced, retired, replaced = [] }: ReapRecord): HeldObjects {
  const names = new Set(unreferenced ?? retired);
  const sizes = new Map<string, number>();
  for (const { object, bytes } of layout === undefined ? [] : objectSizes(versionsOf(replaced), layout)) {
    const name = objectName(key, object, layout?.objectPrefix ?? 0);
    if (names.has(name)) sizes.set(name, Math.max(bytes, sizes.get(name) ?? 0));
  }
  return { objects: names.size, bytes: sizes.values().reduce((sum, bytes) => sum + bytes, 0) };
}

function versionsOf(texts: readonly string[]): readonly S3ChunkInfo[] {
  try {
    return texts.map(parseRecord);
  } catch {
    return [];
  }
}

function withoutNames(record: ReapRecord, gone: (name: string) => boolean): ReapRecord {
  const kept = (name: string): boolean => !gone(name);
  return { ...record, retired: record.retired.filter(kept), merged: record.merged.filter(kept) };
}

function namesOf(failures: readonly DeleteFailure[]): string[] {
  return failures.map(({ name }) => name);
}

/** What one round of deletes came to. */
interface Deletes {
  /** Of the names that were asked for. */
  readonly deleted: number;
  readonly stillReferenced: number;
  readonly kept: readonly DeleteFailure[];
}

/** One look at one record. */
class Look {
  #record: ReapRecord;
  readonly #nowMs: LedgerMs;
  readonly #deps: ReapDeps;
  readonly #graceMs: number;
  readonly #lists: SharedLists;
  readonly #stored: StoredObjects;
  #incarnation = '';
  /** Of the file; `undefined` when it is gone, or is known to have no lists. */
  #length: number | undefined;
  /** What was read for another record will do, and this one's reading for another. */
  #shares = false;

  constructor(record: ReapRecord, nowMs: LedgerMs, deps: ReapDeps) {
    this.#record = record;
    this.#nowMs = nowMs;
    this.#deps = deps;
    this.#graceMs = Math.max(deps.graceMs, record.graceMs ?? 0);
    this.#lists = deps.lists ?? new SharedLists();
    this.#stored = deps.stored ?? new StoredObjects();
  }

  async look(): Promise<ReapVerdict> {
    const filesystem = await this.#filesystem();
    const inode = await this.#deps.metadata.getInode(this.#record.key);
    const { missingSinceMs, ...present } = this.#record;
    const missed = missingSinceMs !== undefined && elapsed(missingSinceMs, this.#nowMs) >= MISSING_INODE_WAIT_MS;
    if (inode === null) {
      if (!missed) return this.#waitForMissing(missingSinceMs);
    } else if (!missed || inode.length === 0 || (await this.#hasList())) {
      this.#record = present;
      this.#length = inode.length;
    }
    try {
      return await this.#judge(inode, filesystem);
    } catch (error) {
      if (error instanceof CompactError && error.code === 'lists-missing') return this.#waitForMissing(missingSinceMs);
      throw error;
    }
  }

  async #judge(inode: Inode | null, filesystem: Filesystem): Promise<ReapVerdict> {
    // Asked for before any list is read: a server that dies after this is another one at the next look.
    this.#incarnation = await this.#knownIncarnation();
    const sameServer = this.#record.incarnation === this.#incarnation;
    if (this.#record.stampMs !== undefined && sameServer) {
      // An inode that is gone may come back: what its lists were then says nothing.
      this.#shares = inode !== null;
      return this.#deleteRetired(filesystem);
    }
    return this.#lookTwice(filesystem, sameServer);
  }

  /** The file system that the record speaks of; anything else under its number is doubt. */
  async #filesystem(): Promise<Filesystem> {
    const { key, storeId, fsUuid, bucket } = this.#record;
    const own = this.#deps.metadata.storeId;
    if (storeId !== own) throw this.#refusal(`it belongs to the metadata store ${storeId}, this worker serves ${own}`);
    const filesystem = await this.#deps.metadata.getFilesystem(key.fsId);
    if (filesystem === null) throw this.#refusal(`file system ${key.fsId} does not exist`);
    if (filesystem.uuid !== fsUuid)
      throw this.#refusal(`file system ${key.fsId} is another one now (${filesystem.uuid})`);
    if (filesystem.bucket !== bucket)
      throw this.#refusal(`file system ${key.fsId} keeps its objects in another bucket now`);
    this.#checkLayout(filesystem);
    return filesystem;
  }

  /** Names of another layout look unreferenced. A record without its layout still shows the prefix by its names. */
  #checkLayout(filesystem: Filesystem): void {
    const { key, layout, retired, merged } = this.#record;
    const field = layout && changedLayout(layout, filesystem);
    if (layout !== undefined && field !== undefined) {
      throw this.#refusal(`its names are of ${field} ${layout[field]}, the file system has ${filesystem[field]} now`);
    }
    const begin = namesBegin(key, filesystem.objectPrefix);
    for (const name of [...retired, ...merged]) {
      if (name.startsWith(begin) || parseObjectName(name) === null) continue;
      throw this.#refusal(`${name} is no name of the inode with objectPrefix ${filesystem.objectPrefix}`);
    }
  }

  #refusal(why: string): CompactError {
    const { attempt, fsUuid, key } = this.#record;
    const what = `the reap record of attempt ${attempt} (file system ${fsUuid}) is left alone: ${why}`;
    return new CompactError(what, { kind: 'retry', code: 'filesystem-missing', inode: key });
  }

  /** Which life of the metadata server it is; one that does not say could be any, and nothing is known of it. */
  async #knownIncarnation(): Promise<string> {
    const incarnation = await this.#deps.metadata.incarnation(this.#record.key);
    if (incarnation.trim() !== '') return incarnation;
    throw this.#refusal('the metadata server does not say which life it is (INFO lacks run_id or master_replid)');
  }

  /**
   * An inode that is gone, or has a length and no list at all, counts only when a day later it is still so. Most are back
   * sooner (a file that a client empties and writes anew), so the first time it is looked at again after one grace.
   */
  #waitForMissing(sinceMs?: LedgerMs): ReapVerdict {
    const waitMs = sinceMs === undefined ? Math.min(this.#graceMs, MISSING_INODE_WAIT_MS) : MISSING_INODE_WAIT_MS;
    const missingSinceMs = sinceMs ?? this.#nowMs;
    return { kind: 'again', record: { ...this.#record, missingSinceMs, dueMs: later(missingSinceMs, waitMs) } };
  }

  async #hasList(): Promise<boolean> {
    for await (const _ of this.#deps.metadata.chunkIndexes(this.#record.key)) return true;
    return false;
  }

  /** The commit is known to have happened: what it retired goes, but for what the store will not delete. */
  async #deleteRetired(filesystem: Filesystem): Promise<ReapVerdict> {
    const deletes = await this.#delete(this.#record.retired, filesystem);
    if (deletes.kept.length === 0) return this.#done(deletes, filesystem);
    return this.#goOnWith({ ...this.#record, retired: namesOf(deletes.kept), merged: [] }, deletes);
  }

  /**
   * Nobody knows how the attempt ended, or whether the server still knows of its commit. Two looks, one grace apart, with
   * the fence down at both ends of it, at the same server: one that lost its last writes may have referenced an object
   * again in between.
   */
  async #lookTwice(filesystem: Filesystem, sameServer: boolean): Promise<ReapVerdict> {
    const { stampMs: _, unreferenced, ...record } = this.#record;
    const { key, attempt, retired, merged } = record;
    const stood = await this.#deps.metadata.clearFence(key, attempt);
    const timeBound = this.#deps.metadata.commitForm === 'time-bound';
    if (unreferenced !== undefined && !stood && sameServer) {
      const deletes = await this.#delete(unreferenced, filesystem);
      const kept = new Set(namesOf(deletes.kept));
      if (timeBound) {
        const gone = new Set(unreferenced.filter((name) => !kept.has(name)));
        const rest = withoutNames(record, (name) => gone.has(name));
        return this.#lookOnceMore(rest, deletes, filesystem);
      }
      const rest = withoutNames(record, (name) => !kept.has(name));
      if (kept.size > 0) return this.#goOnWith({ ...rest, unreferenced: [...kept] }, deletes);
      return this.#done(deletes, filesystem);
    }
    // First look, or a fence found standing, or another server, makes it one again: from here on the attempt cannot commit.
    const names = [...retired, ...merged];
    this.#refuseReusable(names, filesystem);
    const found = await this.#lists.look(names, this.#lookFor(filesystem), this.#deps);
    const now = found.unreferenced;
    if (now.length === 0 && !timeBound) return this.#done({ deleted: 0, stillReferenced: names.length }, filesystem);
    // I7: the grace period counts from after the lists were read; a name may have become unreferenced since the look began.
    const dueMs = later(found.atMs, this.#graceMs);
    const next = { ...record, incarnation: this.#incarnation, unreferenced: now, dueMs };
    return { kind: 'again', record: next };
  }

  /**
   * Without a fence a commit may come after the first look: this attempt's own, which lets go what it retires, or that
   * of another attempt at the same list, which lets go what this one merged. By now there can be no more of them, so
   * what has become unreferenced meanwhile gets two looks of its own; what is still referenced, another attempt accounts
   * for. What the store would not delete stays in the record, and is tried again with the others, or by itself.
   */
  async #lookOnceMore(record: ReapRecord, deletes: Deletes, filesystem: Filesystem): Promise<ReapVerdict> {
    const names = [...record.retired, ...record.merged];
    const { unreferenced, atMs } = await this.#lists.look(names, this.#lookFor(filesystem), this.#deps);
    if (unreferenced.length === 0) return this.#done(deletes, filesystem);
    const dueMs = later(atMs, this.#graceMs);
    if (deletes.kept.length === 0) return { kind: 'again', record: { ...record, unreferenced, dueMs } };
    const again = this.#goOnWith({ ...record, unreferenced }, deletes);
    return { ...again, record: { ...again.record, dueMs: latest(dueMs, again.record.dueMs) } };
  }

  /** The record goes: a server that is not the primary any more must not have said that there is nothing to delete. */
  async #done(
    { deleted, stillReferenced }: Pick<Deletes, 'deleted' | 'stillReferenced'>,
    filesystem: Filesystem,
  ): Promise<ReapVerdict> {
    if (deleted === 0) await confirmNothing(this.#deps.guards, this.#about(filesystem));
    return { kind: 'done', deleted, stillReferenced };
  }

  #about(filesystem: Filesystem): Omit<DeleteAbout, 'names'> {
    const { key, incarnation } = this.#lookFor(filesystem);
    return { filesystem, keys: [key], looks: [{ key, incarnation }] };
  }

  /** With what the store would not delete: it may be locked, or under a legal hold, and must not keep the others. */
  #goOnWith(record: ReapRecord, { deleted, kept }: Deletes): ReapVerdict & { readonly kind: 'again' } {
    const [first] = kept;
    const others = kept.length === 1 ? '' : `, nor ${kept.length - 1} others`;
    const why = `${first?.name} could not be deleted (${first?.code})${others}; ${deleted} objects of the record were`;
    return { kind: 'again', record: delayed(record, this.#nowMs), doubt: why, deleted };
  }

  /**
   * A server that lost its last writes gives their chunkIds out again, and a client may be about to reference an object
   * that looks unreferenced. Nothing is deleted until one grace after the ids have passed these.
   */
  #refuseReusable(names: readonly string[], filesystem: Filesystem): void {
    const reusable = names.find((name) => isReusable(name, filesystem));
    if (reusable === undefined) return;
    const why =
      filesystem.lastChunkId === undefined
        ? `does not say which chunkIds are given out (nextChunkId is missing), so that of ${reusable} may come again`
        : `has forgotten the chunkId of ${reusable} and will give it out again`;
    throw this.#refusal(`the metadata server ${why}`);
  }

  /** I7: a fresh look right before the delete; what anything references stays, and the last copy of anything does. */
  async #delete(names: readonly string[], filesystem: Filesystem): Promise<Deletes> {
    const { metadata, nowMs, guards } = this.#deps;
    this.#deps.refuseEarly?.(filesystem);
    const store = this.#deps.objects.forFilesystem(filesystem);
    const look = this.#lookFor(filesystem);
    const going = await deletable(names, look, { metadata, nowMs, store, lists: this.#lists, stored: this.#stored });
    const kept = await guardedDelete({ ...this.#about(filesystem), names: going }, { guards, store });
    return { deleted: going.length - kept.length, stillReferenced: names.length - going.length, kept };
  }

  #lookFor(filesystem: Filesystem): LookFor {
    const { key, dueMs, chunkIndex } = this.#record;
    return {
      key,
      filesystem,
      chunkIndex,
      incarnation: this.#incarnation,
      beganMs: this.#nowMs,
      length: this.#length,
      ...(this.#shares ? { dueMs } : {}),
    };
  }
}
