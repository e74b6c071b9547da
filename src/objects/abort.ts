/**
 * Listening to a signal that thousands of short calls share. An AbortSignal keeps its listeners in a linked list, and one
 * that was removed still points to its neighbours; a Set leaves its outgrown tables behind. Either way what is old and
 * dead keeps what is young, with the requests it belongs to, until the next full collection: a small GET then costs a
 * third more, and the heap triples (measured). So each signal gets one listener for good, and the calls have places.
 */

export interface AbortListener {
  /** The signal has aborted; called once. */
  aborted(): void;
  /** Where it stands among the listeners; only for the functions here. */
  place: number;
}

const listenersOf = new WeakMap<AbortSignal, AbortListener[]>();

/** Notifies the listener of an abort that is still to come. It may listen to one signal at a time. */
export function listen(signal: AbortSignal, listener: AbortListener): void {
  let listeners = listenersOf.get(signal);
  if (listeners === undefined) {
    const all: AbortListener[] = [];
    listeners = all;
    listenersOf.set(signal, all);
    signal.addEventListener('abort', () => notifyAll(all), { once: true });
  }
  listener.place = listeners.push(listener) - 1;
}

/** Does nothing for one that does not listen (any more). */
export function unlisten(signal: AbortSignal, listener: AbortListener): void {
  const listeners = listenersOf.get(signal);
  if (listeners === undefined || listeners[listener.place] !== listener) return;
  const last = listeners.pop();
  if (last === undefined || last === listener) return;
  listeners[listener.place] = last;
  last.place = listener.place;
}

function notifyAll(listeners: AbortListener[]): void {
  // Listeners may take others away.
  for (let listener = listeners.pop(); listener !== undefined; listener = listeners.pop()) listener.aborted();
}
