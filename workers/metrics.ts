/**
 * From clients to metrics: what the metrics of a worker process are asked of, and the server that tells them. It only
 * wires; names are in `src/observe/metrics.ts`.
 */
import { CompactError, toError } from '../src/errors.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { createMetrics } from '../src/observe/metrics.ts';
import { type MetricsServer, startMetricsServer } from '../src/observe/metrics-server.ts';
import type { Clients } from './clients.ts';

/** `null` when no port is set. Throws `settings-invalid` (halt) when the port cannot be had. */
export async function startMetrics(clients: Clients, log: Logger, version: string): Promise<MetricsServer | null> {
  const { metricsPort } = clients.settings;
  if (metricsPort === 0) return null;
  const registry = createMetrics({
    version,
    quarantined: () => clients.quarantine.count(),
    onError: (metric, err) =>
      log.warn({ event: LOG_EVENTS.metricLost, metric, err }, 'a metric could not be asked for'),
  });
  const server = await startMetricsServer(registry, metricsPort).catch((error: unknown) => {
    throw new CompactError(
      `S3COMPACT_METRICS_PORT: port ${metricsPort} cannot be listened on (${toError(error).message}); choose another`,
      { kind: 'halt', code: 'settings-invalid', cause: error },
    );
  });
  log.info({ event: LOG_EVENTS.metricsStarted, port: server.port }, 'metrics are told at /metrics');
  return server;
}
