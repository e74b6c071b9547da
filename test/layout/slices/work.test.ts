/** Planning slices stays near-linear. Work is counted, as runs of blocks of code, so that no busy machine can break this. */
import { Session } from 'node:inspector/promises';
import { afterAll, expect, it } from 'vitest';
import type { SliceRecord } from '../../../src/layout/slices/index.ts';
import { Random } from '../../sim/seeded/random.ts';

const SHORT = 2_000;
const LONG = 20_000;
/** Ten times the records may take this many times the work; sorting and the overlay bring a logarithm. */
const RATIO_MAX = 15;
const KIB = 1024;
const GEOMETRY = { volume: 'vol', blockSize: 64 * KIB, hashPrefix: false, wholeObjects: false };
/** At these prices some pieces are merged and others stay. */
const POLICY = { fragmentThreshold: 4, bytesPerGet: 12 * KIB, storagePrice: 1 };

/** A record has so much room on average, so that a longer list shows more of the chunk. */
const STEP = 3 * KIB;
type Place = { readonly offset: number; readonly len: number };
/** Lists in which there are other things to find. */
const SHAPES: Readonly<Record<string, (n: number, random: Random, count: number) => Place>> = {
  'that grew by appending': (n) => ({ offset: n * STEP, len: STEP }),
  'of random overwrites': (_, random, count) => {
    const len = 1 + random.below(2 * STEP);
    return { offset: random.below(count * STEP - len), len };
  },
  'with holes between': (n, random) => ({
    offset: n * STEP,
    len: random.below(3) === 0 ? 1 + random.below(STEP) : STEP,
  }),
  'of small and large ones by turns': (n) =>
    n % 2 === 0
      ? { offset: n * STEP, len: STEP / 16 }
      : { offset: (n - 1) * STEP + STEP / 16, len: 2 * STEP - STEP / 16 },
};

// Only what is compiled from here on has counters.
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
const { planSlices } = await import('../../../src/layout/slices/index.ts');
afterAll(() => session.disconnect());

/** Runs of all blocks of code of the layout, of what it imports and of nothing else. */
async function workOf(shape: string, count: number): Promise<number> {
  const random = new Random(count);
  const records: SliceRecord[] = [];
  for (let n = 0; n < count; n++) {
    const { offset, len } = SHAPES[shape]?.(n, random, count) ?? { offset: 0, len: 0 };
    const hidden = random.below(2) * 100;
    records.push({ offset, len, id: BigInt(n + 1), size: len + hidden, from: hidden });
  }
  const plan = planSlices(records, { geometry: GEOMETRY, policy: POLICY, referencesOf: () => 1 });
  expect(plan).not.toBeNull();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  let runs = 0;
  for (const { url, functions } of result) {
    if (!/\/src\/(layout|plan)\//.test(url)) continue;
    for (const { ranges } of functions) for (const { count: times } of ranges) runs += times;
  }
  return runs;
}

it.each(Object.keys(SHAPES))('a list %s takes at most 15 times the work when it is 10 times as long', async (shape) => {
  const [short, long] = [await workOf(shape, SHORT), await workOf(shape, LONG)];
  console.log(`${shape}: ${long} / ${short} = ${(long / short).toFixed(1)}`);
  // At least one step for each record, or nothing was counted.
  expect(short).toBeGreaterThan(SHORT);
  expect(long / short).toBeLessThanOrEqual(RATIO_MAX);
});
