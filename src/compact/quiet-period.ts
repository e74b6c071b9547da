/**
 * When a file is left alone long enough. A metaserver compares nothing while it commits, and what that endangers happens within
 * seconds of a write (docs/adr/0005): so compact only what nobody has written to for a while, what several clients have written
 * to after a longer one, and trim only what has looked the same twice, on our own clock (docs/adr/0018). It changes nothing.
 */
import { createHash } from 'node:crypto';
import { CompactError, throwIfCancelled } from '../errors.ts';
import { printRecord } from '../format.ts';
import type { Look } from '../ledger.ts';
import type { Inode, InodeKey } from '../model.ts';
import { elapsed, type MonotonicMs, wallMs } from '../time.ts';
import type { CompactDeps, CompactOptions, LookKeeper, PlannedChunk } from './types.ts';

/** A list whose chunkIds do not ascend has several writers: one may hold an id back while others go on. */
export const SEVERAL_WRITERS_TIMES = 10;
/** The two looks at what is beyond the length are as far apart as the quiet period, up to this: a worker waits. */
const TRIM_WAIT_MAX_MS = 60_000;
/** An mtime that is later than this, though ctime is not, was set by a program; it says nothing about writes. */
const FUTURE_MAX_MS = 60 * 60 * 1000;
/** Two clocks, the queue's and the process's, may run apart while a run waits; after so many waits it gives up. */
const WAITS_MAX = 10;

interface Seen {
  readonly digest: string;
  readonly atMs: MonotonicMs;
}

type Plan = () => Promise<PlannedChunk | null>;

export class QuietRule {
  readonly #quietMs: number;
  readonly #deps: CompactDeps;
  readonly #signal: AbortSignal | undefined;
  readonly #keeper: LookKeeper | undefined;
  /** What the inode was like at the first look, and when that was. */
  #first: Look | undefined;
  /** What the chunk in hand needs. */
  #times = 1;
  /** Quiet periods that the chunks of the run need, the fewest and the most. */
  #timesMin = SEVERAL_WRITERS_TIMES;
  #timesMax = 1;
  /** The first look at chunks whose plans trim; as many as an inode has chunks. */
  readonly #seen = new Map<number, Seen>();

  constructor(deps: CompactDeps, options: CompactOptions) {
    this.#quietMs = options.limits.quietMs ?? 0;
    this.#deps = deps;
    this.#signal = options.signal;
    this.#keeper = options.looks;
    this.#first = options.looks?.first;
  }

  /** Throws `inode-busy` (retry) where the file's own times say that it is in use. */
  async check(inode: Inode, times = 1): Promise<void> {
    // Against the clocks of clients, which may be wrong.
    const nowMs = wallMs(await this.#deps.ledger.nowMs());
    const bySomebody = inode.changedMs !== undefined && inode.mtimeMs > nowMs + FUTURE_MAX_MS;
    const quietMs = nowMs - Math.max(bySomebody ? 0 : inode.mtimeMs, inode.changedMs ?? 0);
    const neededMs = this.#quietMs * times;
    if (quietMs >= neededMs) return;
    if (quietMs >= 0)
      throw busy(`it was changed ${inSeconds(quietMs)} ago and must be left alone for ${inSeconds(neededMs)} first`);
    throw busy(
      `its time lies ${inSeconds(-quietMs)} ahead of the clock of the queue's Redis: the clock of a client, or that one, is wrong`,
    );
  }

  /**
   * Before anything is written: the first look at the inode was so long ago, on our own clock, as the chunks of the run
   * need. Where somebody keeps the look it throws `inode-busy` (retry) with the time to come back; else it waits.
   */
  async rested(inode: Inode): Promise<void> {
    await this.check(inode, this.#timesMin);
    const digest = attributesOf(inode);
    let nowMs = await this.#deps.ledger.nowMs();
    const before = this.#first;
    const known = before !== undefined && before.digest === digest && before.atMs <= nowMs;
    const first = known ? before : { digest, atMs: nowMs };
    this.#first = first;
    if (!known) await this.#keeper?.keep(first);
    const neededMs = this.#quietMs * (this.#keeper === undefined ? this.#timesMax : this.#timesMin);
    for (let waits = 0; elapsed(first.atMs, nowMs) < neededMs; nowMs = await this.#deps.ledger.nowMs()) {
      const leftMs = neededMs - elapsed(first.atMs, nowMs);
      // A file that changes from look to look uses up the tries of its job; waiting for a second look does not.
      const retryAfterMs = known || before === undefined ? leftMs : undefined;
      if (this.#keeper !== undefined || waits++ >= WAITS_MAX) throw tooEarly(leftMs, retryAfterMs);
      await this.#sleep(leftMs);
    }
  }

  /** Right before the commit: merging takes minutes, and whoever writes now may hold a lower chunkId. Throws `inode-busy`. */
  readonly again = async (key: InodeKey): Promise<void> => {
    const inode = await this.#deps.metadata.getInode(key);
    if (inode !== null) await this.#checkBoth(inode);
  };

  /** Remembers the first look at a chunk. */
  readonly seen = (planned: PlannedChunk): void => {
    const times = timesOf(planned);
    this.#timesMin = Math.min(this.#timesMin, times);
    this.#timesMax = Math.max(this.#timesMax, times);
    if (trims(planned)) this.#seen.set(planned.before.chunkIndex, this.#look(planned));
  };

  /**
   * The chunk as it may be compacted now, read and planned by `plan`; waits where two looks are not far enough apart.
   * Throws `inode-busy` (retry).
   */
  async settled(chunkIndex: number, plan: Plan): Promise<PlannedChunk | null> {
    const planned = await this.#quietly(plan);
    if (planned === null || !trims(planned)) return planned;
    const first = this.#seen.get(chunkIndex) ?? this.#look(planned);
    const apartMs = Math.min(this.#quietMs, TRIM_WAIT_MAX_MS);
    const waitMs = apartMs - elapsed(first.atMs, this.#deps.clock.monotonicMs());
    let second: PlannedChunk | null = planned;
    if (waitMs > 0) {
      await this.#sleep(waitMs);
      second = await this.#quietly(plan);
    }
    if (second === null || digestOf(second) === first.digest) return second;
    throw busy(`chunk ${chunkIndex} reaches beyond the length of the file, and has changed between two looks at it`);
  }

  async #sleep(waitMs: number): Promise<void> {
    await this.#deps.clock.sleep(waitMs, this.#signal).catch(() => undefined);
    throwIfCancelled(this.#signal, 'the attempt was cancelled between two looks; nothing was written');
  }

  async #quietly(plan: Plan): Promise<PlannedChunk | null> {
    const planned = await plan();
    if (planned === null) return null;
    this.#times = timesOf(planned);
    await this.#checkBoth(planned.inode);
    return planned;
  }

  /** By the clients' clocks, and by ours: whatever a client's clock says, a write changes the times. */
  async #checkBoth(inode: Inode): Promise<void> {
    await this.check(inode, this.#times);
    const first = this.#first;
    if (first === undefined || attributesOf(inode) !== first.digest) {
      throw busy('its times or its length have changed between two looks at it');
    }
    const leftMs = this.#quietMs * this.#times - elapsed(first.atMs, await this.#deps.ledger.nowMs());
    if (leftMs > 0) throw tooEarly(leftMs, leftMs);
  }

  #look(planned: PlannedChunk): Seen {
    return { digest: digestOf(planned), atMs: this.#deps.clock.monotonicMs() };
  }
}

function trims({ decision }: PlannedChunk): boolean {
  return decision.kind === 'plan' && decision.plan.requiredLength !== undefined;
}

/** Quiet periods that a chunk needs. */
function timesOf({ before: { versions } }: PlannedChunk): number {
  const ascends = versions.every((version, n) => version.chunkId >= (versions[n - 1]?.chunkId ?? 0n));
  return ascends ? 1 : SEVERAL_WRITERS_TIMES;
}

/** What every write of a client changes, and no compaction. */
function attributesOf({ length, mtimeMs, changedMs }: Inode): string {
  return `${length} ${mtimeMs} ${changedMs ?? mtimeMs}`;
}

/** The list and the length. Of versions that no commit can replace yet, what they hide and the last one. */
function digestOf({ before }: PlannedChunk): string {
  const hash = createHash('sha256').update(`${before.length}`);
  for (const version of before.versions) hash.update(`\n${printRecord(version)}`);
  if (before.above !== undefined) {
    const { extents, last } = before.above;
    for (const { offset, len } of extents) hash.update(`\n${offset} ${len}`);
    hash.update(`\n${last.position} ${printRecord(last.version)}`);
  }
  return hash.digest('hex');
}

function busy(why: string, retryAfterMs?: number): CompactError {
  return new CompactError(`the file is in use: ${why}; it is tried again later`, {
    kind: 'retry',
    code: 'inode-busy',
    retryAfterMs,
  });
}

function tooEarly(leftMs: number, retryAfterMs: number | undefined): CompactError {
  return busy(
    `or may be: only a second look, ${inSeconds(leftMs)} from now, tells that it was left alone`,
    retryAfterMs,
  );
}

function inSeconds(ms: number): string {
  return Math.abs(ms) >= 1000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms)} ms`;
}
