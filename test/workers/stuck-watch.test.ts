/** When a process of a pool counts as stuck: by time alone, so the time is a test's own. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { StuckWatch } from '../../workers/processes/stuck-watch.ts';

const EVERY_MS = 30_000;
let asked: number;
let silentMs: number[];
let watch: StuckWatch;
beforeEach(() => {
  vi.useFakeTimers();
  [asked, silentMs] = [0, []];
  watch = new StuckWatch({ ask: () => asked++, onStuck: (ms) => silentMs.push(ms) });
});
afterEach(() => {
  watch.stop();
  vi.useRealTimers();
});

it('two minutes without a word are too many, and it is said once', () => {
  vi.advanceTimersByTime(4 * EVERY_MS - 1);
  expect([asked, silentMs]).toEqual([4, []]);
  vi.advanceTimersByTime(1);
  expect(silentMs).toEqual([120_000]);
  vi.advanceTimersByTime(10 * EVERY_MS);
  expect([asked, silentMs]).toEqual([4, [120_000]]);
});

it('one word in time, however late, is enough', () => {
  vi.advanceTimersByTime(4 * EVERY_MS - 1);
  watch.heard();
  vi.advanceTimersByTime(4 * EVERY_MS);
  expect(silentMs).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(silentMs).toEqual([120_000]);
});

it('who was stopped itself counts anew', () => {
  vi.advanceTimersByTime(4 * EVERY_MS - 1);
  // The clock goes on, and no timer comes.
  const real = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => real() + 10 * EVERY_MS);
  vi.advanceTimersByTime(1);
  vi.advanceTimersByTime(4 * EVERY_MS - 1);
  expect(silentMs).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(silentMs).toEqual([120_000]);
  clock.mockRestore();
});

it('nothing is asked after the end', () => {
  watch.stop();
  vi.advanceTimersByTime(10 * EVERY_MS);
  expect([asked, silentMs]).toEqual([1, []]);
});
