/**
 * Times that must not be mixed (I7): the ledger's, which is the queue Redis's TIME and stands in records, and a process's
 * own monotonic one. Each is a number when the program runs and none to the compiler: so it refuses to subtract or compare
 * two clocks, and to store `Date.now()` as either. It stands alone because ports and policy speak of both. It reads no clock.
 */

declare const clock: unique symbol;

/** Milliseconds since 1970 by the queue Redis. */
export type LedgerMs = { readonly [clock]: 'ledger' };
/** Milliseconds of `Clock.monotonicMs`; only differences mean anything. */
export type MonotonicMs = { readonly [clock]: 'monotonic' };
type Time = LedgerMs | MonotonicMs;

/** Where a time of the ledger enters: an answer of Redis, a stored record. */
export const ledgerMs = (ms: number): LedgerMs => ms as unknown as LedgerMs;
/** Where a monotonic time enters: a clock. */
export const monotonicMs = (ms: number): MonotonicMs => ms as unknown as MonotonicMs;

export function later<T extends Time>(time: T, ms: number): T {
  return ((time as unknown as number) + ms) as unknown as T;
}

/** Milliseconds from one time to another of the same clock. */
export function elapsed<T extends Time>(from: T, to: NoInfer<T>): number {
  return (to as unknown as number) - (from as unknown as number);
}

export function latest<T extends Time>(one: T, other: NoInfer<T>): T {
  return elapsed(one, other) > 0 ? other : one;
}

/** A number to show, or to set against the clock of another machine (a client's mtime, a store's), which may be wrong. */
export const wallMs = (time: LedgerMs): number => time as unknown as number;
/** Before any time of this process. */
export const NEVER: MonotonicMs = monotonicMs(Number.NEGATIVE_INFINITY);
