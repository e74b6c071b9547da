/**
 * The shape of a panel, and the few ways in which most metrics are asked for. It stands apart so that the files of panels
 * hold nothing but panels. `@` in an expression stands for the selector of the chosen namespaces, alone or before further
 * matchers (`{@,queue="compact"}`). It must not know Grafana.
 */

export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** What it tells, and what is bad. */
  readonly description: string;
  /** Grafana's name of a unit. */
  readonly unit: string;
  /** Default: lines over time. */
  readonly kind?: 'lines' | 'stack' | 'number';
  /** Values below 0 are to be seen. */
  readonly signed?: true;
  /** From here on a number is shown in orange, in red. */
  readonly limits?: { readonly orange?: number; readonly red?: number };
  readonly queries: readonly Query[];
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** The window of a rate: Grafana's, which fits the scrape interval and the zoom. */
export const RATE = '[$__rate_interval]';

/** Quantiles of a histogram by one label. */
export function quantiles(metric: string, label: string): readonly Query[] {
  return ['0.5', '0.99'].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le, ${label}) (rate(${metric}_bucket{@}${RATE})))`,
    legend: `{{${label}}} p${Number(quantile) * 100}`,
  }));
}

/** Counted by processes: added up. */
export const sum = (metric: string, by?: string): Query => ({
  expr: by === undefined ? `sum(rate(${metric}{@}${RATE}))` : `sum by (${by}) (rate(${metric}{@}${RATE}))`,
  legend: by === undefined ? metric.replace(/^s3compact_|_total$/g, '').replaceAll('_', ' ') : legendOf(by),
});
/** Exported by every pod alike: the maximum. */
export const highest = (metric: string, by?: string): Query => ({
  expr: by === undefined ? `max(${metric}{@})` : `max by (${by}) (${metric}{@})`,
  legend: by === undefined ? metric.replace(/^s3compact_/, '').replaceAll('_', ' ') : legendOf(by),
});

function legendOf(labels: string): string {
  return labels
    .split(', ')
    .map((label) => `{{${label}}}`)
    .join(' ');
}
