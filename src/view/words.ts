/**
 * Words for people: bytes, counts, durations, what was resumed; the same in the terminal and in the browser. Pure.
 */
import prettyBytes from 'pretty-bytes';
import type { Resting } from '../model.ts';

/** A byte count for people: `1.5 MiB`. */
export function bytes(count: number): string {
  return prettyBytes(count, { binary: true, maximumFractionDigits: 1 });
}

/** A count for people: `12,345`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 chunk`, `2 chunks`. */
export function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? '' : 's'}`;
}

/** Of a file in which nothing is worth it; what rests may be worth it later. */
export function nothingText(resting?: Resting, nothing = 'nothing to do, no chunk is worth compacting'): string {
  return resting === undefined ? nothing : 'nothing to do yet';
}

/** What is left alone since it was written lately, and when to come again. */
export function restingText({ chunks, afterMs, againMs }: Resting): string {
  const [are, were] = chunks === 1 ? ['is', 'it was'] : ['are', 'they were'];
  const again =
    againMs === undefined
      ? 'run "s3compact inode" now, and once more 5 minutes later'
      : `come again at ${toSeconds(againMs)}`;
  return `${plural(chunks, 'chunk')} ${are} worth it once nobody has written there for 4 minutes; ${were} written or merged after ${toSeconds(afterMs)}: ${again}, or do it now whatever it moves, with --inline --aggressiveness 1GiB`;
}

/** When a file was changed: a program may set it to anything, also to what is no date. */
export function changedText(ms: number): string {
  return `changed ${iso(ms) ?? 'at an unknown time'}`;
}

function toSeconds(ms: number): string {
  return iso(ms)?.replace(/\.\d+Z$/, 'Z') ?? 'an unknown time';
}

function iso(ms: number): string | undefined {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** A name that anybody may have chosen, on one line and without what a terminal obeys; as `ls -b` shows it. */
export function printable(name: string): string {
  return name.replace(/\p{Cc}/gu, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** After a resume of everything; the ids are of file systems that were paused one by one. */
export function allResumed(fsIds: readonly number[]): string {
  return ['everything is resumed', ...fsIds.map((fsId) => `also file system ${fsId}`)].join(', ');
}

/** Stored bytes for each visible one: `1.07`; `-` where nothing is visible. */
export function wasteText(storedBytes: number, visibleBytes: number): string {
  return visibleBytes === 0 ? '-' : (storedBytes / visibleBytes).toFixed(2);
}

/** `45s`, `12m 5s`, `3h 20m`, `5d 2h`: the two largest units. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const;
  const parts: string[] = [];
  let left = seconds;
  for (const [unit, size] of units) {
    const value = Math.floor(left / size);
    left -= value * size;
    if (value > 0 || (unit === 's' && parts.length === 0)) parts.push(`${value}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
