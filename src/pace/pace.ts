/**
 * The pace of one process: how much it asks of the object stores, and in what order a request waits. First the rates, then a
 * place in flight. Time alone gives rates back and only ended requests give places back, and neither waits for memory: so
 * whoever holds memory always gets on. It must not know what a request is for.
 */
import type { Clock } from '../clock.ts';
import type { AdaptiveOptions } from './adaptive-limit.ts';
import { FlightLimit, type FlightState } from './in-flight-limit.ts';
import { RateLimit } from './rate-limit.ts';
import { SharedRate, type SharedRateOptions, type SharedState } from './shared-rate.ts';
import type { LimitState } from './waiting-line.ts';

export interface PaceOptions {
  readonly clock: Clock;
  /** 0 means no limit, for each of these. */
  readonly bytesPerSecond: number;
  readonly requestsPerSecond: number;
  /** Requests in flight to each store. */
  readonly inFlight: AdaptiveOptions;
  /** The rate of all workers, where there is one. */
  readonly shared?: Pick<SharedRateOptions, 'perSecond' | 'budget' | 'membersAtFirst'>;
  /** Called for every wait when it is over, in the waiting caller's own asynchronous context. */
  readonly onWaited?: (limit: PaceLimit, ms: number) => void;
}

/** What a request may wait for, as metrics name it. */
type PaceLimit = 'bytes-per-second' | 'requests-per-second' | 'total-bytes-per-second' | 'requests-in-flight';

/** Everything that can be looked at, in plain JSON; totals count from the start of the process. */
export interface PaceSnapshot {
  readonly bytesPerSecond: LimitState;
  readonly requestsPerSecond: LimitState;
  readonly totalBytesPerSecond: SharedState | null;
  /** Each store by its bucket. */
  readonly inFlight: readonly (FlightState & { readonly store: string })[];
}

export class Pace {
  readonly #options: PaceOptions;
  readonly #bytes: RateLimit;
  readonly #requests: RateLimit;
  readonly #shared: SharedRate | undefined;
  /** As many as there are buckets among the file systems (I8), each by its server and name. */
  readonly #flights = new Map<string, { readonly store: string; readonly flight: FlightLimit }>();

  constructor(options: PaceOptions) {
    const { clock, bytesPerSecond, requestsPerSecond, shared } = options;
    const onWaitedOf = (limit: PaceLimit) => ({ onWaited: (ms: number) => options.onWaited?.(limit, ms) });
    this.#options = options;
    this.#bytes = new RateLimit({ clock, perSecond: bytesPerSecond, ...onWaitedOf('bytes-per-second') });
    this.#requests = new RateLimit({ clock, perSecond: requestsPerSecond, ...onWaitedOf('requests-per-second') });
    if (shared === undefined) return;
    this.#shared = new SharedRate({ clock, ...shared, ...onWaitedOf('total-bytes-per-second') });
  }

  /**
   * Waits until one request of so many bytes may be made; `undefined` where there is no rate. Rejects with `cancelled`
   * when `signal` aborts before.
   */
  admit(bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    const { bytesPerSecond, requestsPerSecond } = this.#options;
    if (bytesPerSecond === 0 && requestsPerSecond === 0 && this.#shared === undefined) return undefined;
    return this.#admitted(bytes, signal);
  }

  async #admitted(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#requests.take(1, signal);
    await this.#bytes.take(bytes, signal);
    await this.#shared?.take(bytes, signal);
  }

  /** The places in flight of one bucket, for all who use it; each bucket gives way by itself. */
  flightOf(store: string, endpoint = ''): FlightLimit {
    const key = JSON.stringify([endpoint, store]);
    const known = this.#flights.get(key);
    if (known !== undefined) return known.flight;
    const { clock, inFlight, onWaited } = this.#options;
    const flight = new FlightLimit(clock, inFlight, (ms) => onWaited?.('requests-in-flight', ms));
    this.#flights.set(key, { store, flight });
    return flight;
  }

  snapshot(): PaceSnapshot {
    return {
      bytesPerSecond: this.#bytes.state(),
      requestsPerSecond: this.#requests.state(),
      totalBytesPerSecond: this.#shared?.state() ?? null,
      inFlight: [...this.#flights.values()].map(({ store, flight }) => ({ store, ...flight.state() })),
    };
  }
}
