/**
 * A deadline around one call: it ends by its result, by the time-out or by the caller's signal, whichever is first,
 * even where the callee ignores its signal (the SDK's credential chain does).
 * Not AbortSignal.timeout/any: those leave a timer and a listener behind for each finished call until the time-out is
 * over, and a merge makes thousands of calls a second. It must not interpret the callee's errors.
 */
import { type AbortListener, listen, unlisten } from '../abort.ts';

/** Why a call was ended from outside. */
export class CallEnded extends Error {
  readonly reason: 'time-out' | 'cancelled';

  constructor(reason: 'time-out' | 'cancelled') {
    super(`the call was ended: ${reason}`);
    this.name = 'CallEnded';
    this.reason = reason;
  }
}

interface DeadlineLimits {
  readonly timeoutMs: number;
  /** The caller's wish to stop. */
  readonly signal?: AbortSignal;
}

/**
 * Runs `run` with a signal that aborts at the time-out or with the caller's signal.
 * Rejects with CallEnded at that very moment; what `run` does later is ignored, so it must not touch shared memory once
 * its signal is aborted.
 */
export async function withinDeadline<T>(limits: DeadlineLimits, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { timeoutMs, signal } = limits;
  if (signal?.aborted) throw new CallEnded('cancelled');
  const controller = new AbortController();
  const ended = Promise.withResolvers<never>();
  const end = (reason: CallEnded['reason']): void => {
    // Rejected first, so that the callee's own AbortError cannot win the race; the abort is in the same turn of the
    // loop, so the sockets are destroyed before any caller hears of it.
    ended.reject(new CallEnded(reason));
    controller.abort();
  };
  const timer = setTimeout(end, timeoutMs, 'time-out');
  const listener: AbortListener = { place: 0, aborted: () => end('cancelled') };
  if (signal !== undefined) listen(signal, listener);
  try {
    return await Promise.race([run(controller.signal), ended.promise]);
  } finally {
    clearTimeout(timer);
    if (signal !== undefined) unlisten(signal, listener);
  }
}
