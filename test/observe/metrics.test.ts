/** Metrics: every name is there at once with a help, and a source that cannot be asked does not break the scrape. */
import { expect, it, vi } from 'vitest';
import { createMetrics } from '../../src/observe/metrics.ts';

it('a source that cannot be asked leaves its last value, and is told', async () => {
  let ask = async (): Promise<number> => 3;
  const lost: string[] = [];
  const registry = createMetrics({
    version: '1.2.3',
    quarantined: () => ask(),
    onError: (metric) => lost.push(metric),
  });
  expect(await registry.metrics()).toContain('s3compact_quarantined_inodes 3');
  ask = async () => {
    throw new Error('Redis is away');
  };
  expect(await registry.metrics()).toContain('s3compact_quarantined_inodes 3');
  expect(lost).toEqual(['s3compact_quarantined_inodes']);
});

it('a source that was never told is no number, and one that does not answer holds no scrape up', async () => {
  vi.useFakeTimers();
  try {
    const lost: string[] = [];
    const registry = createMetrics({
      version: '1.2.3',
      quarantined: () => new Promise(() => undefined),
      onError: (metric, error) => lost.push(`${metric}: ${error}`),
    });
    const scrape = registry.metrics();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await scrape).toMatch(/^s3compact_quarantined_inodes nan$/im);
    expect(await scrape).toContain('s3compact_build_info{version="1.2.3"');
    expect(lost).toEqual(['s3compact_quarantined_inodes: Error: no answer within 2000 ms']);
  } finally {
    vi.useRealTimers();
  }
});

it('every metric of ours has our prefix and a sentence of help', async () => {
  const registry = createMetrics({ version: '1.2.3', quarantined: async () => 0, onError: () => undefined });
  const own = (await registry.getMetricsAsJSON()).filter(({ name }) => !/^(process|nodejs)_/.test(name));
  expect(own.length).toBeGreaterThan(1);
  for (const { name, help } of own) {
    expect(name).toMatch(/^s3compact_[a-z_]+$/);
    expect(help).toMatch(/^[A-Z].*\.$/);
  }
});
