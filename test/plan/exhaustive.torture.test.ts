/**
 * Every stack of up to three versions over six bytes, with every block size and length (I1, I3): small enough
 * to leave nothing out, large enough for every way in which versions, blocks, holes, zeros and the length can meet. Stacks of two are in the suite.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import type { Share, ShareResult } from './exhaustive-share.ts';

/** 42 versions at each of 3 places: 1 + 42 + 42² + 42³ stacks, 4 block sizes, lengths 0 to 6. */
const CASES = (1 + 42 + 42 ** 2 + 42 ** 3) * 4 * 7;

function inThread(share: Share): Promise<ShareResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./exhaustive-share.ts', import.meta.url), { workerData: share });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a share ended with code ${code} and no result`)));
  });
}

it('I1 I3: every stack of up to 3 versions over 6 bytes is planned right', async () => {
  const threads = availableParallelism();
  const started = performance.now();
  const results = await Promise.all(
    Array.from({ length: threads }, (_, thread) => inThread({ thread, threads, stackMax: 3 })),
  );
  expect(results.flatMap(({ failure }) => failure ?? [])).toEqual([]);
  const sum = (field: 'cases' | 'plans' | 'rewriting') => results.reduce((total, result) => total + result[field], 0);
  console.log(
    `${sum('cases')} cases: ${sum('plans')} plans, ${sum('rewriting')} of them rewrite; ${threads} threads, ${Math.round(performance.now() - started)} ms`,
  );
  expect(sum('cases')).toBe(CASES);
});
