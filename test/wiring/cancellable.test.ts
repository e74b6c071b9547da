/** A port of which some calls never end, seen through a signal. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cancellable, cancellableDeps } from '../../src/wiring/cancellable.ts';

const NEVER = new Promise<never>(() => undefined);

class Port {
  #asked = 0;
  async ask(): Promise<number> {
    return ++this.#asked;
  }
  hang(): Promise<number> {
    return NEVER;
  }
  commit(): Promise<{ readonly outcome: string }> {
    return NEVER;
  }
  async *pages(): AsyncGenerator<number> {
    yield 1;
    yield await NEVER;
  }
}

let stop: AbortController;
beforeEach(() => {
  vi.useFakeTimers();
  stop = new AbortController();
});
afterEach(() => vi.useRealTimers());

describe('a port seen through a signal', () => {
  it('answers as it does without, also after the abort: there is time to leave things in order', async () => {
    const port = cancellable(new Port(), stop.signal);
    expect(await port.ask()).toBe(1);
    stop.abort();
    expect(await port.ask()).toBe(2);
  });

  it('a call that hangs is given up soon after the abort, whether it was made before or after', async () => {
    const port = cancellable(new Port(), stop.signal);
    const before = port.hang();
    stop.abort();
    const calls = Promise.allSettled([before, port.hang()]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await calls).toMatchObject([{ reason: { code: 'cancelled' } }, { reason: { code: 'cancelled' } }]);
  });

  it('a commit is unknown then: it may have happened (I6)', async () => {
    const answer = cancellable(new Port(), stop.signal).commit();
    stop.abort();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await answer).toMatchObject({ outcome: 'unknown', cause: { code: 'cancelled' } });
  });

  it('a walk ends between and within its pages', async () => {
    const seen: number[] = [];
    const walk = async () => {
      for await (const page of cancellable(new Port(), stop.signal).pages()) seen.push(page);
    };
    const ended = Promise.allSettled([walk()]);
    await vi.advanceTimersByTimeAsync(1);
    stop.abort();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await ended).toMatchObject([{ reason: { code: 'cancelled' } }]);
    expect(seen).toEqual([1]);
  });

  it('all that some work is given goes with it: ports, functions, rows of functions', async () => {
    const deps = cancellableDeps(
      { port: new Port(), nowMs: () => NEVER, guards: [() => NEVER], graceMs: 5 },
      stop.signal,
    );
    const calls = Promise.allSettled([deps.port.hang(), deps.nowMs(), deps.guards[0]?.()]);
    stop.abort();
    await vi.advanceTimersByTimeAsync(10_000);
    for (const call of await calls) expect(call).toMatchObject({ reason: { code: 'cancelled' } });
    expect(deps.graceMs).toBe(5);
  });
});
