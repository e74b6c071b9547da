/**
 * From settings to the limits of a process: its rates, its places in flight, and the common budget of all workers where there is
 * a Redis to keep it; and what is said of them, as gauges and in words. It only puts together; what the limits do is in
 * `src/pace/`, and waits are reported where they happen (`Observer.waited`).
 */
import { systemClock } from '../clock.ts';
import type { Settings } from '../config/index.ts';
import { printNumber } from '../config/units.ts';
import type { MetricSource } from '../observe/metrics.ts';
import { Pace, type PaceOptions, type PaceSnapshot } from '../pace/pace.ts';
import { redisBudget } from '../pace/redis-budget.ts';
import type { RedisClient } from '../redis/client.ts';

interface PaceWiring {
  /** The queue's Redis; absent: the limit of all workers does not bind this process. */
  readonly connection?: RedisClient;
  readonly onWaited?: PaceOptions['onWaited'];
}

/** The limits of this process. */
export function openPace(settings: Settings, { connection, onWaited }: PaceWiring = {}): Pace {
  const { totalBytesPerSecond: perSecond, queuePrefix: prefix } = settings;
  const isShared = connection !== undefined && perSecond !== 0;
  const budget = isShared ? redisBudget({ connection, prefix, perSecond }) : undefined;
  return new Pace({
    clock: systemClock,
    bytesPerSecond: settings.bytesPerSecond,
    requestsPerSecond: settings.requestsPerSecond,
    inFlight: { floor: settings.requestsInFlightMin, ceiling: settings.requestsInFlight },
    shared: budget && { perSecond, budget, membersAtFirst: settings.processes },
    onWaited,
  });
}

/** What may happen now, as the pace has it when a scrape comes. */
export function limitGauges(pace: Pick<Pace, 'snapshot'>): MetricSource {
  return {
    name: 'limits',
    gauges: [
      ...(['s3compact_limit_bytes_per_second', 's3compact_limit_requests_per_second'] as const),
      's3compact_limit_requests_in_flight',
    ],
    ask: async (metrics) => {
      const { bytesPerSecond, requestsPerSecond, inFlight } = pace.snapshot();
      metrics.set('s3compact_limit_bytes_per_second', bytesPerSecond.limit, { scope: 'process' });
      metrics.set('s3compact_limit_requests_per_second', requestsPerSecond.limit, { scope: 'process' });
      const places = inFlight.reduce((sum, { limit }) => sum + limit, 0);
      metrics.set('s3compact_limit_requests_in_flight', places);
    },
  };
}

/** The limits for which somebody waits now, in words, with the setting that they come from. */
export function limitsWaitedFor(pace: PaceSnapshot): readonly string[] {
  const { bytesPerSecond, requestsPerSecond, totalBytesPerSecond, inFlight } = pace;
  const rates = [
    { state: bytesPerSecond, name: 'S3COMPACT_BYTES_PER_SECOND', unit: 'size' },
    { state: requestsPerSecond, name: 'S3COMPACT_REQUESTS_PER_SECOND', unit: 'count' },
    { state: totalBytesPerSecond, name: 'S3COMPACT_TOTAL_BYTES_PER_SECOND', unit: 'size' },
  ] as const;
  const waitedFor = rates.flatMap(({ state, name, unit }) =>
    state !== null && state.waiting > 0 ? [`the rate ${name} (${printNumber(unit, state.limit)} a second)`] : [],
  );
  const places = inFlight.filter(({ waiting }) => waiting > 0);
  return [
    ...waitedFor,
    ...places.map(({ store, limit, ceiling, heldMs }) =>
      heldMs > 0
        ? `S3, which asked not to be asked for ${Math.ceil(heldMs / 1000)} s (${store})`
        : `one of ${limit} places for requests to ${store} (at most ${ceiling})`,
    ),
  ];
}
