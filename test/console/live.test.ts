/** The parts that are kept fresh: what cannot be rendered is a fault of ours, and the next sample is sent all the same. */
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import type { Visited } from '../../src/console/door.ts';
import { addLive } from '../../src/console/live.ts';
import type { Sample, Sampler } from '../../src/console/sampler.ts';
import type { StatusReport } from '../../src/view/status-report.ts';

/** A sampler of which the test gives the samples. */
function sampled() {
  const watchers = new Set<(sample: Sample) => void>();
  const watch = (watcher: (sample: Sample) => void) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  };
  const sampler = { watch, watchers: 0 } as unknown as Sampler;
  const give = (sample: Sample) => {
    for (const watcher of watchers) watcher(sample);
  };
  return { sampler, give };
}

const sampleOf = (error: string): Sample => ({ report: undefined, error, minutes: [] });

function open(path: string) {
  const faults: unknown[] = [];
  const { sampler, give } = sampled();
  const app = new Hono<Visited>();
  addLive(app, { sampler, onFault: (error) => faults.push(error) });
  return { faults, give, response: app.request(path) };
}

async function reading(response: Response | Promise<Response>) {
  const reader = (await response).body?.pipeThrough(new TextDecoderStream()).getReader();
  const read = async () => (await reader?.read())?.value;
  return { read, end: () => reader?.cancel() };
}

it('a sample that cannot be rendered is reported, and the next one is sent', async () => {
  const { faults, give, response } = open('/live/overview');
  const { read, end } = await reading(response);
  expect(await read()).toBe(': here\n\n');
  const broken = {
    ...sampleOf('first'),
    get report(): never {
      throw new TypeError('broken');
    },
  };
  give(broken);
  // The fault is reported in a later turn of the loop than the one that it is thrown in.
  for (let turns = 0; faults.length === 0 && turns < 100; turns++) await new Promise(setImmediate);
  expect(faults).toEqual([new TypeError('broken')]);
  await new Promise(setImmediate);
  give(sampleOf('second'));
  expect(await read()).toContain('Not known now: second');
  await end();
});

it('a file says how far its run has come, and when it is over', async () => {
  const { give, response } = open('/live/files/1/7');
  const { read, end } = await reading(response);
  await read();
  const progress = { chunksDone: 1, chunksTotal: 3, blocksDone: 2, blocksTotal: 8, bytesMoved: 1024 };
  const job = { jobId: 'j', fsId: 1, inodeId: '7', origin: 'scan', ageMs: 5, waits: null };
  const report = { inFlight: [{ ...job, progress: { kind: 'running', progress } }] } as unknown as StatusReport;
  give({ report, error: undefined, minutes: [] });
  expect(await read()).toContain('1/3 chunks, 2/8 blocks, 1 KiB moved');
  await new Promise(setImmediate);
  give({ report: { inFlight: [] } as unknown as StatusReport, error: undefined, minutes: [] });
  expect(await read()).toContain('No worker has it in hand');
  await end();
});
