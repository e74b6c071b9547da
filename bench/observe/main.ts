/**
 * What watching costs: one S3 request reported to the observer, with metrics and
 * without; the text of one process, and the adding up of four. `npm run bench:observe`.
 */
import { aggregateRegistry } from '../../src/observe/aggregate.ts';
import { createLogger } from '../../src/observe/log.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { Observer, type ObserverOptions } from '../../src/wiring/observer.ts';
import type { RunReport } from '../../src/wiring/run-inode.ts';

const REQUESTS = 200_000;
const ROUNDS = 5;
const SCRAPES = 50;
const REPORT: RunReport = {
  ending: 'done',
  fsId: 1,
  inodeId: '1',
  chunksCompacted: 0,
  chunksLeft: 0,
  continued: false,
  warnings: [],
};

/** Microseconds for each request, the median of some rounds; every request belongs to a run. */
async function requestUs(options: Partial<ObserverOptions>): Promise<number> {
  const log = createLogger({ level: 'silent' });
  const observer = new Observer({ log, limits: { bytesMax: 1, requestsMax: 1 }, ...options });
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await observer.watchRun({}, async () => {
      const beganMs = performance.now();
      for (let n = 0; n < REQUESTS; n++) {
        observer.started();
        observer.request('get', 'ok', 5, 4096);
      }
      times.push(((performance.now() - beganMs) * 1000) / REQUESTS);
      return REPORT;
    });
  }
  return times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
}

async function scrapeMs(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < SCRAPES; n++) {
    const beganMs = performance.now();
    await work();
    times.push(performance.now() - beganMs);
  }
  return times.toSorted((a, b) => a - b)[SCRAPES / 2] ?? Number.NaN;
}

const processes = await Promise.all([1, 2, 3, 4].map(() => new Metrics({ scopes: ['process'] }).json()));
const pod = new Metrics({ version: '0.0.0' });
const text = await pod.text();
console.log(`one request, nothing counted    ${(await requestUs({})).toFixed(2)} us`);
console.log(`one request, with metrics       ${(await requestUs({ metrics: new Metrics({}) })).toFixed(2)} us`);
console.log(
  `text of one process: ${text.split('\n').length} lines, ${text.length} bytes, ${(await scrapeMs(() => pod.text())).toFixed(1)} ms`,
);
console.log(
  `adding up four processes        ${(await scrapeMs(() => aggregateRegistry(processes).metrics())).toFixed(1)} ms`,
);
