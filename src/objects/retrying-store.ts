/**
 * Retries, pace and counting around any ObjectStore: the only place where a request is repeated, so that budgets, limits,
 * metrics and the simulation see every try. A request is given up when the store makes no progress, not when it was
 * refused so and so often. Time comes from the Clock port: p-retry's own timer is not used (the wait is in `shouldRetry`).
 * It must not decide about missing or short objects: what they mean is known higher up, and waiting here burns a run.
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
  readonly observer?: RequestObserver;
  /** In [0, 1); given by the simulation, which must repeat. */
  readonly random?: () => number;
}

/** Outlasts a gateway that restarts, and lets a request that hung for its whole time-out be tried again. */
const PATIENCE_MS = 60_000;
/** A store that refuses every second request refuses one so often in a row once in 4 billion times. Two minutes of waiting. */
const TRIES_MAX = 32;
const BACK_OFF_MS = 100;
const BACK_OFF_MAX_MS = 5_000;
/** Half the sockets of a client (s3/connection.ts): two buckets share one without queueing for a socket. */
const REQUESTS_MAX = 32;

interface Call<T> {
  readonly op: ObjectOperation;
  readonly signal: AbortSignal | undefined;
  /** Payload that a try moves. */
  readonly bytes: number;
  /** Stands for the time that a try takes, where that is not the payload's. */
  readonly size?: number;
  readonly run: () => Promise<T>;
  /** What of a result the observer sees. */
  readonly outcomeOf: (result: T) => { readonly outcome: RequestOutcome; readonly bytes: number };
  /** Called right before each try, after all waiting. */
  readonly before?: () => void;
}

/** Of one store, whoever calls it. */
interface State {
  readonly store: ObjectStore;
  readonly options: RetryOptions;
  readonly places: Turns | FlightLimit;
  readonly flight: FlightLimit | undefined;
  /** When a request of this kind last succeeded: a store that takes no writes makes no progress by serving reads. */
  readonly succeededAtMs: Map<ObjectOperation, MonotonicMs>;
}

/** A name in a delete is as much work as so many bytes: only to tell large batches from small ones. */
const DELETE_NAME_BYTES = 4096;

/**
 * The store with retries: only `store-unavailable` is tried again, with exponential back-off and jitter, for as long as
 * requests of its kind succeed now and then; everything else, and the last failure, passes through. A PUT whose answer was lost may meet its own object at the next try and
 * says `exists` honestly: the caller settles that by HEAD. `cancelled` as soon as the signal aborts, waiting or not.
 */
export function withRetries(
  store: ObjectStore,
  options: RetryOptions,
  { bucket = '', endpoint }: Partial<Pick<Filesystem, 'bucket' | 'endpoint'>> = {},
): ObjectStore {
  const flight = options.pace?.flightOf(bucket, endpoint);
  const places = flight ?? new Turns(options.requestsMax ?? REQUESTS_MAX);
  return new RetryingStore({ store, options, places, flight, succeededAtMs: new Map() });
}

/** The same for all stores; those of one bucket share its bound of requests in flight. Closing closes the inner ones. */
export function storesWithRetries(stores: ObjectStores, options: RetryOptions): ObjectStores {
  const wrapped = new WeakMap<ObjectStore, ObjectStore>();
  const optionsOf = (bucket: string): RetryOptions => {
    const observer = options.observer?.forBucket?.(bucket);
    return observer === undefined ? options : { ...options, observer };
  };
  return {
    forFilesystem(filesystem: Filesystem): ObjectStore {
      const store = stores.forFilesystem(filesystem);
      const known = wrapped.get(store) ?? withRetries(store, optionsOf(filesystem.bucket), filesystem);
      wrapped.set(store, known);
      return known;
    },
    close: () => stores.close(),
  };
}

class RetryingStore implements ObjectStore {
  readonly #state: State;
  /** Called before each try of what the port says; see `guarded`. */
  readonly #before: (() => void) | undefined;

  constructor(state: State, before?: () => void) {
    this.#state = state;
    this.#before = before;
  }

  capabilities(): StoreCapabilities | undefined {
    return this.#state.store.capabilities?.();
  }

  diagnosis(): StoreDiagnosis | undefined {
    return this.#state.store.diagnosis?.();
  }

  guarded(before: () => void): ObjectStore {
    return new RetryingStore(this.#state, before);
  }

  getRange(name: string, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#call({
      op: 'get',
      signal,
      bytes: target.length,
      before: this.#before,
      run: () => this.#state.store.getRange(name, offset, target, signal),
      outcomeOf: () => ({ outcome: 'ok', bytes: target.length }),
    });
  }

  getWhole(name: string, target: Uint8Array, signal?: AbortSignal): Promise<number> {
    return this.#call({
      // The most that it can be: how long it is shows when it is there.
      op: 'get',
      signal,
      bytes: target.length,
      before: this.#before,
      run: () => this.#state.store.getWhole(name, target, signal),
      outcomeOf: (bytes) => ({ outcome: 'ok', bytes }),
    });
  }

  putIfAbsent(name: string, body: Uint8Array, signal?: AbortSignal): Promise<'created' | 'exists'> {
    return this.#call({
      op: 'put',
      signal,
      bytes: body.length,
      before: this.#before,
      run: () => this.#state.store.putIfAbsent(name, body, signal),
      outcomeOf: (result) => ({ outcome: result === 'created' ? 'ok' : 'exists', bytes: body.length }),
    });
  }

  head(name: string, signal?: AbortSignal): Promise<ObjectHead | null> {
    return this.#call({
      op: 'head',
      signal,
      bytes: 0,
      run: () => this.#state.store.head(name, signal),
      outcomeOf: (result) => ({ outcome: result === null ? 'absent' : 'ok', bytes: 0 }),
    });
  }

  list(after?: string, signal?: AbortSignal, prefix?: string): Promise<ObjectPage> {
    return this.#call({
      op: 'list',
      signal,
      bytes: 0,
      run: () => this.#state.store.list(after, signal, prefix),
      outcomeOf: () => ({ outcome: 'ok', bytes: 0 }),
    });
  }

  delete(names: readonly string[], signal?: AbortSignal, before = this.#before): Promise<readonly DeleteFailure[]> {
    return this.#call({
      op: 'delete',
      signal,
      bytes: 0,
      size: names.length * DELETE_NAME_BYTES,
      before,
      run: () => this.#state.store.delete(names, signal, before),
      outcomeOf: (result) => ({ outcome: result.length === 0 ? 'ok' : 'partial', bytes: 0 }),
    });
  }

  async #call<T>(call: Call<T>): Promise<T> {
    const { signal } = call;
    // From the first try, not from the call: who waits for a place has not been refused yet.
    let sinceMs: MonotonicMs | undefined;
    const run = (): Promise<T> => {
      sinceMs ??= this.#state.options.clock.monotonicMs();
      return this.#try(call);
    };
    try {
      return await pRetry(() => this.#paced(call, run), {
        retries: (this.#state.options.triesMax ?? TRIES_MAX) - 1,
        // The wait is ours, on the Clock.
        minTimeout: 0,
        shouldRetry: ({ error, retriesConsumed }) =>
          isUnavailable(error) && this.#makesProgress(call.op, sinceMs) && this.#wait(error, retriesConsumed, call),
        signal,
      });
    } catch (thrown) {
      if (signal?.aborted) throw cancelledError(thrown);
      throw thrown;
    }
  }

  /** One try when its turn has come; a place in flight is held only while the request is under way. */
  async #paced<T>(call: Call<T>, run: () => Promise<T>): Promise<T> {
    const { pace, observer } = this.#state.options;
    let begun = false;
    observer?.asked?.(call.op);
    try {
      const admitted = pace?.admit(call.bytes, call.signal);
      if (admitted !== undefined) await admitted;
      return await this.#state.places.take(() => {
        begun = true;
        return run();
      }, call.signal);
    } finally {
      if (!begun) observer?.withdrawn?.(call.op);
    }
  }

  /** Whether the store has served a request of this kind lately, or has not been asked for long. */
  #makesProgress(op: ObjectOperation, sinceMs: MonotonicMs | undefined): boolean {
    const { options, succeededAtMs } = this.#state;
    const { clock, patienceMs = PATIENCE_MS } = options;
    const nowMs = clock.monotonicMs();
    const lastMs = latest(sinceMs ?? nowMs, succeededAtMs.get(op) ?? NEVER);
    return elapsed(lastMs, nowMs) < patienceMs;
  }

  async #wait<T>(error: CompactError, retriesConsumed: number, { op, signal }: Call<T>): Promise<boolean> {
    const { options } = this.#state;
    const { clock, backOffMs = BACK_OFF_MS, backOffMaxMs = BACK_OFF_MAX_MS, random = Math.random } = options;
    const wholeMs = Math.min(backOffMaxMs, backOffMs * 2 ** retriesConsumed);
    // A store that says when to come back knows better, within reason.
    const saidMs = Math.min(HOLD_MAX_MS, error.retryAfterMs ?? 0);
    const waitMs = Math.max(saidMs, (wholeMs * (1 + random())) / 2);
    options.observer?.retried?.(op, waitMs);
    await clock.sleep(waitMs, signal);
    return true;
  }

  async #try<T>(call: Call<T>): Promise<T> {
    call.before?.();
    const { options, flight, succeededAtMs } = this.#state;
    const { clock, observer } = options;
    const { op, size = call.bytes } = call;
    const sentAtMs = clock.monotonicMs();
    observer?.started?.(op);
    try {
      const result = await call.run();
      const { outcome, bytes } = call.outcomeOf(result);
      const endedAtMs = clock.monotonicMs();
      succeededAtMs.set(op, endedAtMs);
      observer?.request(op, outcome, elapsed(sentAtMs, endedAtMs), bytes);
      flight?.answered({ op, bytes: size, sentAtMs, endedAtMs });
      return result;
    } catch (thrown) {
      const endedAtMs = clock.monotonicMs();
      const outcome = thrown instanceof CompactError ? thrown.code : 'failed';
      if (thrown instanceof CompactError) observer?.failed?.(op, thrown);
      observer?.request(op, outcome, elapsed(sentAtMs, endedAtMs), 0);
      // Whatever else it says, it was not asked too much.
      if (thrown instanceof CompactError && outcome === 'store-unavailable')
        flight?.refused({ sentAtMs, endedAtMs }, thrown.retryAfterMs);
      throw thrown;
    }
  }
}

function isUnavailable(error: Error): error is CompactError {
  return error instanceof CompactError && error.kind === 'retry' && error.code === 'store-unavailable';
}
