/**
 * Whether an expression asks for what the code tells: metrics and labels of the table in `src/observe`. It stands apart
 * because panels, rules and the autoscaler all ask. It does not parse PromQL; promtool does.
 */
import { METRICS } from '../../src/observe/metric-table.ts';

/** The row of the table that a series belongs to: a histogram has three. */
export function metricOf(series: string): string {
  if (METRICS.some(({ name }) => name === series)) return series;
  const base = series.replace(/_(?:bucket|sum|count)$/, '');
  return METRICS.some(({ name, type }) => name === base && type === 'histogram') ? base : series;
}

/** Labels that Prometheus adds when it scrapes, and a Job when it pushes. */
const ADDED = ['namespace', 'pod', 'instance', 'job', 'command', 'filesystem'];

/** Matchers of an expression on a label that the metric has not, or that no value of the label can satisfy. */
export function badMatchers(expr: string): string[] {
  return [...expr.matchAll(/\b(s3compact_\w+)\{([^}]*)\}/g)].flatMap(([, series = '', inside = '']) => {
    const row = METRICS.find(({ name }) => name === metricOf(series));
    const labels: Readonly<Record<string, readonly string[] | 'filesystems'>> =
      row !== undefined && 'labels' in row ? (row.labels ?? {}) : {};
    return [...inside.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].flatMap(([matcher, label = '', , value = '']) => {
      if (ADDED.includes(label)) return [];
      const values = labels[label];
      if (values === undefined) return [`${series}: ${matcher}: no such label`];
      if (values === 'filesystems' || values.length === 0) return [];
      return value
        .split('|')
        .filter((one) => !values.includes(one))
        .map((one) => `${series}: ${matcher}: no value ${one}`);
    });
  });
}
