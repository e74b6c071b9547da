/**
 * Planning in a process of its own, as a worker or a scan that comes upon long lists does it: nothing is warm, and neither the
 * test runner's heap nor its other work is measured. Arguments: shape, versions of a list, lists. Prints one JSON line.
 */
import { planChunk } from '../../src/plan/index.ts';
import { planInputOf, type Shape } from './shapes.ts';

export interface ScaleResult {
  /** Processor time of this thread, ms: what else runs on the machine does not count. */
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  readonly mergedBlocks: number;
}

const [shape = '', count = '', lists = '1'] = process.argv.slice(2);
const input = planInputOf(shape as Shape, Number(count));
let mergedBlocks = 0;
const started = process.threadCpuUsage();
for (let n = 0; n < Number(lists); n++) {
  const decision = planChunk({ ...input, chunkIndex: 0 });
  mergedBlocks += decision.kind === 'plan' ? decision.plan.cost.writeRequests : 0;
}
const { user, system } = process.threadCpuUsage(started);
const result: ScaleResult = {
  cpuMs: (user + system) / 1000,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
  mergedBlocks,
};
console.log(JSON.stringify(result));
