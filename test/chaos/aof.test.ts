/** What explains an object that no list references: only a record that stands in a lost end, and nowhere before it. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AofTail } from './aof.ts';

/** Attempts differ above the low bits, the versions that one merges in them. */
const ATTEMPT = 2 ** 12;
const MERGED = `1_10_24_3_${777 * ATTEMPT + 8}`;
let directory: string;
let path: string;
let tail: AofTail;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  directory = mkdtempSync(join(tmpdir(), 'aof-'));
  mkdirSync(join(directory, 'appendonlydir'));
  path = join(directory, 'appendonlydir', 'appendonly.aof.1.incr.aof');
  writeFileSync(path, '');
  tail = new AofTail(directory);
});
afterEach(() => {
  tail.stop();
  vi.useRealTimers();
  rmSync(directory, { recursive: true });
});

const record = (attempt: number, names: readonly string[]): string =>
  `$9\r\n${JSON.stringify({ retired: names, merged: [], fsId: 1, attempt: `${attempt * ATTEMPT}` })}\r\n`;

/** Appends, and loses it. */
function lose(text: string): void {
  vi.advanceTimersByTime(100);
  appendFileSync(path, text);
  expect(tail.cut(performance.now() + 1, 1)).toBe(text.length);
}

test.each([
  ['its only record is lost', [], record(777, [MERGED]), [], true],
  [
    'the record that retires it is lost, and its maker has one',
    [record(777, [MERGED])],
    record(888, [MERGED]),
    [],
    true,
  ],
  ['it is kept in a record that retires it', [record(888, [MERGED])], record(889, [MERGED]), [], false],
  ['it is in no lost end', [record(777, [MERGED])], record(888, ['1_10_9_0_0']), [], false],
  ['its record was written again after the loss', [], record(777, [MERGED]), [record(778, [MERGED])], true],
] as const)('%s', (_what, before, lost, after, explained) => {
  appendFileSync(path, before.join(''));
  lose(lost);
  appendFileSync(path, after.join(''));
  expect(tail.firstWrittenInLostEnd([MERGED])).toEqual(explained ? [MERGED] : []);
});
