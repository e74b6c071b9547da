/**
 * When a file is left alone long enough. A metaserver compares nothing while it commits: a version that was appended with
 * a lower chunkId since the list was read would be removed unseen, a client that repeats an append would bring an old
 * version back to the top, and a length may be older than the list that came with it. Such things happen within seconds
 * of a write, so they are kept out by time (docs/adr/0005): compact only what nobody has written to for a while, what
 * several clients have written to after a longer one, and trim only what has looked the same twice. It changes nothing.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { CompactError } from '../errors.ts';
import { printRecord } from '../format.ts';
import type { ReapLedger } from '../ledger.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Inode, InodeKey } from '../model.ts';
import type { PlannedChunk } from './choose-chunks.ts';
import type { CompactDeps, CompactOptions } from './types.ts';

/** A list whose chunkIds do not ascend has several writers: one may hold an id back while others go on. */
export const SEVERAL_WRITERS_TIMES = 10;
/** The two looks at what is beyond the length are as far apart as the quiet period, up to this: a worker waits. */
export const TRIM_WAIT_MAX_MS = 60_000;
/** A later mtime was set by a program; it says nothing about writes. */
const FUTURE_MAX_MS = 60 * 60 * 1000;

interface Seen {
  readonly digest: string;
  readonly atMs: number;
}

type Plan = () => Promise<PlannedChunk | null>;

export class QuietRule {
  readonly #quietMs: number;
  readonly #ledger: ReapLedger;
  readonly #clock: Clock;
  readonly #metadata: MetadataStore;
  readonly #signal: AbortSignal | undefined;
  /** What the chunk in hand needs. */
  #times = 1;
  /** The first look at chunks whose plans trim; as many as an inode has chunks. */
  readonly #seen = new Map<number, Seen>();

  private constructor(deps: CompactDeps, options: CompactOptions) {
    this.#quietMs = options.limits.quietMs ?? 0;
    this.#ledger = deps.ledger;
    this.#clock = deps.clock;
    this.#metadata = deps.metadata;
    this.#signal = options.signal;
  }

  /** `null` where the store's commits compare. */
  static of(deps: CompactDeps, options: CompactOptions): QuietRule | null {
    return deps.metadata.commitForm === 'fenced' ? null : new QuietRule(deps, options);
  }

  /** Throws `inode-busy` (retry) unless the inode was left alone for so many quiet periods. */
  async check(inode: Inode, times = 1): Promise<void> {
    const nowMs = await this.#ledger.nowMs();
    const mtimeMs = inode.mtimeMs > nowMs + FUTURE_MAX_MS ? 0 : inode.mtimeMs;
    const quietMs = nowMs - Math.max(mtimeMs, inode.changedMs ?? 0);
    const neededMs = this.#quietMs * times;
    if (quietMs >= neededMs) return;
    throw busy(`it was changed ${told(quietMs)} ago and must be left alone for ${told(neededMs)} first`);
  }

  /** Right before the commit: merging takes minutes, and whoever writes now may hold a lower chunkId. Throws as `check`. */
  readonly again = async (key: InodeKey): Promise<void> => {
    const inode = await this.#metadata.getInode(key);
    if (inode !== null) await this.check(inode, this.#times);
  };

  /** Remembers the first look at a chunk. */
  readonly seen = (planned: PlannedChunk): void => {
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
    const waitMs = first.atMs + apartMs - this.#clock.monotonicMs();
    const second = waitMs > 0 ? await this.#after(waitMs, plan) : planned;
    if (second === null || digestOf(second) === first.digest) return second;
    throw busy(`chunk ${chunkIndex} reaches beyond the length of the file, and has changed between two looks at it`);
  }

  async #after(waitMs: number, plan: Plan): Promise<PlannedChunk | null> {
    await this.#clock.sleep(waitMs, this.#signal).catch(() => undefined);
    if (this.#signal?.aborted !== true) return this.#quietly(plan);
    throw new CompactError('the attempt was cancelled between two looks; nothing was written', {
      kind: 'retry',
      code: 'cancelled',
    });
  }

  async #quietly(plan: Plan): Promise<PlannedChunk | null> {
    const planned = await plan();
    if (planned === null) return null;
    this.#times = ascends(planned) ? 1 : SEVERAL_WRITERS_TIMES;
    await this.check(planned.inode, this.#times);
    return planned;
  }

  #look(planned: PlannedChunk): Seen {
    return { digest: digestOf(planned), atMs: this.#clock.monotonicMs() };
  }
}

function trims({ decision }: PlannedChunk): boolean {
  return decision.kind === 'plan' && decision.plan.requiredLength !== undefined;
}

function ascends({ before: { versions } }: PlannedChunk): boolean {
  return versions.every((version, n) => version.chunkId >= (versions[n - 1]?.chunkId ?? 0n));
}

/** The list and the length. */
function digestOf({ before }: PlannedChunk): string {
  const hash = createHash('sha256').update(`${before.length}`);
  for (const version of before.versions) hash.update(`\n${printRecord(version)}`);
  return hash.digest('hex');
}

function busy(why: string): CompactError {
  return new CompactError(`the file is in use: ${why}; it is tried again later`, { kind: 'retry', code: 'inode-busy' });
}

function told(ms: number): string {
  return Math.abs(ms) >= 1000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms)} ms`;
}
