/** Places in flight: never more than the limit, in order, nobody while the store asked to be left alone. Virtual clock. */

import { describe, expect, it } from 'vitest';
import { FlightLimit, HOLD_MAX_MS } from '../../src/pace/in-flight-limit.ts';
import { monotonicMs } from '../../src/time.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('places in flight', () => {
  it('I8: at most the limit at a time, in order of asking; who leaves is not run', async () => {
    const clock = new VirtualClock();
    const flight = new FlightLimit(clock, { floor: 1, ceiling: 3 });
    const began: number[] = [];
    let inside = 0;
    let most = 0;
    const leaves = new AbortController();
    const work = Array.from({ length: 10 }, (_, n) =>
      flight
        .take(
          async () => {
            began.push(n);
            most = Math.max(most, ++inside);
            await clock.sleep(10);
            inside--;
          },
          n === 5 ? leaves.signal : undefined,
        )
        .catch((error: unknown) => expect(error).toMatchObject({ code: 'cancelled' })),
    );
    expect(flight.state()).toMatchObject({ limit: 3, inFlight: 3, waiting: 7 });
    leaves.abort();
    await clock.runUntil(100);
    await Promise.all(work);
    expect(most).toBe(3);
    expect(began).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9]);
    expect(flight.state()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  it('a place comes back when the request fails', async () => {
    const flight = new FlightLimit(new VirtualClock(), { floor: 1, ceiling: 1 });
    const fails = () => Promise.reject(new Error('no'));
    await expect(flight.take(fails)).rejects.toThrow('no');
    await expect(flight.take(async () => 'in')).resolves.toBe('in');
  });

  it('Retry-After: nothing is sent until then, and never later than the bound', async () => {
    for (const [saidMs, heldMs] of [
      [3_000, 3_000],
      [1e9, HOLD_MAX_MS],
    ] as const) {
      const clock = new VirtualClock();
      const flight = new FlightLimit(clock, { floor: 1, ceiling: 8 });
      flight.refused({ sentAtMs: monotonicMs(0), endedAtMs: monotonicMs(0) }, saidMs);
      expect(flight.state().heldMs).toBe(heldMs);
      const sentAtMs: number[] = [];
      const work = [0, 1, 2].map(() => flight.take(async () => sentAtMs.push(Number(clock.monotonicMs()))));
      await clock.runUntil(heldMs + 100);
      await Promise.all(work);
      expect(sentAtMs).toEqual([heldMs, heldMs, heldMs]);
    }
  });

  it('a hold for which nobody waits any more keeps no timer', async () => {
    const clock = new VirtualClock();
    const flight = new FlightLimit(clock, { floor: 1, ceiling: 8 });
    flight.refused({ sentAtMs: monotonicMs(0), endedAtMs: monotonicMs(0) }, 50_000);
    const leaves = new AbortController();
    const waiting = flight.take(async () => 'sent', leaves.signal);
    await clock.runUntil(10);
    expect(clock.sleeping).toBe(1);
    leaves.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    expect(clock.sleeping).toBe(0);
    const again = flight.take(async () => clock.monotonicMs());
    await clock.runUntil(60_000);
    await expect(again).resolves.toBe(50_000);
  });
});
