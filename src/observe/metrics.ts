/**
 * The metrics of a process, on a registry of its own: made from the table of metrics, all series at zero from the start.
 * It stands apart so that whoever counts needs a name and labels, never prom-client. What is asked of others when a
 * scrape comes leaves its last value when it cannot be asked or does not answer in time: a scrape never fails for it,
 * nor waits long. Counting never throws: a value that a label does not know counts as `other`, or not at all.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { answerWithin } from '../clock.ts';
import type { ProcessMetrics } from './aggregate.ts';
import { type MetricScope, type MetricSpec, OTHER } from './metric-spec.ts';
import {
  type CounterName,
  DEFAULT_METRICS_LEFT_OUT,
  type GaugeName,
  type HistogramName,
  type LabelArguments,
  METRICS,
  type MetricName,
} from './metric-table.ts';

/** A source gets this long: Prometheus gives up a scrape after 10 s by default, and with it every other metric. */
const ASK_TIMEOUT_MS = 2_000;

/** Somebody who is asked when a scrape comes, and the gauges that the answer is for. */
export interface MetricSource {
  readonly name: string;
  readonly gauges: readonly GaugeName[];
  readonly ask: (metrics: Metrics) => Promise<void>;
}

interface MetricsOptions {
  /** Of the package; absent: no build info. */
  readonly version?: string;
  /** Without prom-client's metrics of the process: another registry of it has them. */
  readonly defaults?: boolean;
  /** A child of a pool leaves out what its parent tells for the pod. */
  readonly scopes?: readonly MetricScope[];
  /** A source could not be asked. */
  readonly onSourceError?: (source: string, error: unknown) => void;
}

/** What prom-client's metrics of one series have in common here. */
interface Series {
  inc?(by: number): void;
  set?(value: number): void;
  observe?(value: number): void;
}

interface Entry {
  readonly spec: MetricSpec;
  readonly labelNames: readonly string[];
  readonly metric: Counter | Gauge | Histogram;
  readonly series: Map<string, Series>;
}

/** The metrics of this process; metrics of a scope that it does not have are counted nowhere. */
export class Metrics {
  readonly registry = new Registry();
  readonly #entries = new Map<string, Entry>();
  readonly #sources: MetricSource[] = [];
  readonly #totals = new Map<string, number>();
  readonly #options: MetricsOptions;
  #asking: Promise<void> | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const { scopes = ['process', 'pod'], version, defaults = true } = options;
    if (defaults) collectDefaultMetrics({ register: this.registry });
    for (const name of DEFAULT_METRICS_LEFT_OUT) this.registry.removeSingleMetric(name);
    for (const spec of METRICS) {
      if (scopes.includes(spec.scope)) this.#entries.set(spec.name, entryOf(spec, this.registry));
    }
    if (version !== undefined) this.set('s3compact_build_info', 1, { version, node: process.version });
  }

  /** Adds to a counter; negative and broken numbers are left out, since a counter only grows. */
  count<Name extends CounterName>(name: Name, by: number, ...labels: LabelArguments<Name>): void {
    if (by > 0 && Number.isFinite(by)) this.#series(name, labels[0])?.inc?.(by);
  }

  /** Brings a counter up to a total that is kept elsewhere, such as by another library; never down. */
  countTo<Name extends CounterName>(name: Name, total: number, ...labels: LabelArguments<Name>): void {
    const key = `${name} ${Object.values(labels[0] ?? {}).join()}`;
    this.count(name, total - (this.#totals.get(key) ?? 0), ...labels);
    if (total > (this.#totals.get(key) ?? 0)) this.#totals.set(key, total);
  }

  set<Name extends GaugeName>(name: Name, value: number, ...labels: LabelArguments<Name>): void {
    this.#series(name, labels[0])?.set?.(value);
  }

  /** Moves a gauge up or down. */
  add<Name extends GaugeName>(name: Name, by: number, ...labels: LabelArguments<Name>): void {
    this.#series(name, labels[0])?.inc?.(by);
  }

  observe<Name extends HistogramName>(name: Name, value: number, ...labels: LabelArguments<Name>): void {
    if (value >= 0) this.#series(name, labels[0])?.observe?.(value);
  }

  /** Takes all series of a gauge away, before it is reported anew for whoever is there now. */
  clear(name: GaugeName): void {
    const entry = this.#entries.get(name);
    entry?.metric.reset();
    entry?.series.clear();
  }

  /** Adds somebody to ask; the gauges are no number until reported once: 0 would say that all is well. */
  addSource(source: MetricSource): void {
    for (const name of source.gauges) {
      for (const series of this.#entries.get(name)?.series.values() ?? []) series.set?.(Number.NaN);
    }
    this.#sources.push(source);
  }

  /** Asks all sources; scrapes that come at the same time share one asking. Never throws. */
  async refresh(): Promise<void> {
    this.#asking ??= Promise.all(this.#sources.map((source) => this.#ask(source)))
      .then(() => undefined)
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  /** As plain JSON, after asking: what one process sends to another. */
  async json(): Promise<ProcessMetrics> {
    await this.refresh();
    return this.registry.getMetricsAsJSON();
  }

  /** Prometheus text, after asking. */
  async text(): Promise<string> {
    await this.refresh();
    return this.registry.metrics();
  }

  async #ask(source: MetricSource): Promise<void> {
    try {
      await answerWithin(source.ask(this), ASK_TIMEOUT_MS);
    } catch (error) {
      this.count('s3compact_metric_source_errors_total', 1, { source: source.name });
      this.#options.onSourceError?.(source.name, error);
    }
  }

  #series(name: MetricName, labels: Readonly<Record<string, string>> = {}): Series | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const values = entry.labelNames.map((label) => labels[label] ?? OTHER);
    return entry.series.get(values.join()) ?? openSeries(entry, values) ?? entry.series.get(withOther(values));
  }
}

function withOther(values: readonly string[]): string {
  return [...values.slice(0, -1), OTHER].join();
}

function entryOf(spec: MetricSpec, registry: Registry): Entry {
  const labelNames = Object.keys(spec.labels ?? {});
  const { name, help, type, aggregate: aggregator = 'sum', buckets = [] } = spec;
  const configuration = { name, help, labelNames, registers: [registry], aggregator };
  const metric =
    type === 'histogram'
      ? new Histogram({ ...configuration, buckets: [...buckets] })
      : new (type === 'counter' ? Counter : Gauge)(configuration);
  const entry: Entry = { spec, labelNames, metric, series: new Map() };
  for (const values of seriesOf(spec)) addSeries(entry, values);
  return entry;
}

/** Every combination of label values that can occur; none for labels whose values are reported at run time. */
export function seriesOf(spec: MetricSpec): readonly (readonly string[])[] {
  if (spec.series !== undefined) return spec.series;
  let all: (readonly string[])[] = [[]];
  for (const values of Object.values(spec.labels ?? {})) {
    const known = values === 'filesystems' ? [] : values;
    all = all.flatMap((before) => known.map((value) => [...before, value]));
  }
  return all;
}

/** A series whose label values are not listed but known at run time: whoever sets it bounds their number. */
function openSeries(entry: Entry, values: readonly string[]): Series | undefined {
  const lists = Object.values(entry.spec.labels ?? {});
  const open = lists.length > 0 && lists.every((list) => list === 'filesystems' || list.length === 0);
  return open ? addSeries(entry, values) : undefined;
}

function addSeries(entry: Entry, values: readonly string[]): Series {
  const { metric } = entry;
  const labels = Object.fromEntries(entry.labelNames.map((name, n) => [name, values[n] ?? OTHER]));
  if (metric instanceof Histogram) metric.zero(labels);
  else metric.inc(labels, 0);
  const series: Series = metric.labels(labels);
  entry.series.set(values.join(), series);
  return series;
}
