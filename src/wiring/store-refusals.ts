/**
 * Whether a store that answers refuses everybody: revoked keys, a policy, a missing bucket, a quota that is full. One
 * object may be refused for reasons of its own, so it takes two inodes in a row, or three runs, with nothing of the kind
 * served in between. Like server-health.ts it asks nothing itself: a job that is let through now and then finds out when
 * it is over. It must not decide what happens to a job.
 */
import type { CompactError, ErrorCode } from '../errors.ts';
import type { ObjectOperation } from '../objects/retrying-store.ts';
import { refusedKeys } from '../objects/s3/errors.ts';

/** What a store that refuses looks like. */
const REFUSAL_CODES: ReadonlySet<string> = new Set<ErrorCode>(['access-denied', 'bucket-missing', 'store-refused']);
const INODES_MIN = 2;
const RUNS_MIN = 3;
/** A refusal this old says nothing about now. */
const LATELY_MS = 60_000;

/** A store that takes no writes still serves reads, and deletes are what empties a full one. */
export type RefusalKind = 'reads' | 'writes';

const KIND_OF: Partial<Readonly<Record<ObjectOperation, RefusalKind>>> = { get: 'reads', head: 'reads', put: 'writes' };

/** On whose behalf a request was made. */
interface Witness {
  /** One object for each run. */
  readonly run: object;
  readonly inode: string;
}

/** `none`: as far as is known, a refusal is about its inode. `maybe`: all runs were refused. `sure`: whatever the inode. */
export type Refusing = 'none' | 'maybe' | 'sure';

interface Refusal {
  readonly inodes: Set<string>;
  readonly runs: WeakSet<object>;
  runCount: number;
  /** Of the keys or the bucket: never about one inode. */
  certain: boolean;
  message: string;
  atMs: number;
}

export function isRefusal(code: string | undefined): boolean {
  return code !== undefined && REFUSAL_CODES.has(code);
}

export class StoreRefusals {
  readonly #nowMs: () => number;
  readonly #refused = new Map<RefusalKind, Refusal>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  refused(op: ObjectOperation, error: CompactError, { run, inode }: Witness): void {
    const kind = KIND_OF[op];
    if (kind === undefined || !isRefusal(error.code)) return;
    const refusal = this.#lately(kind) ?? fresh();
    this.#refused.set(kind, refusal);
    if (!refusal.runs.has(run)) refusal.runCount++;
    refusal.runs.add(run);
    // Enough to know; the set must not grow with an outage.
    if (refusal.inodes.size < INODES_MIN) refusal.inodes.add(inode);
    refusal.certain ||= error.code === 'bucket-missing' || refusedKeys(error);
    refusal.message = error.message;
    refusal.atMs = this.#nowMs();
  }

  /** A request was served. */
  served(op: ObjectOperation): void {
    const kind = KIND_OF[op];
    if (kind !== undefined) this.#refused.delete(kind);
  }

  state(kinds: readonly RefusalKind[] = ['reads', 'writes']): Refusing {
    const states = kinds.map((kind) => refusingOf(this.#lately(kind)));
    return states.find((state) => state === 'sure') ?? states.find((state) => state === 'maybe') ?? 'none';
  }

  /** What the store said last, where it refuses everybody. */
  message(kinds: readonly RefusalKind[] = ['reads', 'writes']): string | undefined {
    for (const kind of kinds) {
      const refusal = this.#lately(kind);
      if (refusingOf(refusal) !== 'none') return refusal?.message;
    }
    return undefined;
  }

  #lately(kind: RefusalKind): Refusal | undefined {
    const refusal = this.#refused.get(kind);
    return refusal !== undefined && this.#nowMs() - refusal.atMs < LATELY_MS ? refusal : undefined;
  }
}

function fresh(): Refusal {
  return { inodes: new Set(), runs: new WeakSet(), runCount: 0, certain: false, message: '', atMs: 0 };
}

function refusingOf(refusal: Refusal | undefined): Refusing {
  if (refusal === undefined) return 'none';
  if (refusal.certain || refusal.inodes.size >= INODES_MIN) return 'sure';
  return refusal.runCount >= RUNS_MIN ? 'maybe' : 'none';
}
