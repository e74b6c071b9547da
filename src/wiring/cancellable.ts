/**
 * A view of a port (metadata, ledger, queue, books) whose calls end soon after a signal aborts, whatever the server does.
 * One view in place of a parameter of each of some fifty calls (docs/adr/0031). What was sent may still happen: a commit
 * is then unknown, everything else may simply be done again. It must not be used where nobody says when to stop.
 */
import { CompactError, cancelled } from '../errors.ts';
import { type AbortListener, listen, unlisten } from '../objects/abort.ts';

/** What an abort leaves a call that is under way, or is made after it to leave things in order. */
const LAST_CALL_MS = 1_000;

type Call = (...args: unknown[]) => unknown;

export function cancellable<Port extends object>(port: Port, signal: AbortSignal | undefined): Port {
  return signal === undefined ? port : portView(port, (name, call) => callWithin(name, call, signal));
}

/** The same for all that some work is given: ports, functions, and rows of them. */
export function cancellableDeps<Deps extends object>(deps: Deps, signal: AbortSignal | undefined): Deps {
  if (signal === undefined) return deps;
  const view = (one: unknown): unknown => {
    if (typeof one === 'function') return callWithin('', one as Call, signal);
    if (Array.isArray(one)) return one.map(view);
    return typeof one === 'object' && one !== null ? cancellable(one, signal) : one;
  };
  return Object.fromEntries(Object.entries(deps).map(([name, one]) => [name, view(one)])) as Deps;
}

function callWithin(name: PropertyKey, call: Call, signal: AbortSignal): Call {
  return (...args) => {
    const answer = call(...args);
    if (name === 'commit') return within(answer as Promise<unknown>, signal).catch(unknownIfCancelled);
    if (answer instanceof Promise) return within(answer, signal);
    return isStream(answer) ? eachWithin(answer, signal) : answer;
  };
}

/** A Proxy, so that a port keeps every method that it will ever have. */
export function portView<Port extends object>(port: Port, wrap: (name: PropertyKey, call: Call) => Call): Port {
  const known = new Map<PropertyKey, unknown>();
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = known.get(name) ?? Reflect.get(target, name, target);
      if (typeof value !== 'function' || known.has(name)) return value;
      known.set(name, wrap(name, value.bind(target) as Call));
      return known.get(name);
    },
  });
}

/** The answer, or `cancelled` soon after the signal aborts. */
export async function within<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const end = () => over.reject(cancelled('the call was given up, because the work was asked to stop', signal.reason));
  const listener: AbortListener = {
    place: 0,
    aborted: () => {
      timer = setTimeout(end, LAST_CALL_MS);
    },
  };
  if (signal.aborted) listener.aborted();
  else listen(signal, listener);
  try {
    return await Promise.race([answer, over.promise]);
  } finally {
    clearTimeout(timer);
    unlisten(signal, listener);
  }
}

async function* eachWithin<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await within(iterator.next(), signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Behind a call that hangs it would hang, too.
    void iterator.return?.();
  }
}

function isStream(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer;
}

function unknownIfCancelled(cause: unknown): unknown {
  if (cause instanceof CompactError && cause.code === 'cancelled') return { outcome: 'unknown', cause };
  throw cause;
}
