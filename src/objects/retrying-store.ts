/**
 * Retries, pace and counting around any ObjectStore: the only place where a request is repeated, so that budgets, limits,
 * metrics and the simulation see every try. A request is given up when the store makes no progress, not when it was
 * refused so and so often: a store that throttles would else end every long run. Time comes from the Clock port; p-retry
 * keeps the count of tries and the signal's precedence, its own timer is not used (the wait is in `shouldRetry`, which it
 * awaits). It must not decide about missing or short objects: what they mean is known higher up, and waiting here burns a run.
 */

import pRetry from 'p-retry';
import type { Clock } from '../clock.ts';
import { CompactError, type ErrorCode } from '../errors.ts';
import type { Filesystem } from '../model.ts';
import { type FlightLimit, HOLD_MAX_MS } from '../pace/in-flight-limit.ts';
import type { Pace } from '../pace/pace.ts';
import { elapsed, latest, type MonotonicMs, NEVER } from '../time.ts';
import type {
  DeleteFailure,
  ObjectHead,
  ObjectPage,
  ObjectStore,
  ObjectStores,
  StoreCapabilities,
  StoreDiagnosis,
} from './port.ts';
import { cancelledError, Turns } from './turns.ts';

export type ObjectOperation = 'get' | 'put' | 'head' | 'list' | 'delete';

/**
 * How one try ended: `exists` a name that was taken, `absent` a HEAD without an object, `partial` a delete that left
 * some names, an error's code, or `failed` for an error that is none of ours.
 */
export type RequestOutcome = 'ok' | 'exists' | 'absent' | 'partial' | 'failed' | ErrorCode;

/** Called for every try, from inside the call: it must be quick and must not throw. Metrics hang on it. */
export interface RequestObserver {
  /**
   * `ms` is the time of the try without its waiting turn; `bytes` the payload that surely moved (read or sent), 0 for a
   * try that failed, since nobody knows how much of it did.
   */
  request(op: ObjectOperation, outcome: RequestOutcome, ms: number, bytes: number): void;
  /** A try failed so; `request` follows. */
  failed?(op: ObjectOperation, error: CompactError): void;
  /** A try waits for its turn: `started` follows, or `withdrawn` when its caller gives up. */
  asked?(op: ObjectOperation): void;
  withdrawn?(op: ObjectOperation): void;
  /** Who observes the requests to this bucket. */
  forBucket?(bucket: string): RequestObserver;
  /** A try begins; `request` follows. */
  started?(op: ObjectOperation): void;
  /** It failed and is tried again after this wait. */
  retried?(op: ObjectOperation, waitMs: number): void;
}

export interface RetryOptions {
  readonly clock: Clock;
  /** For how long no request of the same kind may succeed before a call gives up, milliseconds (60,000). */
  readonly patienceMs?: number;
  /** Tries for each call, the first included (32), however well the store serves others. */
  readonly triesMax?: number;
  /** Wait before the second try, doubled for each further one, milliseconds (100). Jitter makes it half to whole. */
  readonly backOffMs?: number;
  /** Longest wait, milliseconds (5,000). */
  readonly backOffMaxMs?: number;
  /** Requests in flight for each store (32), where no pace says it. */
  readonly requestsMax?: number;
  /** Rates, and places in flight that give way to a store in trouble; every try waits for both. */
  readonly pace?: Pace;
  readonly observer?: RequestObserver | undefined;
  /** In [0, 1); given by the simulation, which must repeat. */
  readonly random?: () => number;
}

/** Outlasts a gateway that restarts, and lets a request that hung for its whole time-out be tried again. */
const PATIENCE_MS = 60_000;
/** A store that refuses every second request refuses one so often in a row once in 4 billion times. Two minutes of waiting. */
const TRIES_MAX = 32;
const BACK_OFF_MS = 100;
const BACK_OFF_MAX_MS = 5_000;
/** Half the sockets of a client (s3-client.ts): two buckets share one without queueing for a socket. */
const REQUESTS_MAX = 32;

/** What one try reports to the observer of a result. */
interface TryOutcome {
  readonly outcome: RequestOutcome;
  readonly bytes: number;
}

interface Call<T> {
  readonly op: ObjectOperation;
  readonly signal: AbortSignal | undefined;
  /** Payload that a try moves. */
  readonly bytes: number;
  /** Stands for the time that a try takes, where that is not the payload's. */
  readonly size?: number;
  readonly run: () => Promise<T>;
  readonly outcomeOf: (result: T) => TryOutcome;
  /** Called right before each try, after all waiting. */
  readonly before?: (() => void) | undefined;
}

interface Caller {
  readonly signal: AbortSignal | undefined;
  readonly before?: () => void;
}

/** A name in a delete is as much work as so many bytes: only to tell large batches from small ones. */
const DELETE_NAME_BYTES = 4096;

/**
 * The store with retries: only `store-unavailable` is tried again, with exponential back-off and jitter, for as long as
 * requests of its kind succeed now and then; everything else, and the last failure, passes through. A PUT whose answer was lost may meet its own object at the next try and
 * says `exists` honestly: the caller settles that by HEAD. `cancelled` as soon as the signal aborts, waiting or not.
 */
export function withRetries(store: ObjectStore, options: RetryOptions, name = ''): ObjectStore {
  return new RetryingStore(store, options, name);
}

/** The same for all stores; each keeps its own bound of requests in flight. Closing closes the inner ones. */
export function storesWithRetries(stores: ObjectStores, options: RetryOptions): ObjectStores {
  const wrapped = new WeakMap<ObjectStore, ObjectStore>();
  const optionsOf = (bucket: string): RetryOptions => {
    const observer = options.observer?.forBucket?.(bucket);
    return observer === undefined ? options : { ...options, observer };
  };
  return {
    forFilesystem(filesystem: Filesystem): ObjectStore {
      const store = stores.forFilesystem(filesystem);
      const known = wrapped.get(store) ?? withRetries(store, optionsOf(filesystem.bucket), filesystem.bucket);
      wrapped.set(store, known);
      return known;
    },
    close: () => stores.close(),
  };
}

class RetryingStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #options: RetryOptions;
  readonly #places: Turns | FlightLimit;
  readonly #flight: FlightLimit | undefined;
  /** When a request of this kind last succeeded: a store that takes no writes makes no progress by serving reads. */
  readonly #succeededAtMs = new Map<ObjectOperation, MonotonicMs>();

  constructor(store: ObjectStore, options: RetryOptions, name: string) {
    this.#store = store;
    this.#options = options;
    this.#flight = options.pace?.flightOf(name);
    this.#places = this.#flight ?? new Turns(options.requestsMax ?? REQUESTS_MAX);
  }

  capabilities(): StoreCapabilities | undefined {
    return this.#store.capabilities?.();
  }

  diagnosis(): StoreDiagnosis | undefined {
    return this.#store.diagnosis?.();
  }

  guarded(before: () => void): ObjectStore {
    return {
      getRange: (name, offset, target, signal) => this.#get({ name, offset, target }, { signal, before }),
      getWhole: (name, target, signal) => this.#getWhole(name, target, { signal, before }),
      putIfAbsent: (name, body, signal) => this.#put(name, body, { signal, before }),
      head: (name, signal) => this.head(name, signal),
      list: (after, signal, prefix) => this.list(after, signal, prefix),
      delete: (names, signal) => this.#delete(names, { signal, before }),
    };
  }

  getRange(name: string, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#get({ name, offset, target }, { signal });
  }

  #get(
    { name, offset, target }: { readonly name: string; readonly offset: number; readonly target: Uint8Array },
    { signal, before }: Caller,
  ): Promise<void> {
    return this.#call({
      op: 'get',
      signal,
      bytes: target.length,
      before,
      run: () => this.#store.getRange(name, offset, target, signal),
      outcomeOf: () => ({ outcome: 'ok', bytes: target.length }),
    });
  }

  getWhole(name: string, target: Uint8Array, signal?: AbortSignal): Promise<number> {
    return this.#getWhole(name, target, { signal });
  }

  #getWhole(name: string, target: Uint8Array, { signal, before }: Caller): Promise<number> {
    return this.#call({
      op: 'get',
      signal,
      // The most that it can be: how long it is shows when it is there.
      bytes: target.length,
      before,
      run: () => this.#store.getWhole(name, target, signal),
      outcomeOf: (bytes) => ({ outcome: 'ok', bytes }),
    });
  }

  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'> {
    return this.#put(name, body, { signal });
  }

  #put(name: string, body: Uint8Array, { signal, before }: Caller): Promise<'created' | 'exists'> {
    return this.#call({
      op: 'put',
      signal,
      bytes: body.length,
      before,
      run: () => this.#store.putIfAbsent(name, body, signal),
      outcomeOf: (result) => ({ outcome: result === 'created' ? 'ok' : 'exists', bytes: body.length }),
    });
  }

  head(name: string, signal?: AbortSignal): Promise<ObjectHead | null> {
    return this.#call({
      op: 'head',
      signal,
      bytes: 0,
      run: () => this.#store.head(name, signal),
      outcomeOf: (result) => ({ outcome: result === null ? 'absent' : 'ok', bytes: 0 }),
    });
  }

  list(after?: string, signal?: AbortSignal, prefix?: string): Promise<ObjectPage> {
    return this.#call({
      op: 'list',
      signal,
      bytes: 0,
      run: () => this.#store.list(after, signal, prefix),
      outcomeOf: () => ({ outcome: 'ok', bytes: 0 }),
    });
  }

  delete(names: readonly string[], signal?: AbortSignal): Promise<readonly DeleteFailure[]> {
    return this.#delete(names, { signal });
  }

  /** One try may be many requests, to a server without batches: the store itself asks before each, where it can. */
  #delete(names: readonly string[], { signal, before }: Caller): Promise<readonly DeleteFailure[]> {
    const store = before === undefined ? this.#store : (this.#store.guarded?.(before) ?? this.#store);
    return this.#call({
      op: 'delete',
      signal,
      bytes: 0,
      size: names.length * DELETE_NAME_BYTES,
      before,
      run: () => store.delete(names, signal),
      outcomeOf: (result) => ({ outcome: result.length === 0 ? 'ok' : 'partial', bytes: 0 }),
    });
  }

  async #call<T>(call: Call<T>): Promise<T> {
    const { signal } = call;
    // From the first try, not from the call: who waits for a place has not been refused yet.
    let sinceMs: MonotonicMs | undefined;
    const run = (): Promise<T> => {
      sinceMs ??= this.#options.clock.monotonicMs();
      return this.#try(call);
    };
    try {
      return await pRetry(() => this.#paced(call, run), {
        retries: (this.#options.triesMax ?? TRIES_MAX) - 1,
        // The wait is ours, on the Clock.
        minTimeout: 0,
        shouldRetry: ({ error, retriesConsumed }) =>
          isUnavailable(error) && this.#makesProgress(call.op, sinceMs) && this.#wait(error, retriesConsumed, call),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (thrown) {
      if (signal?.aborted) throw cancelledError(thrown);
      throw thrown;
    }
  }

  /** One try when its turn has come; a place in flight is held only while the request is under way. */
  async #paced<T>(call: Call<T>, run: () => Promise<T>): Promise<T> {
    const { pace, observer } = this.#options;
    let begun = false;
    observer?.asked?.(call.op);
    try {
      const admitted = pace?.admit(call.bytes, call.signal);
      if (admitted !== undefined) await admitted;
      return await this.#places.take(() => {
        begun = true;
        return run();
      }, call.signal);
    } finally {
      if (!begun) observer?.withdrawn?.(call.op);
    }
  }

  /** Whether the store has served a request of this kind lately, or has not been asked for long. */
  #makesProgress(op: ObjectOperation, sinceMs: MonotonicMs | undefined): boolean {
    const { clock, patienceMs = PATIENCE_MS } = this.#options;
    const nowMs = clock.monotonicMs();
    const lastMs = latest(sinceMs ?? nowMs, this.#succeededAtMs.get(op) ?? NEVER);
    return elapsed(lastMs, nowMs) < patienceMs;
  }

  async #wait<T>(error: CompactError, retriesConsumed: number, { op, signal }: Call<T>): Promise<boolean> {
    const { clock, backOffMs = BACK_OFF_MS, backOffMaxMs = BACK_OFF_MAX_MS, random = Math.random } = this.#options;
    const wholeMs = Math.min(backOffMaxMs, backOffMs * 2 ** retriesConsumed);
    // A store that says when to come back knows better, within reason.
    const saidMs = Math.min(HOLD_MAX_MS, error.retryAfterMs ?? 0);
    const waitMs = Math.max(saidMs, (wholeMs * (1 + random())) / 2);
    this.#options.observer?.retried?.(op, waitMs);
    await clock.sleep(waitMs, signal);
    return true;
  }

  async #try<T>(call: Call<T>): Promise<T> {
    call.before?.();
    const { clock, observer } = this.#options;
    const { op, size = call.bytes } = call;
    const sentAtMs = clock.monotonicMs();
    observer?.started?.(op);
    try {
      const result = await call.run();
      const { outcome, bytes } = call.outcomeOf(result);
      const endedAtMs = clock.monotonicMs();
      this.#succeededAtMs.set(op, endedAtMs);
      observer?.request(op, outcome, elapsed(sentAtMs, endedAtMs), bytes);
      this.#flight?.answered({ op, bytes: size, sentAtMs, endedAtMs });
      return result;
    } catch (thrown) {
      const endedAtMs = clock.monotonicMs();
      const outcome = thrown instanceof CompactError ? thrown.code : 'failed';
      if (thrown instanceof CompactError) observer?.failed?.(op, thrown);
      observer?.request(op, outcome, elapsed(sentAtMs, endedAtMs), 0);
      // Whatever else it says, it was not asked too much.
      if (thrown instanceof CompactError && outcome === 'store-unavailable')
        this.#flight?.refused({ sentAtMs, endedAtMs }, thrown.retryAfterMs);
      throw thrown;
    }
  }
}

function isUnavailable(error: Error): error is CompactError {
  return error instanceof CompactError && error.kind === 'retry' && error.code === 'store-unavailable';
}
