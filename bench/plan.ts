/**
 * How planning time grows with the list: `node bench/plan.ts` prints milliseconds and nanoseconds per version for each
 * shape of list from 1,000 to 1,000,000 versions. Figures for people; the limits are kept by test/plan/scale.test.ts.
 */
import { planChunk } from '../src/plan/index.ts';
import { median, planInputOf, SHAPE_NAMES, type Shape } from '../test/plan/shapes.ts';

const COUNTS = [1_000, 10_000, 100_000, 1_000_000];
const ROUNDS = 5;

function measure(shape: Shape, count: number): number {
  const input = planInputOf(shape, count);
  const times: number[] = [];
  // A short list is planned often enough for the clock and the compiler.
  const repeats = Math.max(1, Math.floor(100_000 / count));
  for (let round = 0; round <= ROUNDS; round++) {
    const started = performance.now();
    for (let n = 0; n < repeats; n++) planChunk(input);
    if (round > 0) times.push((performance.now() - started) / repeats);
  }
  return median(times);
}

console.log(`shape        versions         ms   ns/version   (median of ${ROUNDS})`);
for (const shape of SHAPE_NAMES) {
  for (const count of COUNTS) {
    const ms = measure(shape, count);
    const columns = [shape.padEnd(10), String(count).padStart(10), ms.toFixed(2).padStart(10)];
    console.log([...columns, ((ms * 1e6) / count).toFixed(0).padStart(12)].join(' '));
  }
}
console.log(`peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
