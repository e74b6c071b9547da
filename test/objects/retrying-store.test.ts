/** The retry decorator: what is tried again and what is not, on a clock that never waits. */

import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import type { Filesystem } from '../../src/model.ts';
import type { ObjectStore } from '../../src/objects/port.ts';
import {
  type RequestObserver,
  type RetryOptions,
  storesWithRetries,
  withRetries,
} from '../../src/objects/retrying-store.ts';
import { Pace, type PaceOptions } from '../../src/pace/pace.ts';
import { type MonotonicMs, monotonicMs } from '../../src/time.ts';
import { VirtualClock } from '../pace/virtual-clock.ts';
import { expectFailure, patternBytes } from './contract.ts';
import { MemoryObjectStores, type StoreCall, storeFault } from './memory-store.ts';

/** Sleeps at once and remembers for how long. */
class LeapingClock implements Clock {
  readonly slept: number[] = [];
  #nowMs = 0;

  monotonicMs(): MonotonicMs {
    return monotonicMs(this.#nowMs);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.#nowMs += ms;
  }

  leap(ms: number): void {
    this.#nowMs += ms;
  }
}

interface World {
  readonly stores: MemoryObjectStores;
  readonly clock: LeapingClock;
  readonly store: ObjectStore;
  readonly calls: StoreCall[];
  /** `op outcome ms bytes` of every try. */
  readonly told: string[];
}

/** `fault` may throw before the n-th call (from 0) takes effect. */
function makeWorld(fault: (index: number) => void, options: Partial<RetryOptions> = {}): World {
  const stores = new MemoryObjectStores();
  const clock = new LeapingClock();
  const calls: StoreCall[] = [];
  const told: string[] = [];
  stores.write('bkt', 'there', patternBytes(10));
  stores.before = (call) => {
    calls.push(call);
    clock.leap(3);
    fault(calls.length - 1);
  };
  const observer: RequestObserver = { request: (...args) => told.push(args.join(' ')) };
  const store = withRetries(stores.forFilesystem({ bucket: 'bkt' }), {
    clock,
    observer,
    random: () => 0.5,
    ...options,
  });
  return { stores, clock, store, calls, told };
}

describe('withRetries', () => {
  test('a store that is unavailable twice and then works is one success; every try is told', async () => {
    const { store, clock, told } = makeWorld((index) => {
      if (index < 2) throw storeFault('store-unavailable');
    });
    await store.getRange('there', 0, new Uint8Array(10));
    expect(told).toEqual(['get store-unavailable 3 0', 'get store-unavailable 3 0', 'get ok 3 10']);
    expect(clock.slept).toEqual([75, 150]);
  });

  test('tries and waits have a maximum, and the last failure is reported as it is', async () => {
    const fault = storeFault('store-unavailable', 'the very last');
    const { store, clock, calls } = makeWorld(
      (index) => {
        throw index === 5 ? fault : storeFault('store-unavailable');
      },
      { triesMax: 6, backOffMs: 100, backOffMaxMs: 300, random: () => 0 },
    );
    await expect(store.head('there')).rejects.toBe(fault);
    expect(calls).toHaveLength(6);
    expect(clock.slept).toEqual([50, 100, 150, 150, 150]);
  });

  test('a store that answers every third request serves every one of a long run', async () => {
    const { store, calls } = makeWorld((index) => {
      if (index % 3 !== 2) throw storeFault('store-unavailable');
    });
    for (let n = 0; n < 99; n++) await store.getRange('there', 0, new Uint8Array(10));
    expect(calls).toHaveLength(3 * 99);
  });

  test('a store that serves nothing is given up after the patience, not before', async () => {
    const { store, calls, clock } = makeWorld(
      () => {
        throw storeFault('store-unavailable');
      },
      { patienceMs: 20_000 },
    );
    await expectFailure(store.delete(['there']), 'retry', 'store-unavailable');
    const waitedMs = clock.slept.reduce((sum, ms) => sum + ms, 0);
    expect(waitedMs + 3 * calls.length).toBeGreaterThanOrEqual(20_000);
    expect(waitedMs - (clock.slept.at(-1) ?? 0)).toBeLessThan(20_000);
    // A later call has a patience of its own.
    const before = calls.length;
    await expectFailure(store.delete(['there']), 'retry', 'store-unavailable');
    expect(calls.length).toBe(2 * before);
  });

  test('without patience nothing is tried again', async () => {
    const { store, calls } = makeWorld(
      () => {
        throw storeFault('store-unavailable');
      },
      { patienceMs: 0 },
    );
    await expectFailure(store.head('there'), 'retry', 'store-unavailable');
    expect(calls).toHaveLength(1);
  });

  test('a request that hung for its whole time-out is tried again', async () => {
    const { store, clock, calls } = makeWorld((index) => {
      clock.leap(30_000);
      if (index === 0) throw storeFault('store-unavailable');
    });
    await store.head('there');
    expect(calls).toHaveLength(2);
  });

  test('one object that is always refused while others are served ends its request all the same', async () => {
    const stores = new MemoryObjectStores();
    stores.write('bkt', 'there', patternBytes(1));
    const tries: string[] = [];
    stores.before = ({ op, names: [name] }) => {
      if (op === 'head' && name === 'bad') {
        tries.push(name);
        throw storeFault('store-unavailable');
      }
    };
    const inner = new LeapingClock();
    const clock: Clock = {
      monotonicMs: () => inner.monotonicMs(),
      // Others are served while it waits.
      sleep: async (ms) => {
        await inner.sleep(ms);
        await store.head('there');
      },
    };
    const store = withRetries(stores.forFilesystem({ bucket: 'bkt' }), { clock, random: () => 0.5 });
    await expectFailure(store.head('bad'), 'retry', 'store-unavailable');
    expect(tries).toHaveLength(32);
    expect(inner.monotonicMs()).toBeLessThan(150_000);
  });

  test('a store that serves reads makes no progress with writes', async () => {
    const stores = new MemoryObjectStores();
    stores.write('bkt', 'there', patternBytes(1));
    stores.before = ({ op }) => {
      if (op === 'put') throw storeFault('store-unavailable');
    };
    const inner = new LeapingClock();
    const clock: Clock = {
      monotonicMs: () => inner.monotonicMs(),
      sleep: async (ms) => {
        await inner.sleep(ms);
        await store.head('there');
      },
    };
    const store = withRetries(stores.forFilesystem({ bucket: 'bkt' }), { clock, patienceMs: 10_000 });
    await expectFailure(store.putIfAbsent('new', patternBytes(1)), 'retry', 'store-unavailable');
    expect(inner.monotonicMs()).toBeLessThan(16_000);
  });

  test.each([
    'object-missing',
    'object-short',
    'bucket-missing',
    'access-denied',
    'store-refused',
    'cancelled',
  ] as const)('%s is not tried again', async (code) => {
    const fault = storeFault(code);
    const { store, calls, clock } = makeWorld(() => {
      throw fault;
    });
    await expect(store.getRange('there', 0, new Uint8Array(1))).rejects.toBe(fault);
    expect(calls).toHaveLength(1);
    expect(clock.slept).toEqual([]);
  });

  test('an error that is none of ours passes through, told as failed', async () => {
    const bug = new TypeError('a bug');
    const { store, told } = makeWorld(() => {
      throw bug;
    });
    await expect(store.head('there')).rejects.toBe(bug);
    expect(told).toEqual(['head failed 3 0']);
  });

  test('I3: a put whose answer was lost meets its own object and says so', async () => {
    const { store, stores, told } = makeWorld(() => {});
    let lost = 0;
    stores.after = (call) => {
      if (call.op === 'put' && lost++ === 0) throw storeFault('store-unavailable');
    };
    await expect(store.putIfAbsent('new', patternBytes(7))).resolves.toBe('exists');
    expect(told).toEqual(['put store-unavailable 3 0', 'put exists 3 7']);
    await expect(store.head('new')).resolves.toMatchObject({ bytes: 7 });
  });

  test('what the observer hears of each operation', async () => {
    const { store, stores, told } = makeWorld(() => {});
    stores.refuseDelete = (_bucket, name) => (name === 'kept' ? 'AccessDenied' : undefined);
    await store.putIfAbsent('new', patternBytes(7));
    await store.head('new');
    await store.head('none');
    await store.delete(['new']);
    await expect(store.delete(['kept', 'there'])).resolves.toEqual([{ name: 'kept', code: 'AccessDenied' }]);
    expect(told).toEqual(['put ok 3 7', 'head ok 3 0', 'head absent 3 0', 'delete ok 3 0', 'delete partial 3 0']);
  });

  test('an abort while it waits for the next try ends the call', async () => {
    const controller = new AbortController();
    const { store, calls } = makeWorld(() => {
      // Aborts between this try and its wait.
      queueMicrotask(() => controller.abort());
      throw storeFault('store-unavailable');
    });
    await expectFailure(store.head('there', controller.signal), 'retry', 'cancelled');
    expect(calls).toHaveLength(1);
  });

  test('an abort during the wait ends the call, whatever the clock', async () => {
    const controller = new AbortController();
    const clock: Clock = {
      monotonicMs: () => monotonicMs(0),
      sleep: (_ms, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason));
          controller.abort();
        }),
    };
    const { store, calls } = makeWorld(
      () => {
        throw storeFault('store-unavailable');
      },
      { clock },
    );
    await expectFailure(store.head('there', controller.signal), 'retry', 'cancelled');
    expect(calls).toHaveLength(1);
  });

  test('I8: at most the given number of requests is in flight; a call that waits its turn can be cancelled', async () => {
    const stores = new MemoryObjectStores();
    stores.write('bkt', 'there', patternBytes(1));
    const gates: PromiseWithResolvers<void>[] = [];
    stores.before = () => {
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      return gate.promise;
    };
    const store = withRetries(stores.forFilesystem({ bucket: 'bkt' }), { clock: new LeapingClock(), requestsMax: 2 });
    const controller = new AbortController();
    const first = [store.head('there'), store.head('there')];
    const waiting = store.head('there', controller.signal);
    const last = store.head('there');
    await setImmediate();
    expect(gates).toHaveLength(2);
    controller.abort();
    await expectFailure(waiting, 'retry', 'cancelled');
    for (const gate of gates) gate.resolve();
    await Promise.all(first);
    await setImmediate();
    // The cancelled call never reached the store.
    expect(gates).toHaveLength(3);
    gates[2]?.resolve();
    await last;
  });

  test('a call that waits for its next try holds no place of a request', async () => {
    const wake = Promise.withResolvers<void>();
    const clock: Clock = { monotonicMs: () => monotonicMs(0), sleep: () => wake.promise };
    let failed = false;
    const { store } = makeWorld(
      () => {
        if (failed) return;
        failed = true;
        throw storeFault('store-unavailable');
      },
      { clock, requestsMax: 1 },
    );
    const retried = store.head('there');
    await expect(store.head('there')).resolves.not.toBeNull();
    wake.resolve();
    await expect(retried).resolves.not.toBeNull();
  });

  test('storesWithRetries keeps one decorated store for each store, and closes the inner ones', () => {
    const inner = new MemoryObjectStores();
    const stores = storesWithRetries(inner, { clock: new LeapingClock() });
    const filesystem = { fsId: 1, uuid: '', name: '', blockSize: 16, chunkSize: 64, objectPrefix: 0 } as const;
    const [a, again, b] = ['a', 'a', 'b'].map((bucket) => stores.forFilesystem({ ...filesystem, bucket }));
    expect(a).toBe(again);
    expect(a).not.toBe(b);
    stores.close();
    expect(inner.closed).toBe(true);
  });
});

describe('withRetries at a pace', () => {
  function paced(options: Partial<PaceOptions> = {}) {
    const clock = new VirtualClock();
    const stores = new MemoryObjectStores();
    stores.write('bkt', 'there', patternBytes(10_000));
    const waits: string[] = [];
    const pace = new Pace({
      clock,
      bytesPerSecond: 0,
      requestsPerSecond: 0,
      inFlight: { floor: 1, ceiling: 8 },
      onWaited: (limit, ms) => waits.push(`${limit} ${ms}`),
      ...options,
    });
    const store = withRetries(
      stores.forFilesystem({ bucket: 'bkt' }),
      { clock, pace, random: () => 0.5 },
      { bucket: 'bkt' },
    );
    return { clock, stores, store, pace, waits };
  }

  test('every try takes from the rates: bytes of what is moved, one request whatever it is', async () => {
    const { clock, stores, store, pace, waits } = paced({ bytesPerSecond: 1_000, requestsPerSecond: 4 });
    let fails = 1;
    stores.before = () => {
      if (fails-- > 0) throw storeFault('store-unavailable');
    };
    const reads = [0, 1].map(() => store.getRange('there', 0, new Uint8Array(1_000)));
    const deletes = store.delete(['none']);
    await clock.runUntil(20_000);
    await Promise.all([...reads, deletes]);
    // 250 bytes at once, then 1,000 for each of three tries: they go at 0, 750 and 1,750 ms. The third asked at 500 ms,
    // since its request was the fourth.
    expect(waits.filter((wait) => wait.startsWith('bytes'))).toEqual(['bytes-per-second 750', 'bytes-per-second 1250']);
    expect(pace.snapshot()).toMatchObject({
      bytesPerSecond: { limit: 1_000, waiting: 0, waits: 2 },
      requestsPerSecond: { limit: 4, waiting: 0 },
      totalBytesPerSecond: null,
      inFlight: [{ store: 'bkt', inFlight: 0, ceiling: 8, lowered: 1 }],
    });
  });

  test('a store in trouble gets fewer requests, and none before the time that it named', async () => {
    const { clock, stores, store, pace } = paced();
    const triedAtMs: number[] = [];
    stores.before = () => {
      triedAtMs.push(Number(clock.monotonicMs()));
      if (triedAtMs.length > 1) return;
      throw Object.assign(storeFault('store-unavailable'), { retryAfterMs: 7_000 });
    };
    const first = store.head('there');
    await clock.runUntil(1_000);
    const second = store.head('there');
    expect(pace.snapshot().inFlight[0]).toMatchObject({ limit: 4, waiting: 1, heldMs: 6_000 });
    await clock.runUntil(30_000);
    await Promise.all([first, second]);
    expect(triedAtMs).toEqual([0, 7_000, 7_000]);
  });

  test('what a store says of an object is no trouble', async () => {
    const { clock, stores, store, pace } = paced();
    stores.before = () => {
      throw storeFault('object-missing');
    };
    await expectFailure(store.getRange('there', 0, new Uint8Array(1)), 'retry', 'object-missing');
    await clock.runUntil(1);
    expect(pace.snapshot().inFlight[0]).toMatchObject({ limit: 8, lowered: 0 });
  });

  test('a PUT that has waited is checked once more before it is sent, at every try', async () => {
    const { clock, stores, store } = paced({ bytesPerSecond: 1_000 });
    const calls: string[] = [];
    stores.before = ({ op }) => {
      calls.push(op);
      throw storeFault('store-unavailable');
    };
    const overMs = 1_200;
    const guarded = store.guarded?.(() => {
      if (Number(clock.monotonicMs()) > overMs) throw storeFault('lease-expired');
    });
    const spent = store.getRange('there', 0, new Uint8Array(1_000)).catch(() => 'failed');
    const put = guarded?.putIfAbsent('new', patternBytes(100)).catch((error: unknown) => error);
    await clock.runUntil(240_000);
    await spent;
    await expect(put).resolves.toMatchObject({ code: 'lease-expired' });
    // One try in time; the next would have been late.
    expect(calls.filter((op) => op === 'put')).toHaveLength(1);
  });

  test('a read is not tried again when the lease is over', async () => {
    const { clock, stores, store } = paced();
    let tries = 0;
    stores.before = () => {
      tries++;
      throw storeFault('store-unavailable');
    };
    const guarded = store.guarded?.(() => {
      if (Number(clock.monotonicMs()) > 500) throw storeFault('lease-expired');
    });
    const read = guarded?.getRange('there', 0, new Uint8Array(1)).catch((error: unknown) => error);
    await clock.runUntil(60_000);
    await expect(read).resolves.toMatchObject({ code: 'lease-expired' });
    // At 0, 75, 225 and 525 ms: the last is not sent.
    expect(tries).toBe(3);
  });

  test('who waits for a place of a store in trouble has not been refused yet', async () => {
    const { clock, stores, store } = paced({ inFlight: { floor: 1, ceiling: 1 } });
    const tries: string[] = [];
    let gate: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
    stores.before = async ({ names: [name = ''] }) => {
      tries.push(name);
      await gate?.promise;
      throw storeFault('store-unavailable');
    };
    const first = store.head('first').catch(() => 'failed');
    const second = store.head('second').catch(() => 'failed');
    await clock.runUntil(120_000);
    gate.resolve();
    gate = undefined;
    await clock.runUntil(240_000);
    await Promise.all([first, second]);
    // The first hung for longer than the patience; the second has all of it.
    expect(tries.filter((name) => name === 'first')).toHaveLength(1);
    expect(tries.filter((name) => name === 'second').length).toBeGreaterThan(4);
  });

  test('who gives up while it waits for a rate sends nothing', async () => {
    const { clock, store, stores } = paced({ bytesPerSecond: 1_000 });
    await store.getRange('there', 0, new Uint8Array(10_000));
    const calls: string[] = [];
    stores.before = ({ op }) => void calls.push(op);
    const leaves = new AbortController();
    const waiting = store.getRange('there', 0, new Uint8Array(1), leaves.signal);
    await clock.runUntil(1_000);
    leaves.abort();
    await expectFailure(waiting, 'retry', 'cancelled');
    await clock.runUntil(60_000);
    expect(calls).toEqual([]);
    expect(clock.sleeping).toBe(0);
  });

  test('file systems of one bucket share its places, also where each has a client of its own', async () => {
    const { clock, pace } = paced({ inFlight: { floor: 1, ceiling: 2 } });
    const gate = Promise.withResolvers<void>();
    const sent: string[] = [];
    const inner = {
      forFilesystem: ({ endpoint = '', bucket, fsId }: Filesystem) => {
        const own = new MemoryObjectStores();
        own.write(bucket, 'there', patternBytes(1));
        own.before = () => {
          sent.push(`${endpoint} ${bucket} of ${fsId}`);
          return gate.promise;
        };
        return own.forFilesystem({ bucket });
      },
      close: () => {},
    };
    const stores = storesWithRetries(inner, { clock, pace });
    const filesystem = { uuid: '', name: '', blockSize: 16, chunkSize: 64, objectPrefix: 0 } as const;
    const of = (fsId: number, bucket: string, endpoint: string) =>
      stores.forFilesystem({ ...filesystem, fsId, bucket, endpoint }).head('there');
    const calls = [1, 2, 3].map((fsId) => of(fsId, 'bkt', 'http://a'));
    calls.push(of(4, 'bkt', 'http://b'), of(5, 'other', 'http://a'));
    await setImmediate();
    expect(sent).toEqual(['http://a bkt of 1', 'http://a bkt of 2', 'http://b bkt of 4', 'http://a other of 5']);
    expect(pace.snapshot().inFlight.map(({ store }) => store)).toEqual(['bkt', 'bkt', 'bkt', 'other']);
    gate.resolve();
    await Promise.all(calls);
    expect(sent).toHaveLength(5);
  });
});
