/**
 * Every stack of up to two versions over six bytes, with every block size and length (I1, I3). Stacks of three are in
 * exhaustive.torture.test.ts.
 */
import { expect, it } from 'vitest';
import { content } from '../kit/oracle/content.ts';
import { BYTES, CHUNK_IDS, runShare } from './exhaustive-share.ts';

/** 42 versions at each of 2 places, 4 block sizes, lengths 0 to 6. */
const CASES = (1 + 42 + 42 ** 2) * 4 * 7;

it('the bytes of the stacked versions all differ, so that no mistake can read right by chance', () => {
  const bytes = CHUNK_IDS.flatMap((chunkId) => [...content(chunkId, 0, BYTES)]);
  expect(new Set([...bytes, 0]).size).toBe(CHUNK_IDS.length * BYTES + 1);
});

it('I1 I3: every stack of up to 2 versions over 6 bytes is planned right', () => {
  const { failure, cases, rewriting } = runShare({ thread: 0, threads: 1, stackMax: 2 });
  expect(failure).toBeUndefined();
  expect(cases).toBe(CASES);
  expect(rewriting).toBeGreaterThan(1_000);
});
