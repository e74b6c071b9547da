/**
 * What a hold says, and whether it still stands (docs/adr/0022): the text of its object, its bounds, and the judgement of
 * its end. Pure. Nothing here ends a hold on one clock's word.
 */
import { CompactError } from '../errors.ts';
import type { Filesystem } from '../model.ts';
import { type LedgerMs, wallMs } from '../time.ts';
import { parseNote } from './bucket-notes.ts';

/** Holds of one file system at a time, ended ones that nobody has released included. */
export const HOLDS_MAX = 100;
export const HOLD_REASON_MAX = 200;
export const HOLD_FOR_MIN_MS = 60_000;
export const HOLD_FOR_MAX_MS = 366 * 24 * 3_600_000;
/** A later time is none that could be printed. */
const DATE_MAX_MS = 8.64e15;
/** One line that a terminal shows as it is. */
const REASON = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u;
const ID = /^[0-9a-z]{1,40}$/;

/** As in its text: all times are milliseconds of the ledger's clock. */
export interface Hold {
  readonly fsId: number;
  readonly uuid: string;
  readonly reason: string;
  /** Host and process that made it. */
  readonly by: string;
  readonly sinceMs: number;
  /** Absent: until it is released. */
  readonly untilMs?: number;
}

/** The time as several clocks have it: the ledger's counts, and the others can only doubt it. */
interface HoldTimes {
  readonly ledgerMs: LedgerMs;
  /** Of this host. */
  readonly hostMs: number;
  /** What is left of the hold by the monotonic clock of a process that has seen it stand; 0: it has seen the rest pass. */
  readonly leftMs?: number;
}

/**
 * `stands`: nothing is deleted. `ended`: it is as if it were not there. `doubt`: nobody can know whether it stands, and
 * nothing is deleted either.
 */
export type HoldState =
  | { readonly kind: 'stands' | 'ended'; readonly hold: Hold }
  | { readonly kind: 'doubt'; readonly why: string; readonly hold?: Hold };

export function isHoldId(id: string): boolean {
  return ID.test(id);
}

/** Throws `settings-invalid` (halt) for what no hold can be made with. */
export function checkHoldRequest(reason: string, forMs: number | undefined): void {
  const fault = (text: string) => new CompactError(text, { kind: 'halt', code: 'settings-invalid' });
  if (reason.trim() === '' || reason.length > HOLD_REASON_MAX || !REASON.test(reason)) {
    throw fault(`the reason of a hold must be one line of 1 to ${HOLD_REASON_MAX} characters`);
  }
  if (forMs !== undefined && (forMs < HOLD_FOR_MIN_MS || forMs > HOLD_FOR_MAX_MS)) {
    throw fault('a hold lasts from 1m to 366d; without --for it lasts until it is released');
  }
}

export function printHold(hold: Hold): string {
  return `${JSON.stringify({ format: 1, ...hold }, null, 2)}\n`;
}

/** `undefined`: not a hold that this version understands. */
export function parseHold(text: string): Hold | undefined {
  const { format, fsId, uuid, reason, by, sinceMs, untilMs } = parseNote(text) ?? {};
  if (format !== 1 || !isTime(fsId) || !isTime(sinceMs) || (untilMs !== undefined && !isTime(untilMs)))
    return undefined;
  if (typeof uuid !== 'string' || typeof reason !== 'string' || typeof by !== 'string') return undefined;
  return { fsId, uuid, reason, by, sinceMs, untilMs };
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= DATE_MAX_MS;
}

/** Whether it stands for this file system at these times. */
export function judgeHold(
  hold: Hold | undefined,
  filesystem: Filesystem,
  { ledgerMs, hostMs, leftMs = 0 }: HoldTimes,
): HoldState {
  if (hold === undefined) return { kind: 'doubt', why: 'it cannot be read by this version' };
  if (hold.uuid !== filesystem.uuid || hold.fsId !== filesystem.fsId) {
    return { kind: 'doubt', why: `it is of another file system (uuid ${hold.uuid})`, hold };
  }
  if (hold.untilMs === undefined || wallMs(ledgerMs) < hold.untilMs) return { kind: 'stands', hold };
  if (hostMs >= hold.untilMs && leftMs <= 0) return { kind: 'ended', hold };
  const why = "it has ended by the queue's clock alone, which may have been set forward; this host's clock disagrees";
  return { kind: 'doubt', why, hold };
}
