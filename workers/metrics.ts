/**
 * From clients to metrics: what the metrics of a worker process are asked of, and the server that tells them. It only
 * wires; names are in the table of metrics (`src/observe/metric-table.ts`).
 */
import { CompactError, toError } from '../src/errors.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { type MetricsServer, startMetricsServer } from '../src/observe/metrics-server.ts';
import type { Clients } from './clients.ts';

/** `null` when no port is set. Throws `settings-invalid` (halt) when the port cannot be had. */
export async function startMetrics(clients: Clients, log: Logger, version: string): Promise<MetricsServer | null> {
  const { metricsPort } = clients.settings;
  if (metricsPort === 0) return null;
  const metrics = new Metrics({
    version,
    onSourceError: (source, err) =>
      log.warn({ event: LOG_EVENTS.metricLost, source, err }, 'a source of metrics could not be asked'),
  });
  metrics.addSource({
    name: 'quarantine',
    gauges: ['s3compact_quarantined_inodes'],
    ask: async () => metrics.set('s3compact_quarantined_inodes', await clients.quarantine.count()),
  });
  const server = await startMetricsServer(metrics, metricsPort).catch((error: unknown) => {
    throw new CompactError(
      `S3COMPACT_METRICS_PORT: port ${metricsPort} cannot be listened on (${toError(error).message}); choose another`,
      { kind: 'halt', code: 'settings-invalid', cause: error },
    );
  });
  log.info({ event: LOG_EVENTS.metricsStarted, port: server.port }, 'metrics are told at /metrics');
  return server;
}
