/**
 * The limit that gives way: proofs about any history, and a closed loop with a simulated store. All times are made up or
 * come from a virtual clock.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdaptiveLimit, type Answer } from '../../src/pace/adaptive-limit.ts';
import { FlightLimit } from '../../src/pace/in-flight-limit.ts';
import { monotonicMs } from '../../src/time.ts';
import { Random } from '../sim/seeded/random.ts';
import { VirtualClock } from './virtual-clock.ts';

const limits = fc
  .tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 512 }))
  .map(([floor, more]) => ({ floor, ceiling: floor + more }));
const event = fc.record({
  afterMs: fc.nat(2_000),
  ms: fc.oneof(fc.nat(50), fc.nat(60_000)),
  op: fc.constantFrom('get', 'put', 'delete'),
  bytes: fc.constantFrom(0, 1, 4096, 2 ** 22, 2 ** 40),
  refused: fc.boolean(),
  times: fc.integer({ min: 1, max: 40 }),
});

type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** Tells the limit a history; returns when it ended. */
function tell(limit: AdaptiveLimit, events: readonly Event[], each: () => void = () => undefined): number {
  let nowMs = 0;
  for (const { afterMs, ms, op, bytes, refused, times } of events) {
    for (let n = 0; n < times; n++) {
      nowMs += afterMs / times;
      const answer: Answer = { op, bytes, sentAtMs: monotonicMs(nowMs - ms), endedAtMs: monotonicMs(nowMs) };
      if (refused) limit.refused(answer);
      else limit.answered(answer);
      each();
    }
  }
  return nowMs;
}

/** Normally distributed, from uniform ones. */
function normal(random: Random): number {
  const uniform = () => (random.below(1_000_000) + 1) / 1_000_001;
  return Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

describe('the adaptive limit', () => {
  it('I8: is never below its floor nor above its ceiling, whatever happens', () => {
    fc.assert(
      fc.property(limits, fc.array(event, { maxLength: 60 }), ({ floor, ceiling }, events) => {
        const limit = new AdaptiveLimit({ floor, ceiling });
        tell(limit, events, () => {
          expect(Number.isInteger(limit.limit)).toBe(true);
          expect(limit.limit).toBeGreaterThanOrEqual(floor);
          expect(limit.limit).toBeLessThanOrEqual(ceiling);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('is back at its ceiling soon after any trouble: within 60 s of good answers', () => {
    fc.assert(
      fc.property(limits, fc.array(event, { maxLength: 60 }), ({ floor, ceiling }, events) => {
        const limit = new AdaptiveLimit({ floor, ceiling });
        let nowMs = tell(limit, events);
        // Another kind of request than the troubled ones, so that what is good is not told by the history.
        for (let n = 0; n < 60 * 40; n++) {
          nowMs += 25;
          limit.answered({ op: 'head', bytes: 0, sentAtMs: monotonicMs(nowMs - 5), endedAtMs: monotonicMs(nowMs) });
        }
        expect(limit.limit).toBe(ceiling);
      }),
      { numRuns: 100 },
    );
  });

  it('does not collapse on noise: answers that are spread e-fold leave it above half of its ceiling', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed);
      const limit = new AdaptiveLimit({ floor: 1, ceiling: 32 });
      let lowest = 32;
      for (let n = 0; n < 20_000; n++) {
        const ms = 20 * Math.exp(normal(random));
        // Reads of all sizes, the large ones slower.
        const bytes = 4096 * 4 ** random.below(6);
        const endedAtMs = n * 5;
        limit.answered({
          op: 'get',
          bytes,
          sentAtMs: monotonicMs(endedAtMs - ms - bytes / 100_000),
          endedAtMs: monotonicMs(endedAtMs),
        });
        lowest = Math.min(lowest, limit.limit);
      }
      expect(lowest, `seed ${seed}`).toBeGreaterThanOrEqual(16);
    }
  });

  it('one request in a thousand that fails costs less than a fifth of it on the average', () => {
    const limit = new AdaptiveLimit({ floor: 1, ceiling: 32 });
    let sum = 0;
    for (let n = 0; n < 50_000; n++) {
      const answer = { op: 'get', bytes: 0, sentAtMs: monotonicMs(n * 5 - 20), endedAtMs: monotonicMs(n * 5) };
      if (n % 1_000 === 999) limit.refused(answer);
      else limit.answered(answer);
      sum += limit.limit;
    }
    expect(sum / 50_000).toBeGreaterThan(32 * 0.8);
  });

  it('a burst of refusals of requests that were under way at the same time counts once', () => {
    const limit = new AdaptiveLimit({ floor: 1, ceiling: 32 });
    for (let n = 0; n < 32; n++) limit.refused({ sentAtMs: monotonicMs(0), endedAtMs: monotonicMs(100 + n) });
    expect(limit.limit).toBe(16);
    expect(limit.lowered).toBe(1);
    limit.refused({ sentAtMs: monotonicMs(150), endedAtMs: monotonicMs(160) });
    expect(limit.limit).toBe(8);
  });

  it('a floor that is the ceiling is a limit that never moves', () => {
    const limit = new AdaptiveLimit({ floor: 8, ceiling: 8 });
    for (let n = 0; n < 100; n++) limit.refused({ sentAtMs: monotonicMs(n), endedAtMs: monotonicMs(n) });
    expect(limit.limit).toBe(8);
  });
});

/** A store that serves so many at a time; beyond that everybody waits longer, beyond four times as many it may refuse. */
class SimulatedStore {
  capacity: number;
  readonly #refuses: boolean;
  readonly #clock: VirtualClock;
  #inside = 0;
  served = 0;
  refused = 0;

  constructor(clock: VirtualClock, capacity: number, refuses: boolean) {
    this.#clock = clock;
    this.capacity = capacity;
    this.#refuses = refuses;
  }

  async request(): Promise<boolean> {
    if (this.#refuses && this.#inside >= 4 * this.capacity) {
      this.refused++;
      await this.#clock.sleep(2);
      return false;
    }
    this.#inside++;
    await this.#clock.sleep(20 * Math.max(1, this.#inside / this.capacity));
    this.#inside--;
    this.served++;
    return true;
  }
}

describe('with a store whose capacity falls and comes back', () => {
  it('gives way until hardly anything is refused, and is back within 30 s', async () => {
    const clock = new VirtualClock();
    const store = new SimulatedStore(clock, 100, true);
    const flight = new FlightLimit(clock, { floor: 1, ceiling: 64 });
    let over = false;
    const client = async () => {
      while (!over) {
        const good = await flight.take(async () => {
          const sentAtMs = clock.monotonicMs();
          const ok = await store.request();
          const answer = { op: 'get', bytes: 0, sentAtMs, endedAtMs: clock.monotonicMs() };
          if (ok) flight.answered(answer);
          else flight.refused(answer);
          return ok;
        });
        if (!good) await clock.sleep(100);
      }
    };
    const clients = Array.from({ length: 128 }, client);
    await clock.runUntil(10_000);
    expect(flight.state()).toMatchObject({ limit: 64, ceiling: 64, lowered: 0 });
    expect(store.refused).toBe(0);

    store.capacity = 4;
    await clock.runUntil(20_000);
    const [servedBefore, refusedBefore] = [store.served, store.refused];
    await clock.runUntil(40_000);
    const served = store.served - servedBefore;
    const refused = store.refused - refusedBefore;
    // What the store can do is 4 / 20 ms; a limit of 64 would have most of its requests refused.
    expect(served).toBeGreaterThan(0.6 * ((20_000 * 4) / 20));
    expect(refused / (served + refused)).toBeLessThan(0.05);
    expect(flight.state().limit).toBeLessThanOrEqual(17);

    store.capacity = 100;
    await clock.runUntil(70_000);
    expect(flight.state().limit).toBe(64);
    over = true;
    await clock.runUntil(80_000);
    await Promise.all(clients);
    expect(flight.state()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  it('a store that only gets slower is given way to, too', async () => {
    const clock = new VirtualClock();
    const store = new SimulatedStore(clock, 1_000, false);
    const flight = new FlightLimit(clock, { floor: 2, ceiling: 32 });
    let over = false;
    const client = async () => {
      while (!over) {
        await flight.take(async () => {
          const sentAtMs = clock.monotonicMs();
          await store.request();
          flight.answered({ op: 'get', bytes: 0, sentAtMs, endedAtMs: clock.monotonicMs() });
        });
      }
    };
    const clients = Array.from({ length: 32 }, client);
    await clock.runUntil(10_000);
    expect(flight.state().limit).toBe(32);
    // Eight times slower with all of us in it, as fast as ever with a few.
    store.capacity = 4;
    await clock.runUntil(20_000);
    expect(flight.state().limit).toBeLessThanOrEqual(16);
    expect(flight.state().limit).toBeGreaterThanOrEqual(2);
    store.capacity = 1_000;
    await clock.runUntil(50_000);
    expect(flight.state().limit).toBe(32);
    over = true;
    await clock.runUntil(60_000);
    await Promise.all(clients);
  });
});
