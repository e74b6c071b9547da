/** The parts that are kept fresh: what cannot be rendered is a fault of ours, and the next sample is sent all the same. */
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { addLive } from '../../src/console/live.ts';
import type { Sample, Sampler } from '../../src/console/sampler.ts';

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

it('a sample that cannot be rendered is reported, and the next one is sent', async () => {
  const faults: unknown[] = [];
  const { sampler, give } = sampled();
  const app = new Hono();
  addLive(app, { sampler, onFault: (error) => faults.push(error) });
  const response = await app.request('/live/overview');
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const read = async () => (await reader?.read())?.value;
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
  await reader?.cancel();
});
