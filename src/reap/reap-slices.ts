/**
 * One look at one due reap record of a volume of slices. The fence tells what became of the attempt: it never commits, so
 * what it wrote goes one grace later; or it has committed, and what it let go is deleted by the clients' hourly jobs, or here,
 * where there is no trash. Nothing is deleted through a server other than the one that the attempt has seen. Doubt deletes
 * nothing and drops nothing (I10). It never changes a list.
 */
import { CompactError, toError } from '../errors.ts';
import { blockCount, sliceObject } from '../layout/slices/index.ts';
import type { ReapRecord } from '../ledger.ts';
import type { FenceState, RetiredSlice, SliceCommits } from '../metadata/slice-commits.ts';
import type { SliceVolume, VolumeSetting } from '../metadata/slice-volume.ts';
import type { Filesystem } from '../model.ts';
import type { ObjectStore } from '../objects/port.ts';
import { type LedgerMs, later } from '../time.ts';
import { type DeleteGuard, guardedDelete } from './delete-guard.ts';
import { delayed, type ReapVerdict } from './reap-record.ts';

/** What is not due yet is looked at again after this part of the grace period; a delayed delete is in whole seconds. */
const EARLY_SHARE = 10;
const EARLY_MIN_MS = 1_000;

export interface SliceReapDeps {
  readonly volume: SliceVolume;
  readonly commits: SliceCommits;
  readonly filesystemOf: (setting: VolumeSetting) => Filesystem;
  readonly objectsOf: (setting: VolumeSetting) => ObjectStore;
  /** The ledger's clock. */
  readonly nowMs: () => Promise<LedgerMs>;
  readonly graceMs: number;
  /** What else must allow a delete. */
  readonly guards?: readonly DeleteGuard[];
}

/** Looks at a record once. Never throws for what the outside does: that is doubt. */
export async function reapSlices(record: ReapRecord, deps: SliceReapDeps): Promise<ReapVerdict> {
  const nowMs = await deps.nowMs();
  if (nowMs < record.dueMs) return { kind: 'again', record };
  try {
    return await new Look(record, nowMs, deps).look();
  } catch (error) {
    return { kind: 'again', record: delayed(record, nowMs), doubt: toError(error).message };
  }
}

class Look {
  readonly #record: ReapRecord;
  readonly #nowMs: LedgerMs;
  readonly #deps: SliceReapDeps;

  constructor(record: ReapRecord, nowMs: LedgerMs, deps: SliceReapDeps) {
    this.#record = record;
    this.#nowMs = nowMs;
    this.#deps = deps;
  }

  async look(): Promise<ReapVerdict> {
    const { commits, volume } = this.#deps;
    const { attempt, merged } = this.#record;
    const setting = await volume.setting();
    this.#checkVolume(setting);
    const server = await this.#primary();
    const fence = await commits.clear(attempt);
    if (server !== this.#record.incarnation) return this.#otherServer(fence, { server, setting });
    if (fence.state === 'cleared') return this.#deleteInVain(merged, setting);
    // With a trash it is the clients' to delete, after its days.
    const isTheirs = fence.state === 'committed' && setting.trashDays > 0;
    const state = fence.state !== 'committed' || isTheirs ? fence : await commits.release(attempt);
    if (state === 'early') return this.#againIn(Math.max(EARLY_MIN_MS, Math.ceil(this.#graceMs / EARLY_SHARE)));
    if (state.state === 'deleting') return this.#delete(namesOf(state.slices, setting), setting, state.slices);
    return this.#done();
  }

  /**
   * A server that was restarted or replaced may have lost its last writes, and the one before it may come back: what was
   * written in vain is left to `juicefs gc --delete`. What was let go waits once more.
   */
  async #otherServer(
    fence: FenceState,
    { server, setting }: { readonly server: string; readonly setting: VolumeSetting },
  ): Promise<ReapVerdict> {
    const isOurs = fence.state === 'deleting' || (fence.state === 'committed' && setting.trashDays === 0);
    if (!isOurs) return this.#done();
    return this.#againIn(this.#graceMs, { ...this.#record, incarnation: server });
  }

  /** Of the connection that the work uses, once it is confirmed that everybody writes to it. */
  async #primary(): Promise<string> {
    const server = await this.#deps.commits.confirmPrimary();
    if (server === (await this.#deps.commits.incarnation())) return server;
    throw this.#refusal('the metadata server became another one meanwhile');
  }

  #checkVolume({ uuid, store, volume }: VolumeSetting): void {
    const { storeId, fsUuid, bucket } = this.#record;
    const own = this.#deps.commits.storeId;
    if (storeId !== own) throw this.#refusal(`it belongs to the metadata store ${storeId}, this process serves ${own}`);
    if (uuid !== fsUuid) throw this.#refusal(`the volume is another one now (${volume}, ${uuid})`);
    if (store?.bucket !== bucket) throw this.#refusal('the volume keeps its objects in another bucket now');
  }

  #refusal(why: string): CompactError {
    const { attempt, fsUuid, key } = this.#record;
    return new CompactError(`the reap record of attempt ${attempt} (volume ${fsUuid}) is left alone: ${why}`, {
      kind: 'retry',
      code: 'filesystem-missing',
      inode: key,
    });
  }

  /** A PUT that nobody waits for any more may land after a delete, and no look would come again: they go one grace later (I12). */
  async #deleteInVain(merged: readonly string[], setting: VolumeSetting): Promise<ReapVerdict> {
    if (merged.length === 0 || this.#record.unreferenced !== undefined) return this.#delete(merged, setting);
    return this.#againIn(this.#graceMs, { ...this.#record, unreferenced: merged });
  }

  async #delete(
    names: readonly string[],
    setting: VolumeSetting,
    gone: readonly RetiredSlice[] = [],
  ): Promise<ReapVerdict> {
    const { filesystemOf, objectsOf, guards = [] } = this.#deps;
    const { key, incarnation = '' } = this.#record;
    const isSame: DeleteGuard = async () => {
      if ((await this.#primary()) !== incarnation) throw this.#refusal('the metadata server became another one');
    };
    const about = { filesystem: filesystemOf(setting), keys: [key], looks: [], names };
    const kept = await guardedDelete(about, { guards: [...guards, isSame], store: objectsOf(setting) });
    const [first] = kept;
    if (first === undefined) return this.#done(names.length, gone);
    const doubt = `${first.name} could not be deleted (${first.code}), nor ${kept.length - 1} others`;
    const deleted = names.length - kept.length;
    return { kind: 'again', record: delayed(this.#record, this.#nowMs), doubt, deleted };
  }

  get #graceMs(): number {
    return Math.max(this.#deps.graceMs, this.#record.graceMs ?? 0);
  }

  #againIn(ms: number, record = this.#record): ReapVerdict {
    return { kind: 'again', record: { ...record, dueMs: later(this.#nowMs, ms) } };
  }

  async #done(deleted = 0, gone: readonly RetiredSlice[] = []): Promise<ReapVerdict> {
    await this.#deps.commits.forget(this.#record.attempt, gone);
    return { kind: 'done', deleted, stillReferenced: 0 };
  }
}

function namesOf(slices: readonly RetiredSlice[], setting: VolumeSetting): string[] {
  return slices.flatMap(({ id, size }) =>
    Array.from({ length: blockCount(size, setting.blockSize) }, (_, n) => sliceObject(id, size, n, setting).name),
  );
}
