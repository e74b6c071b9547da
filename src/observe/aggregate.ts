/**
 * The metrics of a pod whose work is done by several processes, as one. It stands apart because of what adding up gets
 * wrong: a process that ends must not take its counts along, or the pod's counters fall and every rate over them is
 * wrong. It must not know how the processes are asked.
 */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';

/** `Registry.getMetricsAsJSON()` of one process; plain JSON, so that it can be sent over a channel. */
export type ProcessMetrics = MetricObjectWithValues<MetricValue<string>>[];

const GROWING: ReadonlySet<string> = new Set(['counter', 'histogram', 'summary']);

/** What the processes of a pool have reported, by their ids; one that died leaves its counts, not its gauges. */
export class PoolCounts {
  readonly #last = new Map<number, ProcessMetrics>();
  #departed: ProcessMetrics = [];
  #adding = Promise.resolve();

  /** One that does not answer any more is reported as it was. */
  set(pid: number, metrics: ProcessMetrics): void {
    this.#last.set(pid, metrics);
  }

  /** One after another, or what one adds is lost to the next. */
  died(pid: number): Promise<void> {
    this.#adding = this.#adding.then(async () => {
      const growing = (this.#last.get(pid) ?? []).filter((metric) => GROWING.has(typeOf(metric)));
      const departed = await aggregateRegistry([this.#departed, growing]).getMetricsAsJSON();
      // In one step, so that nobody sees them twice or not at all.
      this.#last.delete(pid);
      this.#departed = departed;
    });
    return this.#adding;
  }

  /** For `aggregateRegistry`. */
  get parts(): readonly ProcessMetrics[] {
    return [...this.#last.values(), this.#departed];
  }
}

/**
 * Adds up the metrics of several processes, each metric in the way its row tells (sum, max, first). Metrics of one process
 * alone, such as the pod's, stay as they are; the first part's hear of what cannot be added up (`process_start_time_seconds`).
 */
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
