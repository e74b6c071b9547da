/**
 * Holds: until one is released or has ended nothing of its file system is deleted, so that a backup of the metadata stays
 * good (docs/adr/0022). The truth is one small object for each hold in the bucket itself. Whoever deletes lists them first, and
 * what that allows lasts for PERMIT_MS; whoever makes one waits until all that was allowed before has run out. What it cannot
 * find out is doubt (I10). It never ends a hold by itself.
 */
import type { Clock } from '../clock.ts';
import { CompactError } from '../errors.ts';
import { holdNamesBegin, ownerObjectName } from '../format.ts';
import type { Filesystem } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import { elapsed, type LedgerMs, later, ledgerMs, type MonotonicMs, wallMs } from '../time.ts';
import { readNote } from './bucket-notes.ts';
import { type DeleteGuard, type DeletePermit, outOfTime } from './delete-guard.ts';
import {
  checkHoldRequest,
  HOLDS_MAX,
  type Hold,
  type HoldState,
  isHoldId,
  judgeHold,
  parseHold,
  printHold,
} from './hold-note.ts';

/** What a listing without a hold allows lasts so long from when the listing began. */
const PERMIT_MS = 30_000;
/** Deletes that begin so soon after a listing share it; the rest of the permit is theirs. */
const SHARED_MS = 10_000;
/** The longest that a store may still carry out a request that nobody waits for any more. */
const ON_THE_WAY_MS = 60_000;
/** After this nothing is deleted that was allowed before the hold could be seen. */
export const SETTLE_MS = PERMIT_MS + ON_THE_WAY_MS;
/** A hold that was seen stands for so long without another look: that only delays. */
const SEEN_MS = 60_000;
/** Looks for a hold that was just written, a second apart: until a listing shows it, it holds nothing. */
const SHOWN_TRIES_MAX = 30;
const SHOWN_PAUSE_MS = 1_000;
/** Of a listing of owners and holds; mostly one. */
const PAGES_MAX = 10;
/** Holds whose text is remembered: it never changes. */
const KNOWN_MAX = 10_000;

interface HoldsDeps {
  readonly objects: ObjectStores;
  /** The ledger's clock. */
  readonly nowMs: () => Promise<LedgerMs>;
  /** This host's, ms since 1970: it only doubts the ledger's. */
  readonly hostNowMs: () => number;
  readonly clock: Clock;
  /** Lower-case letters and digits, another one each time. */
  readonly newId: () => string;
}

export type FoundHold = HoldState & { readonly id: string };

export interface HoldRequest {
  readonly reason: string;
  readonly by: string;
  /** From the answer on; absent: until it is released. */
  readonly forMs?: number;
}

interface Known {
  readonly hold: Hold;
  /** When its rest will have passed by the monotonic clock; absent: it has no end, or had ended when it was first seen. */
  readonly leftUntilMs?: MonotonicMs;
}

/** Of one file system, what the last listing came to. */
interface Look {
  readonly beganMs: MonotonicMs;
  readonly free: Promise<void>;
  held?: CompactError;
}

export class Holds {
  readonly #deps: HoldsDeps;
  readonly #looks = new Map<string, Look>();
  readonly #known = new Map<string, Known>();

  constructor(deps: HoldsDeps) {
    this.#deps = deps;
  }

  /** Throws `held` (retry) while one stands, something else where that cannot be known. */
  readonly guard: DeleteGuard = async ({ filesystem, names }) => {
    // Nothing is deleted: nothing is held.
    if (names.length === 0) return undefined;
    const look = this.#look(filesystem);
    await look.free;
    return this.#permit(later(look.beganMs, PERMIT_MS));
  };

  /** Throws `held` where a hold stood within the last minute: spares whoever would be refused later a look at everything. */
  readonly refuseEarly = (filesystem: Filesystem): void => {
    const look = this.#looks.get(idOf(filesystem));
    if (look?.held !== undefined && elapsed(look.beganMs, this.#deps.clock.monotonicMs()) < SEEN_MS) throw look.held;
  };

  /** All that are in the bucket, also ended ones, as they are now. Throws CompactError where that cannot be known. */
  async list(filesystem: Filesystem): Promise<readonly FoundHold[]> {
    const ids = await this.#ids(filesystem);
    const found: FoundHold[] = [];
    for (const id of ids) {
      const state = await this.#state(filesystem, id);
      if (state !== null) found.push({ id, ...state });
      // Released meanwhile; but a store that shows what it cannot find is not believed.
      else if ((await this.#ids(filesystem)).includes(id))
        found.push({ id, kind: 'doubt', why: 'the bucket lists it and does not find it' });
    }
    return found;
  }

  /**
   * Answers when the hold holds: nothing that a list references now is deleted until its end. `onWaiting` hears of the
   * wait. A call that fails may have left a hold behind, which deletes nothing.
   */
  async make(
    filesystem: Filesystem,
    { reason, by, forMs }: HoldRequest,
    options: { readonly signal?: AbortSignal; readonly onWaiting?: (id: string, ms: number) => void } = {},
  ): Promise<{ readonly id: string; readonly hold: Hold }> {
    const { signal, onWaiting } = options;
    checkHoldRequest(reason, forMs);
    await this.#makeRoom(filesystem);
    const { nowMs, newId, objects, clock } = this.#deps;
    const [id, sinceMs] = [newId(), wallMs(await nowMs())];
    const end = forMs === undefined ? {} : { untilMs: sinceMs + SETTLE_MS + forMs };
    const hold: Hold = { fsId: filesystem.fsId, uuid: filesystem.uuid, reason, by, sinceMs, ...end };
    const store = objects.forFilesystem(filesystem);
    await store.putIfAbsent(`${holdNamesBegin(filesystem.fsId)}${id}`, Buffer.from(printHold(hold)), signal);
    await this.#untilShown(filesystem, id, signal);
    onWaiting?.(id, SETTLE_MS);
    await clock.sleep(SETTLE_MS, signal);
    await this.#untilShown(filesystem, id, signal);
    return { id, hold };
  }

  /** `false`: there was none. Throws `store-refused` (halt) when the store will not delete it. */
  async release(filesystem: Filesystem, id: string): Promise<boolean> {
    if (!isHoldId(id) || !(await this.#ids(filesystem)).includes(id)) return false;
    const name = `${holdNamesBegin(filesystem.fsId)}${id}`;
    const [failure] = await this.#deps.objects.forFilesystem(filesystem).delete([name]);
    const left = failure?.code ?? ((await this.#ids(filesystem)).includes(id) ? 'it is still there' : undefined);
    this.#looks.delete(idOf(filesystem));
    if (left === undefined) return true;
    throw new CompactError(
      `hold ${id} of file system ${filesystem.fsId} could not be released (${left}); allow deletes of objects whose names begin with s3compact-`,
      { kind: 'halt', code: 'store-refused' },
    );
  }

  /** The listing that is new enough, or another one. */
  #look(filesystem: Filesystem): Look {
    const id = idOf(filesystem);
    const beganMs = this.#deps.clock.monotonicMs();
    const before = this.#looks.get(id);
    if (before !== undefined && elapsed(before.beganMs, beganMs) < SHARED_MS) return before;
    const look: Look = { beganMs, free: this.refuseHeld(filesystem) };
    look.free.catch((error: unknown) => {
      if (error instanceof CompactError && error.code === 'held') look.held = error;
      // What could not be found out is asked again at once.
      else if (this.#looks.get(id) === look) this.#looks.delete(id);
    });
    this.#looks.set(id, look);
    return look;
  }

  /** Throws `held` (retry) while one stands, something else where that cannot be known; as the bucket says it now. */
  async refuseHeld(filesystem: Filesystem): Promise<void> {
    const found = await this.list(filesystem);
    const { fsId } = filesystem;
    const standing = found.find(({ kind }) => kind === 'stands');
    if (standing?.kind === 'stands') {
      throw new CompactError(
        `file system ${fsId} is held by ${describeHold(standing.id, standing.hold)}; nothing is deleted until it has ended or "s3compact hold release ${fsId} ${standing.id}"`,
        { kind: 'retry', code: 'held' },
      );
    }
    const doubtful = found.find((one) => one.kind === 'doubt');
    if (doubtful?.kind !== 'doubt') return;
    throw doubt(
      `whether hold ${doubtful.id} of file system ${fsId} stands is not known: ${doubtful.why}; nothing is deleted. If nobody needs it, say "s3compact hold release ${fsId} ${doubtful.id}"`,
    );
  }

  #permit(untilMs: MonotonicMs): DeletePermit {
    const { clock } = this.#deps;
    const [time, ended] = [new AbortController(), new AbortController()];
    const check = (): void => {
      if (clock.monotonicMs() < untilMs) return;
      time.abort(outOfTime());
      throw outOfTime();
    };
    const leftMs = Math.max(0, elapsed(clock.monotonicMs(), untilMs));
    clock.sleep(leftMs, ended.signal).then(
      () => time.abort(outOfTime()),
      () => undefined,
    );
    return { signal: time.signal, check, end: () => ended.abort() };
  }

  /** All names that begin as the owner's: that one first, which shows that this is the listing of our bucket, then holds. */
  async #ids(filesystem: Filesystem): Promise<readonly string[]> {
    const { fsId, bucket } = filesystem;
    const [owner, begin] = [ownerObjectName(fsId), holdNamesBegin(fsId)];
    const store = this.#deps.objects.forFilesystem(filesystem);
    const names: string[] = [];
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const { objects, more } = await store.list(names.at(-1), undefined, owner);
      names.push(...objects.map(({ name }) => name));
      if (names[0] !== owner) {
        throw doubt(
          `bucket ${bucket} shows no owner of the objects of file system ${fsId}, so its listing cannot be believed to show holds; nothing is deleted`,
        );
      }
      if (!more) return names.flatMap((name) => (name.startsWith(begin) ? [name.slice(begin.length)] : []));
    }
    throw doubt(`bucket ${bucket} has more objects named ${owner}… than can be listed; nothing is deleted`);
  }

  /** `null`: it was released meanwhile. */
  async #state(filesystem: Filesystem, id: string): Promise<HoldState | null> {
    const { clock, nowMs, hostNowMs } = this.#deps;
    const name = `${holdNamesBegin(filesystem.fsId)}${id}`;
    const key = JSON.stringify([filesystem.bucket, name]);
    let known = this.#known.get(key);
    if (known === undefined) {
      const text = await readNote(this.#deps.objects.forFilesystem(filesystem), name);
      if (text === null) return null;
      const hold = text === undefined ? undefined : parseHold(text);
      if (hold === undefined) return judgeHold(undefined, filesystem, { ledgerMs: ledgerMs(0), hostMs: 0 });
      known = { hold };
    }
    const times = { ledgerMs: await nowMs(), hostMs: hostNowMs() };
    const { hold, leftUntilMs } = known;
    const leftMs = leftUntilMs === undefined ? 0 : elapsed(clock.monotonicMs(), leftUntilMs);
    const state = judgeHold(hold, filesystem, { ...times, leftMs });
    if (state.kind === 'stands' && known.leftUntilMs === undefined && hold.untilMs !== undefined) {
      known = { hold, leftUntilMs: later(clock.monotonicMs(), hold.untilMs - wallMs(times.ledgerMs)) };
    }
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(key, known);
    return state;
  }

  /** Ended holds give way to a new one. */
  async #makeRoom(filesystem: Filesystem): Promise<void> {
    const found = await this.list(filesystem);
    for (const { kind, id } of found) if (kind === 'ended') await this.release(filesystem, id);
    const left = found.filter(({ kind }) => kind !== 'ended').length;
    if (left < HOLDS_MAX) return;
    const { fsId } = filesystem;
    throw new CompactError(
      `file system ${fsId} has ${left} holds, and may have ${HOLDS_MAX}; release what nobody needs ("s3compact hold list ${fsId}")`,
      { kind: 'halt', code: 'settings-invalid' },
    );
  }

  /** I4's like: a store that acknowledges and does not keep, or shows late, holds nothing. */
  async #untilShown(filesystem: Filesystem, id: string, signal: AbortSignal | undefined): Promise<void> {
    for (let tries = 0; tries < SHOWN_TRIES_MAX; tries++) {
      const state = (await this.#ids(filesystem)).includes(id) ? await this.#state(filesystem, id) : null;
      if (state?.kind === 'stands') return;
      await this.#deps.clock.sleep(SHOWN_PAUSE_MS, signal);
    }
    throw new CompactError(
      `bucket ${filesystem.bucket} acknowledged hold ${id} of file system ${filesystem.fsId} and does not show it: nothing is held`,
      { kind: 'halt', code: 'store-refused' },
    );
  }
}

/** As in "held by hold 1a2b (backup, by host:1, since …)". */
function describeHold(id: string, { reason, by, sinceMs, untilMs }: Hold): string {
  const end = untilMs === undefined ? '' : `, until ${new Date(untilMs).toISOString()}`;
  return `hold ${id} ("${reason}", by ${by}, since ${new Date(sinceMs).toISOString()}${end})`;
}

function idOf({ bucket, fsId, uuid }: Filesystem): string {
  return JSON.stringify([bucket, fsId, uuid]);
}

function doubt(why: string): CompactError {
  return new CompactError(why, { kind: 'retry', code: 'store-refused' });
}
