/**
 * `npm run bench:plan`: how planning time grows with the list, as processor time per version for each shape of list from
 * 1,000 to 1,000,000 versions, and how many versions a core plans in a minute when they are spread over 10,000 chunks, as a
 * scan meets them. Figures for people; the limits are kept by test/plan/scale.torture.test.ts.
 */
import { cpus } from 'node:os';
import { planChunk } from '../src/plan/index.ts';
import { median, planInputOf, SHAPE_NAMES, type Shape } from '../test/plan/shapes.ts';

const COUNTS = [1_000, 10_000, 100_000, 1_000_000];
const ROUNDS = 5;
const CHUNKS = 10_000;
const VERSIONS_PER_CHUNK = 1_000;
const LISTS = 500;

/** Processor time of this thread: what else runs on the machine does not count. */
function cpuMs(work: () => void): number {
  const started = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(started);
  return (user + system) / 1000;
}

function perListMs(shape: Shape, count: number): number {
  const input = planInputOf(shape, count);
  const times: number[] = [];
  // A short list is planned often enough for the clock and the compiler.
  const repeats = Math.max(1, Math.floor(100_000 / count));
  for (let round = 0; round <= ROUNDS; round++) {
    const ms = cpuMs(() => {
      for (let n = 0; n < repeats; n++) planChunk(input);
    });
    if (round > 0) times.push(ms / repeats);
  }
  return median(times);
}

function versionsPerMinute(shape: Shape): number {
  // Enough lists that they are not all in the processor's cache when their turn comes again.
  const inputs = Array.from({ length: LISTS }, () => planInputOf(shape, VERSIONS_PER_CHUNK));
  const ms = cpuMs(() => {
    for (let n = 0; n < CHUNKS / LISTS; n++) for (const input of inputs) planChunk(input);
  });
  return (CHUNKS * VERSIONS_PER_CHUNK * 60_000) / ms;
}

console.log(`${cpus()[0]?.model ?? 'unknown processor'}, Node.js ${process.version}`);
console.log(`\n| shape | versions | ms of a core | ns per version |\n| --- | ---: | ---: | ---: |`);
for (const shape of SHAPE_NAMES) {
  for (const count of COUNTS) {
    const ms = perListMs(shape, count);
    console.log(`| ${shape} | ${count.toLocaleString('en')} | ${ms.toFixed(2)} | ${((ms * 1e6) / count).toFixed(0)} |`);
  }
}
console.log(
  `\n| ${CHUNKS.toLocaleString('en')} chunks of ${VERSIONS_PER_CHUNK.toLocaleString('en')} versions | million versions per core-minute |`,
);
console.log('| --- | ---: |');
for (const shape of SHAPE_NAMES) console.log(`| ${shape} | ${(versionsPerMinute(shape) / 1e6).toFixed(0)} |`);
console.log(`\npeak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
