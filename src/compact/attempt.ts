/**
 * An attempt: one run over one inode, its number (42 bits of milliseconds, 10 random ones, 12 that count merged versions), its
 * lease and its end, at which it hands over what it leaves behind. The number is the fence on the inode and the `compaction` of all that the
 * attempt writes, so no two share an object name, whatever locks or clocks do (I3). It must never be derived from a list.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { CompactError, toError } from '../errors.ts';
import type { ReapLedger, ReapRecord } from '../ledger.ts';
import type { MetadataStore } from '../metadata/port.ts';
import { type InodeKey, MERGED_VERSION_BITS } from '../model.ts';
import { elapsed, type LedgerMs, later, ledgerMs, type MonotonicMs, wallMs } from '../time.ts';

const RANDOM_BITS = 10;
const TIME_MAX_MS = 2 ** 42;

/** Below every id of that millisecond. */
export function attemptIdAt(ms: LedgerMs): bigint {
  return BigInt(Math.floor(wallMs(ms))) << BigInt(RANDOM_BITS + MERGED_VERSION_BITS);
}

/** Makes ids that never repeat within the process; `random` is for tests and gives an integer below its argument. */
export class AttemptIds {
  #lastMs = 0;
  readonly #random: (below: number) => number;

  constructor(random: (below: number) => number = (below) => randomInt(below)) {
    this.#random = random;
  }

  /**
   * A new id for the time `nowMs` (ms since 1970, the ledger's clock); its lowest 12 bits are 0. Throws `queue-unfit` (halt) for a
   * clock that no number can be made of.
   */
  next(nowMs: LedgerMs): bigint {
    // A clock that stands still or steps back must not bring a number back.
    const ms = Math.max(Math.floor(wallMs(nowMs)), this.#lastMs + 1);
    if (ms >= TIME_MAX_MS) {
      throw new CompactError(
        `the clock of the queue's Redis is ${wallMs(nowMs)} ms after 1970, which is beyond the year 2109; nothing was begun. Set the clock of that server right`,
        { kind: 'halt', code: 'queue-unfit' },
      );
    }
    this.#lastMs = ms;
    return (
      attemptIdAt(ledgerMs(this.#lastMs)) | (BigInt(this.#random(2 ** RANDOM_BITS)) << BigInt(MERGED_VERSION_BITS))
    );
  }
}

interface AttemptOptions {
  readonly id: bigint;
  readonly key: InodeKey;
  readonly clock: Clock;
  /** Monotonic time read before the ledger's clock was: the lease never ends later here than there. */
  readonly startedAtMs: MonotonicMs;
  readonly leaseMs: number;
  /** When the attempt's reap records become due, ledger's clock. */
  readonly dueMs: LedgerMs;
  /** The metadata server's incarnation, asked for before the fence was set. */
  readonly incarnation: string;
}

export interface AddedRecord {
  readonly id: string;
  readonly record: ReapRecord;
}

/** The delay between two tries of what an attempt must know or hand over. */
export const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;

/** Waits, unless somebody asks to stop meanwhile; returns the next delay. */
export async function waitToRetry(
  delayMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<number> {
  await clock.sleep(delayMs, signal).catch(() => undefined);
  return Math.min(RETRY_MAX_MS, delayMs * 2);
}

/** A running attempt. After the lease it may neither write nor commit: its reap records may be looked at from then on. */
export class Attempt {
  readonly id: bigint;
  readonly key: InodeKey;
  readonly dueMs: LedgerMs;
  readonly incarnation: string;
  /** Reap records whose chunk was not committed; they are made due when the attempt is over. */
  readonly abandoned: AddedRecord[] = [];
  readonly #clock: Clock;
  readonly #leaseEndsMs: MonotonicMs;

  constructor(options: AttemptOptions) {
    this.id = options.id;
    this.key = options.key;
    this.dueMs = options.dueMs;
    this.incarnation = options.incarnation;
    this.#clock = options.clock;
    this.#leaseEndsMs = later(options.startedAtMs, options.leaseMs);
  }

  /** What is left of the lease, ms; negative when it is over. */
  leaseLeftMs(): number {
    return elapsed(this.#clock.monotonicMs(), this.#leaseEndsMs);
  }

  /**
   * The same by the ledger's clock: a process whose own clock stood still (a suspended machine) learns only there that its
   * reap records have been looked at since.
   */
  checkDue(nowMs: LedgerMs, forMs: number): void {
    if (later(nowMs, forMs) < this.dueMs) return;
    throw this.#expired();
  }

  /** Throws `lease-expired` (retry) unless the lease lasts at least `forMs` more. */
  checkLease(forMs: number): void {
    if (this.leaseLeftMs() <= forMs) throw this.#expired();
  }

  #expired(): CompactError {
    return new CompactError(
      'the attempt outlived its lease and was given up before the next step; raise S3COMPACT_LEASE or lower the run budget if this repeats',
      { kind: 'retry', code: 'lease-expired' },
    ).withInode(this.key);
  }
}

interface EndDeps {
  readonly metadata: MetadataStore;
  readonly ledger: ReapLedger;
  readonly clock: Clock;
  /** Who is asked to stop tries once more, at once. */
  readonly signal?: AbortSignal;
}

/**
 * Ends an attempt: no fence is left standing, and records of chunks that were not committed are worked off now. It goes on
 * where everything else gives up, until the lease ends (I8): a ledger that is away may come back without its last second, and
 * so without the records; then nobody but the attempt still knows of its objects (I12). Never throws; what could not be done
 * is reported as a warning.
 */
export async function endAttempt(attempt: Attempt, deps: EndDeps): Promise<string | undefined> {
  let delayMs = RETRY_FIRST_MS;
  for (;;) {
    const last = deps.signal?.aborted === true || attempt.leaseLeftMs() <= delayMs;
    const fault = await handOver(attempt, deps);
    if (fault === undefined) return undefined;
    const mayPass = fault instanceof CompactError && fault.kind === 'retry';
    // With its records handed over nothing is left to be known: their first look clears a fence that still stands.
    if (last || !mayPass || attempt.abandoned.length === 0) {
      return `the attempt could not be closed (${fault.message}); its reap records do that when the lease ends`;
    }
    delayMs = await waitToRetry(delayMs, deps);
  }
}

/** What stood in the way. A record that was handed over is not handed over again. */
async function handOver({ key, id: attemptId, abandoned }: Attempt, deps: EndDeps): Promise<Error | undefined> {
  let fault: Error | undefined;
  try {
    await deps.metadata.clearFence(key, attemptId);
  } catch (error) {
    fault = toError(error);
  }
  try {
    for (let next = abandoned[0]; next !== undefined; next = abandoned[0]) {
      await deps.ledger.expedite(next.id, next.record);
      abandoned.shift();
    }
  } catch (error) {
    fault = toError(error);
  }
  return fault;
}
