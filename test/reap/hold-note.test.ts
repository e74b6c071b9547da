/** What a hold's object says, and when it has ended: on no single clock's word, and not where it cannot be understood. */

import { expect, test } from 'vitest';
import {
  checkHoldRequest,
  HOLD_FOR_MAX_MS,
  HOLD_FOR_MIN_MS,
  HOLD_REASON_MAX,
  type Hold,
  judgeHold,
  parseHold,
  printHold,
} from '../../src/reap/hold-note.ts';
import { ledgerMs } from '../../src/time.ts';
import { World } from '../sim/world.ts';

const { filesystem } = new World();
const HOLD: Hold = { fsId: 1, uuid: 'uuid-1', reason: 'backup', by: 'host:1', sinceMs: 1_000, untilMs: 5_000 };

test('what is written is read back; anything else is no hold', () => {
  const { untilMs: _, ...open } = HOLD;
  for (const hold of [HOLD, open]) expect(parseHold(printHold(hold))).toEqual(hold);
  const { format: __, ...fields } = { format: 1, ...HOLD };
  for (const broken of [
    '',
    'null',
    '[]',
    JSON.stringify(fields),
    JSON.stringify({ format: 2, ...HOLD }),
    JSON.stringify({ format: 1, ...HOLD, untilMs: 'soon' }),
    JSON.stringify({ format: 1, ...HOLD, untilMs: -1 }),
    JSON.stringify({ format: 1, ...HOLD, sinceMs: null }),
    JSON.stringify({ format: 1, ...HOLD, uuid: 7 }),
    printHold(HOLD).slice(0, 20),
  ]) {
    expect(parseHold(broken)).toBeUndefined();
  }
});

test('it stands until both clocks, and the monotonic one of whoever saw it stand, have passed its end', () => {
  const kinds: string[] = [];
  for (const atMs of [0, 4_999, 5_000]) {
    for (const hostMs of [0, 4_999, 5_000]) {
      for (const leftMs of [-1, 0, 1])
        kinds.push(judgeHold(HOLD, filesystem, { ledgerMs: ledgerMs(atMs), hostMs, leftMs }).kind);
    }
  }
  const doubts = Array.from({ length: 6 }, () => 'doubt');
  expect(kinds).toEqual([...Array.from({ length: 18 }, () => 'stands'), ...doubts, 'ended', 'ended', 'doubt']);
});

test('without an end it never ends; of another file system, or unreadable, it is doubt', () => {
  const late = { ledgerMs: ledgerMs(1e15), hostMs: 1e15 };
  const { untilMs: _, ...open } = HOLD;
  expect(judgeHold(open, filesystem, late).kind).toBe('stands');
  expect(judgeHold({ ...HOLD, uuid: 'uuid-2' }, filesystem, late)).toMatchObject({ kind: 'doubt' });
  expect(judgeHold({ ...HOLD, fsId: 2 }, filesystem, late)).toMatchObject({ kind: 'doubt' });
  expect(judgeHold(undefined, filesystem, late)).toMatchObject({ kind: 'doubt', why: expect.stringContaining('read') });
});

test('a reason is one line, and a duration is bounded', () => {
  checkHoldRequest('nächtliche Sicherung (prod)', undefined);
  checkHoldRequest('x'.repeat(HOLD_REASON_MAX), HOLD_FOR_MIN_MS);
  checkHoldRequest('x', HOLD_FOR_MAX_MS);
  for (const reason of ['', ' ', 'a\nb', 'a\u001b[31m', 'x'.repeat(HOLD_REASON_MAX + 1)]) {
    expect(() => checkHoldRequest(reason, undefined)).toThrow('one line of 1 to 200 characters');
  }
  for (const forMs of [0, HOLD_FOR_MIN_MS - 1, HOLD_FOR_MAX_MS + 1]) {
    expect(() => checkHoldRequest('x', forMs)).toThrow('from 1m to 366d');
  }
});
