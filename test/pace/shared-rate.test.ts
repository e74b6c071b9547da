/**
 * The rate of all workers: several processes and one budget. On a virtual clock with a simulated budget that can be away; and on
 * the run's real Redis, where what was taken is counted against the time that went by: a slow machine takes less, never more.
 */
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { redisBudget } from '../../src/pace/redis-budget.ts';
import { type SharedBudget, SharedRate } from '../../src/pace/shared-rate.ts';
import { eventually } from '../queue/world.ts';
import { uniquePrefix } from '../setup/isolation.ts';
import { VirtualClock } from './virtual-clock.ts';

const LOTS = 20;

/** A window of a second, as in Redis; `away` makes it fail. */
class SimulatedBudget {
  readonly #clock: VirtualClock;
  readonly #perSecond: number;
  away = false;
  members = 0;
  asked = 0;
  #windowEndsMs = 0;
  #sold = 0;

  constructor(clock: VirtualClock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  forOne(): SharedBudget {
    this.members++;
    const lotBytes = this.#perSecond / LOTS;
    const reach = async () => {
      this.asked++;
      await this.#clock.sleep(1);
      if (this.away) throw new Error('away');
    };
    return {
      lotBytes,
      members: async () => {
        await reach();
        return this.members;
      },
      buy: async () => {
        await reach();
        const nowMs = this.#clock.monotonicMs();
        if (Number(nowMs) >= this.#windowEndsMs) {
          this.#windowEndsMs = Number(nowMs) + 1_000;
          this.#sold = 0;
        }
        this.#sold += lotBytes;
        if (this.#sold <= this.#perSecond) return { kind: 'bought' };
        return { kind: 'sold-out', retryMs: this.#windowEndsMs - Number(nowMs) };
      },
    };
  }
}

/** Processes that take as much as they get. */
function greedy(clock: VirtualClock, budget: SimulatedBudget, perSecond: number, bytes: readonly number[]) {
  const taken = bytes.map(() => 0);
  let over = false;
  const rates = bytes.map(() => {
    return new SharedRate({ clock, perSecond, budget: budget.forOne(), membersAtFirst: 1, random: () => 0.5 });
  });
  const work = rates.map(async (rate, n) => {
    const one = bytes[n] ?? 0;
    while (!over) {
      await rate.take(one);
      taken[n] = (taken[n] ?? 0) + one;
      await clock.sleep(0);
    }
  });
  const stop = () => {
    over = true;
    return work;
  };
  return { taken, rates, stop, total: () => taken.reduce((sum, one) => sum + one, 0) };
}

describe('the rate of all workers, simulated', () => {
  const PER_SECOND = 1_000_000;

  it('holds over four processes whose requests are small and larger than a lot, and is used up', async () => {
    const clock = new VirtualClock();
    const sizes = [1_000, 20_000, 300_000, 3_000_000];
    const pool = greedy(clock, new SimulatedBudget(clock, PER_SECOND), PER_SECOND, sizes);
    await clock.runUntil(60_000);
    // One window, and for each process a lot and a request that is not paid for yet.
    const slack = PER_SECOND + sizes.reduce((sum, one) => sum + one + PER_SECOND / LOTS, 0);
    expect(pool.total()).toBeLessThanOrEqual(60 * PER_SECOND + slack);
    expect(pool.total()).toBeGreaterThan(0.9 * 60 * PER_SECOND);
    // Nobody starves: those with the largest requests get their share, too.
    for (const one of pool.taken) expect(one).toBeGreaterThan(0.1 * 60 * PER_SECOND);
    for (const rate of pool.rates) expect(rate.state()).toMatchObject({ shared: true, members: 4 });
    void pool.stop();
    await clock.runUntil(90_000);
  });

  it('with the budget away everybody keeps to a share: together the rate, not more and not nothing; then it is shared again', async () => {
    const clock = new VirtualClock();
    const budget = new SimulatedBudget(clock, PER_SECOND);
    const pool = greedy(clock, budget, PER_SECOND, [10_000, 10_000, 10_000, 10_000]);
    await clock.runUntil(20_000);
    budget.away = true;
    await clock.runUntil(25_000);
    const [before, askedBefore] = [pool.total(), budget.asked];
    await clock.runUntil(65_000);
    const away = pool.total() - before;
    expect(away).toBeLessThanOrEqual(40 * PER_SECOND * 1.05);
    expect(away).toBeGreaterThan(40 * PER_SECOND * 0.85);
    for (const rate of pool.rates) expect(rate.state().shared).toBe(false);
    // No hot loop: each asks every two seconds.
    expect(budget.asked - askedBefore).toBeLessThanOrEqual(4 * 21);
    budget.away = false;
    await clock.runUntil(70_000);
    for (const rate of pool.rates) expect(rate.state().shared).toBe(true);
    void pool.stop();
    await clock.runUntil(90_000);
  });

  it('a budget that was never there: the share of those that this machine has', async () => {
    const clock = new VirtualClock();
    const budget = new SimulatedBudget(clock, PER_SECOND);
    budget.away = true;
    const rate = new SharedRate({ clock, perSecond: PER_SECOND, budget: budget.forOne(), membersAtFirst: 4 });
    let taken = 0;
    const work = (async () => {
      while (Number(clock.monotonicMs()) < 20_000) {
        await rate.take(1_000);
        taken += 1_000;
      }
    })();
    await clock.runUntil(20_000);
    expect(taken).toBeLessThanOrEqual(20 * 250_000 + PER_SECOND / LOTS);
    expect(taken).toBeGreaterThan(0.85 * 20 * 250_000);
    await clock.runUntil(30_000);
    await work;
  });

  it('who leaves takes nothing, and nobody is asked for nobody', async () => {
    const clock = new VirtualClock();
    const budget = new SimulatedBudget(clock, PER_SECOND);
    const rate = new SharedRate({ clock, perSecond: PER_SECOND, budget: budget.forOne(), membersAtFirst: 1 });
    const leaves = new AbortController();
    const first = rate.take(5_000_000);
    await clock.runUntil(100);
    await first;
    const second = rate.take(1, leaves.signal);
    await clock.runUntil(200);
    expect(rate.state()).toMatchObject({ limit: PER_SECOND, waiting: 1 });
    leaves.abort();
    await expect(second).rejects.toMatchObject({ code: 'cancelled' });
    await clock.runUntil(300);
    const { asked } = budget;
    await clock.runUntil(60_000);
    expect(budget.asked).toBe(asked);
    expect(rate.state().waiting).toBe(0);
  });
});

describe('the rate of all workers in a real Redis', () => {
  const connections: Redis[] = [];
  afterEach(() => {
    for (const one of connections.splice(0)) one.disconnect();
  });

  function connect(): Redis {
    const redis = new Redis(inject('redisUrl'), { enableOfflineQueue: false, maxRetriesPerRequest: 1 });
    redis.on('error', () => undefined);
    connections.push(redis);
    return redis;
  }

  it('three connections together take no more than the rate in the time that went by', async () => {
    const perSecond = 200_000;
    const bytes = 7_000;
    const prefix = uniquePrefix('pace');
    const redis = [connect(), connect(), connect()];
    await eventually('they are connected', async () => redis.every(({ status }) => status === 'ready'));
    const rates = redis.map((connection) => {
      const budget = redisBudget({ connection, prefix, perSecond });
      return new SharedRate({ clock: systemClock, perSecond, budget, membersAtFirst: 1 });
    });
    let taken = 0;
    const beganMs = performance.now();
    await Promise.all(
      rates.map(async (rate) => {
        for (let n = 0; n < 20; n++) {
          await rate.take(bytes);
          taken += bytes;
        }
      }),
    );
    const seconds = (performance.now() - beganMs) / 1_000;
    // A window that had just begun, and for each one lot and one request.
    expect(taken).toBeLessThanOrEqual(perSecond * (seconds + 1) + 3 * (bytes + perSecond / LOTS));
    expect(taken).toBe(3 * 20 * bytes);
    for (const rate of rates) expect(rate.state()).toMatchObject({ shared: true, waiting: 0 });
    // All were counted by the next purchase at the latest.
    const [last] = redis;
    if (last === undefined) throw new Error('no connection');
    await expect(redisBudget({ connection: last, prefix, perSecond }).members()).resolves.toBe(4);
  });

  it('a connection that is gone means a share, at once', async () => {
    const connection = connect();
    await eventually('it is connected', async () => connection.status === 'ready');
    connection.disconnect();
    const budget = redisBudget({ connection, prefix: uniquePrefix('pace'), perSecond: 1_000_000 });
    const rate = new SharedRate({ clock: systemClock, perSecond: 1_000_000, budget, membersAtFirst: 2 });
    await rate.take(60_000);
    await rate.take(1);
    expect(rate.state()).toMatchObject({ shared: false, members: 2 });
  });
});
