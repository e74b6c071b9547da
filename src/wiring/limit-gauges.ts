/**
 * The limits of a process as gauges: what may happen now, as the pace tells it when a scrape comes. Waits are reported where
 * they happen (`Observer.waited`). It asks and sets gauges, nothing else.
 */
import type { MetricSource } from '../observe/metrics.ts';
import type { Pace } from '../pace/pace.ts';

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
