/**
 * The dashboard of deploy/grafana: it is what its panels make of it, Grafana's own types accept it (the compiler checks
 * that), promtool accepts every expression, and metrics, dashboard and alerts know each other. Grafana itself is not
 * needed, nor run.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildDashboard, ROWS } from '../../deploy/grafana/dashboard.ts';
import { METRICS } from '../../src/observe/metric-table.ts';
import { badMatchers, metricOf } from './metrics.ts';
import { ALERTS, GROUPS, HAS_PROMTOOL, metricsIn, promtool, RECORDS } from './rules.ts';

const FILE = new URL('../../deploy/grafana/s3compact.json', import.meta.url);

/** Metrics that neither a panel nor an alert shows, each with the reason. */
const NOT_SHOWN: Readonly<Record<string, string>> = {};

/** What Prometheus and prom-client bring. */
const NOT_OURS = /^(?:up|process_\w+|nodejs_\w+)$/;

interface PanelJson {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

const text = `${JSON.stringify(buildDashboard(), null, 2)}\n`;
const dashboard = JSON.parse(text) as { readonly uid: string; readonly panels: readonly PanelJson[] };
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const expressions = panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr);

/** Grafana's variables, filled in. */
const filled = (expr: string): string =>
  expr.replaceAll('$namespace', '.*').replaceAll('$__rate_interval', '2m').replaceAll('$__range', '1h');

const shown = new Set(expressions.flatMap(metricsIn).map(metricOf));
const ruled = new Set(
  GROUPS.flatMap(({ rules }) => rules)
    .flatMap(({ expr }) => metricsIn(expr))
    .map(metricOf),
);

describe('the dashboard', () => {
  it('is what its panels make of it', () => {
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(FILE, text);
    expect(readFileSync(FILE, 'utf8')).toBe(text);
  });

  it('asks the four questions', () => {
    const titles = ROWS.map(({ title }) => title);
    for (const question of [/keep up/, /cost/, /stuck/, /unsafe/])
      expect(titles.some((title) => question.test(title))).toBe(true);
    expect(dashboard.uid).toBe('s3compact');
    for (const { annotations } of ALERTS) expect(annotations?.['dashboard_url']).toMatch(`/d/${dashboard.uid}`);
  });

  it('has panels that stand beside each other, each with a number of its own, a unit and words', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    for (const { title, description, targets, gridPos } of panels) {
      expect(description?.length, title).toBeGreaterThan(15);
      expect(targets?.length, title).toBeGreaterThan(0);
      expect(new Set(targets?.map(({ refId }) => refId)).size).toBe(targets?.length);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  it.skipIf(!HAS_PROMTOOL)('has expressions that are PromQL', () => {
    const rules = expressions.map((expr, n) => ({ record: `panel:${n}`, expr: filled(expr) }));
    const { ok, words } = promtool(['check', 'rules', 'panels.yaml'], {
      'panels.yaml': { groups: [{ name: 'g', rules }] },
    });
    expect(words).toContain(`${expressions.length} rules found`);
    expect(ok).toBe(true);
    expect(expressions.map(filled).filter((expr) => /[$@]/.test(expr))).toEqual([]);
  });
});

describe('cost', () => {
  const glance = ROWS[0]?.panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)) ?? [];

  it('does not rest on reclaimed bytes: appended pieces that are merged reclaim nothing by design', () => {
    const records = GROUPS.flatMap(({ rules }) => rules.filter(({ record }) => record !== undefined));
    const ratios = [...records.map(({ expr }) => expr), ...expressions].filter((expr) => expr.includes('/'));
    expect(ratios.filter((expr) => expr.includes('reclaimed'))).toEqual([]);
    expect(glance.flatMap(metricsIn)).toContain('namespace:s3compact_requests_per_get_saved:ratio1d');
  });

  it.skipIf(!HAS_PROMTOOL)(
    'is told for each GET saved and each byte written, and not at all where there is none',
    () => {
      const append = {
        's3compact_s3_requests_total{namespace="n", operation="get"}': '0+30x1500',
        's3compact_s3_requests_total{namespace="n", operation="put"}': '0+3x1500',
        's3compact_gets_saved_total{namespace="n"}': '0+22x1500',
        's3compact_s3_bytes_total{namespace="n", operation="get"}': '0+1100x1500',
        's3compact_s3_bytes_total{namespace="n", operation="put"}': '0+1100x1500',
        's3compact_bytes_written_total{namespace="n"}': '0+1100x1500',
        's3compact_bytes_reclaimed_total{namespace="n"}': '0+1x1500',
        's3compact_s3_requests_total{namespace="idle", operation="delete"}': '0+5x1500',
        's3compact_gets_saved_total{namespace="idle"}': '0+0x1500',
        's3compact_bytes_written_total{namespace="idle"}': '0+0x1500',
        's3compact_s3_bytes_total{namespace="idle", operation="get"}': '0+5x1500',
      };
      const told = { requests_per_get_saved: 1.5, bytes_per_get_saved: 100, bytes_moved_per_byte_written: 2 };
      const cases = Object.entries(told).map(([name, value]) => {
        const record = `namespace:s3compact_${name}:ratio1d`;
        return { expr: record, eval_time: '25h', exp_samples: [{ labels: `${record}{namespace="n"}`, value }] };
      });
      const { ok, words } = promtool(['test', 'rules', 'cost.yaml'], {
        'rules.yaml': { groups: GROUPS.filter(({ name }) => name === 's3compact-recording') },
        'cost.yaml': {
          rule_files: ['rules.yaml'],
          evaluation_interval: '5m',
          tests: [
            {
              interval: '1m',
              input_series: Object.entries(append).map(([series, values]) => ({ series, values })),
              promql_expr_test: cases,
            },
          ],
        },
      });
      expect(ok, words).toBe(true);
    },
  );
});

describe('metrics', () => {
  it('that a panel or a rule uses exist in the code, or are recorded', () => {
    const known = new Set<string>([...METRICS.map(({ name }) => name), ...RECORDS]);
    const unknown = [...shown, ...ruled].filter((name) => !known.has(name) && !NOT_OURS.test(name));
    expect(unknown).toEqual([]);
  });

  it('of the code are shown by a panel or a rule, or there is a reason', () => {
    const silent = METRICS.map(({ name }) => name).filter((name) => !shown.has(name) && !ruled.has(name));
    expect(silent.toSorted()).toEqual(Object.keys(NOT_SHOWN).toSorted());
  });

  it('that are recorded are used', () => {
    const used = new Set([...expressions, ...ALERTS.map(({ expr }) => expr)].flatMap(metricsIn));
    expect(RECORDS.filter((name) => !used.has(name))).toEqual([]);
  });

  it('are asked for by labels and values that they have', () => {
    const wrong = [...expressions, ...GROUPS.flatMap(({ rules }) => rules.map(({ expr }) => expr))].flatMap(
      badMatchers,
    );
    expect(wrong).toEqual([]);
    expect(badMatchers('sum(s3compact_queue_jobs{queue="compakt"})')).toHaveLength(1);
    expect(badMatchers('sum(s3compact_queue_jobs{queu="compact"})')).toHaveLength(1);
  });
});
