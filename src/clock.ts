/**
 * Time as a port, so that leases, budgets and back-off run on a virtual clock in the simulation.
 * Wall-clock stamps do not come from here: they come from the queue's Redis.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type MonotonicMs, monotonicMs } from './time.ts';

export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  monotonicMs(): MonotonicMs;
  /** Rejects when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  monotonicMs: () => monotonicMs(performance.now()),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
};

/** What `work` comes to, or after `ms` what `late` says (or throws); the work goes on in the background then. */
export async function within<T, L>(work: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    return await Promise.race([work, over.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}

/** The answer, or an Error when it does not come within `ms`. */
export function answerWithin<T>(answer: Promise<T>, ms: number): Promise<T> {
  return within(answer, ms, () => {
    throw new Error(`no answer within ${ms} ms`);
  });
}

/** Whether `work` ended well within `ms`; rejects when it failed by then. Closing may hang while a server is away, and stopping must not. */
export function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  return within(
    work.then(() => true),
    ms,
    () => false,
  );
}
