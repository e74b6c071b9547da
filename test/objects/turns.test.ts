/** Turns: the bound, and that a call whose caller gave up is let go at once and never runs. */
import { expect, test } from 'vitest';
import { Turns } from '../../src/objects/turns.ts';
import { expectFailure } from './contract.ts';

test('at most the given number runs at a time, in order', async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<number>());
  const calls = gates.map((gate, i) =>
    turns.take(() => {
      begun.push(i);
      return gate.promise;
    }, new AbortController().signal),
  );
  await Promise.resolve();
  expect(begun).toEqual([0, 1]);
  for (const [i, gate] of gates.entries()) {
    gate.resolve(i * 10);
    await expect(calls[i]).resolves.toBe(i * 10);
  }
  expect(begun).toEqual([0, 1, 2, 3]);
});

test('a call that was withdrawn while it waited rejects at once and never runs', async () => {
  const turns = new Turns(1);
  const gate = Promise.withResolvers<void>();
  const first = turns.take(() => gate.promise);
  const controller = new AbortController();
  let ran = false;
  const withdrawn = turns.take(async () => {
    ran = true;
  }, controller.signal);
  controller.abort();
  await expectFailure(withdrawn, 'retry', 'cancelled');
  gate.resolve();
  await first;
  // The place is free again.
  await expect(turns.take(async () => 'next')).resolves.toBe('next');
  expect(ran).toBe(false);
});

test('a call that runs is left to its own use of the signal', async () => {
  const controller = new AbortController();
  const gate = Promise.withResolvers<string>();
  const call = new Turns(1).take(() => gate.promise, controller.signal);
  await Promise.resolve();
  controller.abort();
  gate.resolve('done all the same');
  await expect(call).resolves.toBe('done all the same');
});
