/**
 * The metrics of a pod whose work is done by several processes, as one. It stands apart because of what adding up gets
 * wrong: a process that ends must not take its counts along, or the pod's counters fall and every rate over them is
 * wrong. It must not know how the processes are asked.
 */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';

/** `Registry.getMetricsAsJSON()` of one process; plain JSON, so that it can be sent over a channel. */
export type ProcessMetrics = MetricObjectWithValues<MetricValue<string>>[];

const GROWING: ReadonlySet<string> = new Set(['counter', 'histogram', 'summary']);

/**
 * Adds up the metrics of several processes, each metric in the way its row tells (sum, max, first), and gives Prometheus
 * text. Metrics of one process alone, such as the pod's, stay as they are; the first part's hear of what cannot be
 * added up (`process_start_time_seconds`).
 */
export async function aggregateMetrics(parts: readonly ProcessMetrics[]): Promise<string> {
  return aggregateRegistry(parts).metrics();
}

/** What is kept of processes that are gone: their last counters and histograms, added up. */
export class DepartedMetrics {
  #kept: ProcessMetrics = [];

  /** Adds what a process last reported, when it is known to be gone; gauges go with it. */
  async add(last: ProcessMetrics): Promise<void> {
    const growing = last.filter((metric) => GROWING.has(typeOf(metric)));
    this.#kept = await aggregateRegistry([this.#kept, growing]).getMetricsAsJSON();
  }

  /** To be given to `aggregateMetrics` behind the living. */
  get metrics(): ProcessMetrics {
    return this.#kept;
  }
}

/** The same as a registry. */
export function aggregateRegistry(parts: readonly ProcessMetrics[]): Registry {
  const snapshots = parts.map((part) =>
    // Left out by prom-client's own choice, and wanted: when the pod started.
    part.map((metric) => (metric.aggregator === 'omit' ? { ...metric, aggregator: 'first' as const } : metric)),
  );
  return AggregatorRegistry.aggregate(snapshots);
}

/** In JSON that comes from prom-client the type is its name; the declared enum is not. */
function typeOf(metric: ProcessMetrics[number]): string {
  return String(metric.type);
}
