/** The table of metrics: rules for names, bounded labels, docs/metrics.md as generated, and promtool's own rules. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, test } from 'vitest';
import { metricsMarkdown } from '../../scripts/pages/metrics.ts';
import { METRICS } from '../../src/observe/metric-table.ts';
import { Metrics, seriesOf } from '../../src/observe/metrics.ts';
import { hasPrometheus, promtool } from '../kit/servers/prometheus.ts';

const DOCS = fileURLToPath(new URL('../../docs/metrics.md', import.meta.url));
const LABELS = [
  'result',
  'reason',
  'phase',
  'budget',
  'task',
  'outcome',
  'operation',
  'code',
  'limit',
  'scope',
  'queue',
  'state',
  'verdict',
  'fs',
  'part',
  'source',
  'version',
  'node',
  'end',
];

test('docs/metrics.md is what the table says', () => {
  const page = metricsMarkdown();
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(DOCS, page);
  expect(readFileSync(DOCS, 'utf8')).toBe(page);
});

test('every metric is in the docs, and every metric of the docs is in the code', async () => {
  const json = await new Metrics({ version: '1.2.3' }).registry.getMetricsAsJSON();
  const inCode = json.map(({ name }) => name).filter((name) => name.startsWith('s3compact_'));
  const inDocs = [...readFileSync(DOCS, 'utf8').matchAll(/^\| `(s3compact_\w+)` \|/gm)].map((match) => match[1]);
  expect(inDocs.toSorted()).toEqual(inCode.toSorted());
  expect(new Set(inCode).size).toBe(inCode.length);
});

describe.each(METRICS)('$name', (spec) => {
  it('keeps the rules for names and helps', () => {
    expect(spec.name).toMatch(/^s3compact_[a-z0-9]+(_[a-z0-9]+)*$/);
    expect(spec.name.endsWith('_total')).toBe(spec.type === 'counter');
    expect(spec.name).not.toMatch(/milli|_ms(_|$)|minutes|kilo|mega|_(counter|gauge|histogram)(_|$)/);
    expect(spec.help).toMatch(/^[A-Z0-9].*\.$/);
    expect(spec.buckets !== undefined).toBe(spec.type === 'histogram');
    expect(spec.buckets ?? []).toEqual([...(spec.buckets ?? [])].sort((a, b) => a - b));
  });

  it('has bounded labels of known names', () => {
    const names = Object.keys(spec.labels ?? {});
    expect(LABELS).toEqual(expect.arrayContaining(names));
    expect(seriesOf(spec).length).toBeLessThanOrEqual(100);
    for (const series of seriesOf(spec)) {
      for (const [n, values] of Object.values(spec.labels ?? {}).entries()) expect(values).toContain(series[n]);
    }
  });
});

test.skipIf(!hasPrometheus())('promtool has no complaints, and would have', async () => {
  expect(promtool(['check', 'metrics'], await new Metrics({ version: '1.2.3' }).text())).toBe('');
  const poor = '# HELP a_milliseconds A.\n# TYPE a_milliseconds counter\na_milliseconds 1\n';
  expect(() => promtool(['check', 'metrics'], poor)).toThrow('a_milliseconds');
});
