/** Waiting with an end: who comes first, what is left behind, and that a failure after the end hurts nobody. */
import { expect, it } from 'vitest';
import { answerWithin, endsWithin, within } from '../src/clock.ts';

const never = (): Promise<never> => new Promise(() => undefined);

it('an answer in time is the answer, one that fails in time is its failure', async () => {
  expect(await within(Promise.resolve(1), 60_000, () => 2)).toBe(1);
  expect(await endsWithin(Promise.resolve(), 60_000)).toBe(true);
  await expect(answerWithin(Promise.reject(new Error('no')), 60_000)).rejects.toThrow('no');
  await expect(endsWithin(Promise.reject(new Error('no')), 60_000)).rejects.toThrow('no');
});

it('one that does not come is late, in the words of the caller', async () => {
  expect(await within(never(), 1, () => 2)).toBe(2);
  expect(await endsWithin(never(), 1)).toBe(false);
  await expect(answerWithin(never(), 1)).rejects.toThrow('no answer within 1 ms');
});

it('a failure that comes late is nobody’s', async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  expect(await endsWithin(promise, 1)).toBe(false);
  // An unhandled rejection would fail the run of the tests.
  reject(new Error('late'));
  await new Promise(setImmediate);
});
