/**
 * Every stack of up to three versions over six bytes, with every block size and length (DESIGN §3, I1, I3): small enough
 * to leave nothing out, large enough for every way in which versions, blocks, holes, zeros and the length can meet.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { content } from '../kit/oracle/content.ts';
import { BYTES, CHUNK_IDS, type Share, type ShareResult } from './exhaustive-share.ts';

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

it('the bytes of the stacked versions all differ, so that no mistake can read right by chance', () => {
  const bytes = CHUNK_IDS.flatMap((chunkId) => [...content(chunkId, 0, BYTES)]);
  expect(new Set([...bytes, 0]).size).toBe(CHUNK_IDS.length * BYTES + 1);
});

it('I1 I3: every stack of up to 3 versions over 6 bytes is planned right', { timeout: 600_000 }, async () => {
  const threads = availableParallelism();
  const started = performance.now();
  const results = await Promise.all(Array.from({ length: threads }, (_, thread) => inThread({ thread, threads })));
  expect(results.flatMap(({ failure }) => failure ?? [])).toEqual([]);
  const sum = (field: 'cases' | 'plans' | 'rewriting') => results.reduce((total, result) => total + result[field], 0);
  console.log(
    `${sum('cases')} cases: ${sum('plans')} plans, ${sum('rewriting')} of them rewrite; ${threads} threads, ${Math.round(performance.now() - started)} ms`,
  );
  expect(sum('cases')).toBe(CASES);
});
