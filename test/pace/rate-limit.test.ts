/** A rate holds over every stretch of time, nobody starves or overtakes, and who leaves takes nothing. Virtual clock. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../src/pace/rate-limit.ts';
import { VirtualClock } from './virtual-clock.ts';

interface Request {
  readonly atMs: number;
  readonly amount: number;
  /** Leaves so long after it came, if it is not served by then. */
  readonly leavesMs: number | undefined;
}

interface Served {
  readonly n: number;
  readonly atMs: number;
  readonly amount: number;
}

const BURST_MS = 250;

async function play(perSecond: number, requests: readonly Request[]) {
  const clock = new VirtualClock();
  const rate = new RateLimit({ clock, perSecond });
  const served: Served[] = [];
  const left: number[] = [];
  const all = requests.map(async ({ atMs, amount, leavesMs }, n) => {
    await clock.sleep(atMs);
    const leaves = new AbortController();
    if (leavesMs !== undefined) void clock.sleep(leavesMs).then(() => leaves.abort());
    try {
      await rate.take(amount, leaves.signal);
      served.push({ n, atMs: Number(clock.monotonicMs()), amount });
    } catch (error) {
      expect(error).toMatchObject({ code: 'cancelled' });
      left.push(n);
    }
  });
  const total = requests.reduce((sum, { amount }) => sum + amount, 0);
  const lastMs = Math.max(...requests.map(({ atMs }) => atMs));
  // All that was asked for, at the rate, and a timer's grain for each.
  await clock.runUntil(lastMs + (total * 1000) / perSecond + 2 * requests.length + 1);
  return { clock, rate, served, left, all };
}

const requests = fc.array(
  fc.record({
    atMs: fc.nat(2_000),
    amount: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 50_000 })),
    leavesMs: fc.option(fc.nat(3_000), { nil: undefined, freq: 4 }),
  }),
  { minLength: 1, maxLength: 40 },
);

describe('a rate', () => {
  it('I8: is kept in every stretch of time; everybody is served or has left, in time and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 10, max: 100_000 }), requests, async (perSecond, asked) => {
        const { served, left, rate, clock, all } = await play(perSecond, asked);
        expect(served.length + left.length).toBe(asked.length);
        await Promise.all(all);
        const largest = Math.max(...asked.map(({ amount }) => amount));
        const allowance = (perSecond * BURST_MS) / 1000 + largest;
        for (const [i, first] of served.entries()) {
          let sum = 0;
          for (const later of served.slice(i)) {
            sum += later.amount;
            const most = ((later.atMs - first.atMs) * perSecond) / 1000 + allowance;
            expect(sum).toBeLessThanOrEqual(most + 1e-6);
          }
        }
        const order = served.map(({ n }) => asked[n]?.atMs ?? 0);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(rate.state()).toMatchObject({ limit: perSecond, waiting: 0 });
        // No timer is left for nobody.
        await clock.runUntil(Number.MAX_SAFE_INTEGER);
        expect(clock.sleeping).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('is used up: a line that never empties moves at the rate, however large its requests', async () => {
    for (const amount of [1, 7, 1_000, 25_000]) {
      const clock = new VirtualClock();
      const rate = new RateLimit({ clock, perSecond: 1_000 });
      let taken = 0;
      for (let n = 0; n < 200; n++) void rate.take(amount).then(() => (taken += amount));
      const seconds = Math.min(60, (150 * amount) / 1_000);
      await clock.runUntil(seconds * 1_000);
      expect(taken).toBeGreaterThanOrEqual(seconds * 1_000 * 0.9 - amount);
      expect(taken).toBeLessThanOrEqual(seconds * 1_000 + 250 + amount);
    }
  });

  it('tells who waits, and for how long', async () => {
    const clock = new VirtualClock();
    const waits: number[] = [];
    const rate = new RateLimit({ clock, perSecond: 100, onWaited: (ms) => waits.push(ms) });
    const leaves = new AbortController();
    await rate.take(125);
    const second = rate.take(50);
    const third = rate.take(1, leaves.signal).catch(() => 'left');
    await clock.runUntil(400);
    expect(rate.state()).toMatchObject({ limit: 100, waiting: 2, waits: 2, waitedMs: 800 });
    leaves.abort();
    await expect(third).resolves.toBe('left');
    await clock.runUntil(2_000);
    await second;
    expect(waits).toEqual([400, 1_001]);
    expect(rate.state()).toMatchObject({ waiting: 0, waits: 2, waitedMs: 1_401 });
  });

  it('0 is no limit', async () => {
    const rate = new RateLimit({ clock: new VirtualClock(), perSecond: 0 });
    for (let n = 0; n < 1_000; n++) await rate.take(2 ** 40);
    expect(rate.state()).toEqual({ limit: 0, waiting: 0, waits: 0, waitedMs: 0 });
  });
});
