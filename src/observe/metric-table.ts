/**
 * The one table of metrics: the registry, docs/metrics.md, dashboards' and alerts' checks all come from its rows. It
 * stands alone so that a new metric is one new row. No metric of ours exists outside it.
 */
import { POD_METRICS } from './metric-rows-pod.ts';
import { STORE_METRICS } from './metric-rows-store.ts';
import { WORK_METRICS } from './metric-rows-work.ts';
import type { MetricSection, MetricSpec } from './metric-spec.ts';

const SECTIONS = [...WORK_METRICS, ...STORE_METRICS, ...POD_METRICS] as const;

type Rows = (typeof SECTIONS)[number]['rows'];
type NameIn<Some> = Some extends unknown ? keyof Some : never;
type RowOf<Name extends string, Some = Rows> = Some extends { readonly [Own in Name]: infer Row } ? Row : never;
export type MetricName = NameIn<Rows>;
export type CounterName = Extract<MetricName, `${string}_total`>;
export type HistogramName = {
  [Name in MetricName]: RowOf<Name> extends { readonly buckets: unknown } ? Name : never;
}[MetricName];
export type GaugeName = Exclude<MetricName, CounterName | HistogramName>;

/** The labels of a metric as arguments: each name with its value, or nothing where it has none. */
export type LabelArguments<Name extends MetricName> =
  RowOf<Name> extends { readonly labels: infer Labels } ? [labels: { readonly [Label in keyof Labels]: string }] : [];

/** Rows by group, in the order in which the docs list them. */
export const METRICS: readonly MetricSpec[] = (SECTIONS as readonly MetricSection[]).flatMap(({ rows, ...common }) =>
  Object.entries(rows).map(([name, row]) => ({
    ...common,
    ...row,
    name,
    type: name.endsWith('_total') ? 'counter' : row.buckets === undefined ? 'gauge' : 'histogram',
  })),
);

/**
 * Metrics of prom-client that every process has beside ours (`process_*`, `nodejs_*`), less those that break the rules
 * for names: a gauge must not end in `_total`.
 */
export const DEFAULT_METRICS_LEFT_OUT = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
] as const;
