/**
 * Planning of one long list in a process of its own, so that neither the test runner's heap nor its other work is measured.
 * Arguments: shape, versions, rounds, and the number of versions to compare with (0 for none). Prints one JSON line.
 */
import { planChunk } from '../../src/plan/index.ts';
import { median, planInputOf, type Shape } from './shapes.ts';

export interface ScaleResult {
  /** Median milliseconds of processor time, garbage collection included, for the long and for the short list. */
  readonly longMs: number;
  readonly shortMs: number;
  readonly peakRssBytes: number;
  readonly mergedBlocks: number;
}

const [shape = '', count = '', rounds = '', compared = ''] = process.argv.slice(2);

function timed(input: ReturnType<typeof planInputOf>, times: number[]): number {
  // Processor time of this thread: what else runs on the machine does not count.
  const started = process.threadCpuUsage();
  const decision = planChunk(input);
  const { user, system } = process.threadCpuUsage(started);
  times.push((user + system) / 1000);
  return decision.kind === 'plan' ? decision.plan.cost.writeRequests : -1;
}

const long = planInputOf(shape as Shape, Number(count));
const short = compared === '0' ? undefined : planInputOf(shape as Shape, Number(compared));
const longTimes: number[] = [];
const shortTimes: number[] = [];
let mergedBlocks = 0;
for (let round = 0; round < Number(rounds); round++) {
  // Taken in turn, so that whatever else the machine does falls on both.
  if (short !== undefined) for (let n = 0; n < 5; n++) timed(short, shortTimes);
  mergedBlocks = timed(long, longTimes);
}
const result: ScaleResult = {
  longMs: median(longTimes),
  shortMs: median(shortTimes),
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
  mergedBlocks,
};
console.log(JSON.stringify(result));
