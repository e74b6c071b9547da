/**
 * The one table of metrics: the registry, docs/metrics.md, dashboards' and alerts' checks all come from its rows. It
 * stands alone so that a new metric is one new row. No metric of ours exists outside it. It must hold no logic.
 */
import { POD_METRICS } from './metric-rows-pod.ts';
import { STORE_METRICS } from './metric-rows-store.ts';
import { WORK_METRICS } from './metric-rows-work.ts';

/** Rows by group, in the order in which the docs list them. */
export const METRICS = [...WORK_METRICS, ...STORE_METRICS, ...POD_METRICS] as const;

type Row = (typeof METRICS)[number];
export type MetricName = Row['name'];
type NameOf<Type extends Row['type']> = Extract<Row, { readonly type: Type }>['name'];
export type CounterName = NameOf<'counter'>;
export type GaugeName = NameOf<'gauge'>;
export type HistogramName = NameOf<'histogram'>;

/** The labels of a metric as arguments: each name with its value, or nothing where it has none. */
export type LabelArguments<Name extends MetricName> =
  Extract<Row, { readonly name: Name }> extends { readonly labels: infer Labels }
    ? [labels: { readonly [Label in keyof Labels]: string }]
    : [];

/**
 * Metrics of prom-client that every process has beside ours (`process_*`, `nodejs_*`), less those that break the rules
 * for names: a gauge must not end in `_total`.
 */
export const DEFAULT_METRICS_LEFT_OUT = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
] as const;
