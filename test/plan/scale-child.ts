/**
 * Planning of one long list in a process of its own, as a worker that comes upon one does it: nothing is warm, and
 * neither the test runner's heap nor its other work is measured. Arguments: shape, versions. Prints one JSON line.
 */
import { planChunk } from '../../src/plan/index.ts';
import { planInputOf, type Shape } from './shapes.ts';

export interface ScaleResult {
  /** Processor time of this thread, ms: what else runs on the machine does not count. */
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  readonly mergedBlocks: number;
}

const [shape = '', count = ''] = process.argv.slice(2);
const input = planInputOf(shape as Shape, Number(count));
const started = process.threadCpuUsage();
const decision = planChunk(input);
const { user, system } = process.threadCpuUsage(started);
const result: ScaleResult = {
  cpuMs: (user + system) / 1000,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
  mergedBlocks: decision.kind === 'plan' ? decision.plan.cost.writeRequests : -1,
};
console.log(JSON.stringify(result));
