/**
 * Planning stays near-linear and within 1 GiB for a chunk of a million versions: each list is planned in a process of its
 * own, with a heap limit where memory is the question. Figures for every size and shape come from `bench/plan.ts`.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ScaleResult } from './scale-child.ts';
import { median, type Shape } from './shapes.ts';

const run = promisify(execFile);
const CHILD = `${import.meta.dirname}/scale-child.ts`;
const LONG = 1_000_000;
const SHORT = 100_000;
/** Ten times the versions may take this many times the time. */
const RATIO_MAX = 15;
const RSS_MAX_BYTES = 1024 ** 3;

async function plan(
  shape: Shape,
  count: number,
  { heapMiB, lists = 1 }: { readonly heapMiB?: number; readonly lists?: number } = {},
): Promise<ScaleResult> {
  const limits = heapMiB === undefined ? [] : [`--max-old-space-size=${heapMiB}`];
  const { stdout } = await run(process.execPath, [...limits, CHILD, shape, String(count), String(lists)]);
  return JSON.parse(stdout) as ScaleResult;
}

/** The middle of five processes. */
async function medianMs(shape: Shape, count: number): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) times.push((await plan(shape, count)).cpuMs);
  return median(times);
}

describe.each<Shape>(['append', 'random'])('1,000,000 %s versions', (shape) => {
  it('take at most 15 times as long as 100,000, each planned in a fresh process', async () => {
    const longMs = await medianMs(shape, LONG);
    const shortMs = await medianMs(shape, SHORT);
    const ratio = longMs / shortMs;
    console.log(`${shape}: ${longMs.toFixed(0)} ms / ${shortMs.toFixed(0)} ms = ${ratio.toFixed(1)}`);
    expect(ratio).toBeLessThanOrEqual(RATIO_MAX);
  });

  it('are planned in one process within 1 GiB', async () => {
    const { peakRssBytes, mergedBlocks } = await plan(shape, LONG, { heapMiB: 1024 });
    console.log(`${shape}: peak RSS ${Math.round(peakRssBytes / 1024 ** 2)} MiB`);
    expect(mergedBlocks).toBe(16);
    expect(peakRssBytes).toBeLessThanOrEqual(RSS_MAX_BYTES);
  });
});

it('10,000,000 versions in lists of 1,000 take at most a minute of a core: a tenth of them, a tenth of it', async () => {
  const { cpuMs } = await plan('random', 1_000, { lists: 1_000 });
  console.log(`1,000 lists of 1,000 versions: ${cpuMs.toFixed(0)} ms`);
  expect(cpuMs).toBeLessThanOrEqual(6_000);
});
