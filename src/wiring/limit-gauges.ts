/**
 * The limits of a process as gauges: what may happen now, as the pace tells it when a scrape comes. Waits are reported where
 * they happen (`Observer.waited`). It asks and sets gauges, nothing else.
 */
import type { MetricSource } from '../observe/metrics.ts';
import type { Pace, PaceSnapshot } from '../pace/pace.ts';

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
  const { bytesPerSecond, requestsPerSecond, poolBytesPerSecond, inFlight } = pace;
  const rates = [
    { state: bytesPerSecond, name: 'S3COMPACT_BYTES_PER_SECOND' },
    { state: requestsPerSecond, name: 'S3COMPACT_REQUESTS_PER_SECOND' },
    { state: poolBytesPerSecond, name: 'S3COMPACT_POOL_BYTES_PER_SECOND' },
  ];
  const told = rates.flatMap(({ state, name }) =>
    state !== null && state.waiting > 0 ? [`the rate ${name} (${state.limit})`] : [],
  );
  const places = inFlight.filter(({ waiting }) => waiting > 0);
  return [
    ...told,
    ...places.map(({ store, limit, ceiling, heldMs }) =>
      heldMs > 0
        ? `S3, which asked not to be asked for ${Math.ceil(heldMs / 1000)} s (${store})`
        : `one of ${limit} places for requests to ${store} (at most ${ceiling})`,
    ),
  ];
}
