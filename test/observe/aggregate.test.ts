/** A pod of several processes: what is added up, what is not, and counters that never fall when a process ends. */
import { expect, it } from 'vitest';
import { aggregateRegistry, PoolCounts, type ProcessMetrics } from '../../src/observe/aggregate.ts';
import { Metrics } from '../../src/observe/metrics.ts';

const RUNS = 's3compact_runs_started_total';

/** As it comes over a channel between processes. */
async function sent(metrics: Metrics): Promise<ProcessMetrics> {
  await metrics.refresh();
  return JSON.parse(JSON.stringify(await metrics.registry.getMetricsAsJSON())) as ProcessMetrics;
}

function child(runs: number): Metrics {
  const metrics = new Metrics({ version: '1.2.3', scopes: ['process'] });
  metrics.count(RUNS, runs);
  metrics.add('s3compact_runs_in_flight', runs);
  metrics.set('s3compact_last_success_timestamp_seconds', 1_000 + runs, { task: 'run' });
  metrics.observe('s3compact_run_duration_seconds', runs, { result: 'done' });
  return metrics;
}

it('adds up what every process counts, takes the latest of times, and tells once what the pod knows', async () => {
  const parent = new Metrics({ version: '1.2.3' });
  parent.set('s3compact_quarantined_inodes', 4);
  parent.set('s3compact_worker_processes', 2);
  const text = await aggregateRegistry([await sent(parent), await sent(child(3)), await sent(child(5))]).metrics();
  expect(text).toContain(`\n${RUNS} 8\n`);
  expect(text).toContain('\ns3compact_runs_in_flight 8\n');
  expect(text).toContain('s3compact_last_success_timestamp_seconds{task="run"} 1005\n');
  expect(text).toContain('s3compact_run_duration_seconds_bucket{le="5",result="done"} 2\n');
  expect(text).toContain('s3compact_run_duration_seconds_sum{result="done"} 8\n');
  expect(text).toContain('\ns3compact_quarantined_inodes 4\n');
  expect(text.match(/^s3compact_build_info\{/gm)).toHaveLength(1);
  expect(text).toMatch(/^process_start_time_seconds \d+/m);
});

it('keeps the counts of processes that are gone, and not their gauges', async () => {
  const counts = new PoolCounts();
  counts.set(1, await sent(child(3)));
  counts.set(2, await sent(child(5)));
  counts.set(3, await sent(child(1)));
  expect(await aggregateRegistry(counts.parts).metrics()).toContain(`\n${RUNS} 9\n`);
  // Both at once: neither takes the other's along.
  await Promise.all([counts.died(1), counts.died(2), counts.died(4)]);
  const text = await aggregateRegistry(counts.parts).metrics();
  expect(text).toContain(`\n${RUNS} 9\n`);
  expect(text).toContain('s3compact_run_duration_seconds_count{result="done"} 3\n');
  expect(text).toContain('\ns3compact_runs_in_flight 1\n');
});

it('nobody to ask gives an empty text', async () => {
  expect((await aggregateRegistry([]).metrics()).trim()).toBe('');
  expect((await aggregateRegistry([...new PoolCounts().parts]).metrics()).trim()).toBe('');
});
