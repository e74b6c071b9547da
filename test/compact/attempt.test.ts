import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Attempt, AttemptIds } from '../../src/compact/attempt.ts';
import { MERGED_VERSION_BITS } from '../../src/model.ts';
import { ledgerMs, monotonicMs } from '../../src/time.ts';

describe('attempt ids (I3)', () => {
  it('never repeat within a process, whatever the clock does, and leave 12 bits for merged versions', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 41 }), { maxLength: 50 }), (times) => {
        // Not even where chance gives the same bits each time.
        const ids = new AttemptIds(() => 0);
        const seen = times.map((time) => ids.next(ledgerMs(time)));
        expect(new Set(seen).size).toBe(times.length);
        for (const id of seen) expect(id & ((1n << BigInt(MERGED_VERSION_BITS)) - 1n)).toBe(0n);
      }),
    );
  });

  it('carry the time in their highest 42 bits and 10 random bits below', () => {
    const id = new AttemptIds(() => 0x3ff).next(ledgerMs(1_800_000_000_000));
    expect(id >> 22n).toBe(1_800_000_000_000n);
    expect((id >> 12n) & 0x3ffn).toBe(0x3ffn);
    expect(id).toBeLessThan(2n ** 64n);
  });

  it('differ between processes in the same millisecond but for one in 1,024', () => {
    const here = new AttemptIds(() => 1).next(ledgerMs(5));
    const there = new AttemptIds(() => 2).next(ledgerMs(5));
    expect(here).not.toBe(there);
  });

  it('refuse a clock beyond 42 bits, in words, until it is set right', () => {
    const ids = new AttemptIds();
    expect(() => ids.next(ledgerMs(2 ** 42))).toThrow(/Set the clock of that server right/);
    expect(ids.next(ledgerMs(1_800_000_000_000)) >> 22n).toBe(1_800_000_000_000n);
  });
});

it('an attempt that outlived its lease says which inode it was on', () => {
  const [key, startedAtMs, leaseMs] = [{ fsId: 3, inodeId: 4711n }, monotonicMs(0), 60_000];
  const clock = { monotonicMs: () => monotonicMs(leaseMs), sleep: async () => undefined };
  const attempt = new Attempt({ id: 1n, key, clock, startedAtMs, leaseMs, dueMs: ledgerMs(leaseMs), incarnation: '' });
  expect(() => attempt.checkLease(0)).toThrow(/^inode 3\/4711: the attempt outlived its lease/);
});
