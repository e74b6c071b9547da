/** One sampler for all pages: how often it asks, whoever looks; what it keeps; what it says when it cannot ask. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Sampler, WATCHED_MS } from '../../src/console/sampler.ts';
import { CompactError } from '../../src/errors.ts';
import type { StatusReport } from '../../src/view/status-report.ts';

let asked = 0;
let failure: Error | undefined;
const faults: unknown[] = [];
let sampler: Sampler;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, failure] = [0, undefined];
  faults.length = 0;
  sampler = new Sampler({
    ask: async () => {
      asked++;
      if (failure !== undefined) throw failure;
      const recent = { windowMs: 60_000, runs: asked, bytesMoved: 0, getsSaved: 0 };
      return { nowMs: Date.now(), recent } as unknown as StatusReport;
    },
    monotonicMs: () => Date.now(),
    onFault: (error) => faults.push(error),
  });
});
afterEach(() => {
  sampler.close();
  vi.useRealTimers();
});

it('asks once for fifty pages that come at a time, and again for each period and not for each page', async () => {
  sampler.start();
  const samples = await Promise.all(Array.from({ length: 50 }, () => sampler.fresh()));
  expect(new Set(samples).size).toBe(1);
  expect(asked).toBe(1);
  const stops = Array.from({ length: 50 }, () => sampler.watch(() => undefined));
  await vi.advanceTimersByTimeAsync(10 * WATCHED_MS);
  expect(asked).toBe(11);
  for (const stop of stops) stop();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(asked).toBeLessThanOrEqual(14);
});

it('keeps a minute of each minute, an hour of them', async () => {
  sampler.start();
  await vi.advanceTimersByTimeAsync(90 * 60_000);
  const { minutes } = await sampler.fresh();
  expect(minutes).toHaveLength(60);
});

it('tells why it does not know, keeps the last report, and knows again', async () => {
  const { report } = await sampler.fresh();
  failure = new CompactError("the queue's Redis is away", { kind: 'retry', code: 'queue-unavailable' });
  await vi.advanceTimersByTimeAsync(60_000);
  const away = await sampler.fresh();
  expect(away).toMatchObject({ report, error: "the queue's Redis is away" });
  expect(faults).toEqual([]);
  failure = undefined;
  await vi.advanceTimersByTimeAsync(60_000);
  expect((await sampler.fresh()).error).toBeUndefined();
});

it('a fault of ours goes to the log, and no page says what it was', async () => {
  failure = new TypeError('secret words');
  expect((await sampler.fresh()).error).not.toContain('secret');
  expect(faults).toEqual([failure]);
});
