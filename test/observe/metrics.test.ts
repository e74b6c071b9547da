/** Metrics: every series is there at once, counting never throws, and a source that cannot be asked breaks no scrape. */
import { expect, it, vi } from 'vitest';
import { METRICS } from '../../src/observe/metric-table.ts';
import { Metrics, seriesOf } from '../../src/observe/metrics.ts';

const QUARANTINED = 's3compact_quarantined_inodes';

function metricsWith(quarantined: () => Promise<number>): { metrics: Metrics; lost: string[] } {
  const lost: string[] = [];
  const onSourceError = (source: string, error: unknown) => lost.push(`${source}: ${error}`);
  const metrics = new Metrics({ version: '1.2.3', onSourceError });
  metrics.addSource({
    name: 'quarantine',
    gauges: [QUARANTINED],
    ask: async () => metrics.set(QUARANTINED, await quarantined()),
  });
  return { metrics, lost };
}

it('a source that cannot be asked leaves its last value, and is told and counted', async () => {
  let ask = async (): Promise<number> => 3;
  const { metrics, lost } = metricsWith(() => ask());
  expect(await metrics.text()).toContain(`\n${QUARANTINED} 3\n`);
  ask = async () => {
    throw new Error('Redis is away');
  };
  expect(await metrics.text()).toContain(`\n${QUARANTINED} 3\n`);
  expect(lost).toEqual(['quarantine: Error: Redis is away']);
  expect(await metrics.text()).toContain('\ns3compact_metric_source_errors_total{source="quarantine"} 2\n');
});

it('a source that was never told is no number, and one that does not answer holds no scrape up', async () => {
  vi.useFakeTimers();
  try {
    const { metrics, lost } = metricsWith(() => new Promise(() => undefined));
    const scrape = metrics.text();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await scrape).toMatch(/^s3compact_quarantined_inodes nan$/im);
    expect(await scrape).toContain('s3compact_build_info{version="1.2.3"');
    expect(lost).toEqual(['quarantine: Error: no answer within 2000 ms']);
  } finally {
    vi.useRealTimers();
  }
});

it('scrapes at the same time ask once', async () => {
  let asked = 0;
  const { metrics } = metricsWith(async () => ++asked);
  await Promise.all([metrics.text(), metrics.text(), metrics.text()]);
  expect(asked).toBe(1);
  await metrics.text();
  expect(asked).toBe(2);
});

it('every series is there from the start, at zero', async () => {
  const json = await new Metrics({ version: '1.2.3' }).registry.getMetricsAsJSON();
  for (const spec of METRICS) {
    const metric = json.find(({ name }) => name === spec.name);
    expect(metric, spec.name).toBeDefined();
    const own = (metric?.values ?? []).filter(({ labels }) => !('le' in labels));
    const parts = spec.type === 'histogram' ? 2 : 1;
    const expected = spec.name === 's3compact_build_info' ? 1 : parts * seriesOf(spec).length;
    expect(own.length, spec.name).toBe(expected);
    if (spec.name !== 's3compact_build_info') expect(new Set(own.map(({ value }) => value))).toEqual(ownZero(own));
  }
});

/** No series, no values. */
function ownZero(own: readonly unknown[]): Set<number> {
  return new Set(own.length === 0 ? [] : [0]);
}

it('counts what it is told; a value that is not listed counts as other, what cannot be counted not at all', async () => {
  const metrics = new Metrics({ version: '1.2.3' });
  metrics.count('s3compact_runs_completed_total', 1, { result: 'done', reason: 'compacted' });
  metrics.count('s3compact_runs_completed_total', 2, { result: 'done', reason: '1_4711' });
  metrics.count('s3compact_runs_completed_total', 4, { result: 'nonsense', reason: 'nonsense' });
  metrics.count('s3compact_runs_started_total', -1);
  metrics.count('s3compact_runs_started_total', Number.NaN);
  metrics.observe('s3compact_run_duration_seconds', 0.2, { result: 'done' });
  metrics.add('s3compact_runs_in_flight', 2);
  metrics.add('s3compact_runs_in_flight', -1);
  const text = await metrics.text();
  expect(text).toContain('s3compact_runs_completed_total{result="done",reason="compacted"} 1\n');
  expect(text).toContain('s3compact_runs_completed_total{result="done",reason="other"} 2\n');
  expect(text).not.toContain('1_4711');
  expect(text).not.toContain('nonsense');
  expect(text).toContain('\ns3compact_runs_started_total 0\n');
  expect(text).toContain('s3compact_run_duration_seconds_bucket{le="0.25",result="done"} 1\n');
  expect(text).toContain('s3compact_run_duration_seconds_bucket{le="0.1",result="done"} 0\n');
  expect(text).toContain('\ns3compact_runs_in_flight 1\n');
});

it('series of file systems come and go', async () => {
  const metrics = new Metrics({ version: '1.2.3' });
  metrics.set('s3compact_backlog_chunks', 5, { fs: '7' });
  expect(await metrics.text()).toContain('s3compact_backlog_chunks{fs="7"} 5\n');
  metrics.clear('s3compact_backlog_chunks');
  metrics.set('s3compact_backlog_chunks', 6, { fs: '8' });
  const text = await metrics.text();
  expect(text).toContain('s3compact_backlog_chunks{fs="8"} 6\n');
  expect(text).not.toContain('fs="7"');
});

it('a child of a pool leaves out what its parent tells', async () => {
  const text = await new Metrics({ version: '1.2.3', scopes: ['process'] }).text();
  expect(text).toContain('\ns3compact_runs_started_total 0\n');
  expect(text).not.toContain('s3compact_queue_jobs');
  expect(text).not.toContain('s3compact_build_info');
});
