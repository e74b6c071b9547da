/** The reads of several blocks: each once, never more than the bound, those in turn one by one, and none after a failure. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ReadPump } from '../../src/compact/read-pump.ts';

it('runs every read once within the bound, whatever ends first', async () => {
  const block = fc.record({ direct: fc.nat(20), inTurn: fc.nat(5), failsAt: fc.option(fc.nat(10)) });
  const drawn = fc.record({ blocks: fc.array(block, { maxLength: 5 }), readsMax: fc.integer({ min: 1, max: 6 }) });
  const property = fc.asyncProperty(drawn, fc.scheduler(), async ({ blocks, readsMax }, scheduler) => {
    const pump = new ReadPump<string>(readsMax);
    let running = 0;
    const ends = blocks.map(async ({ direct, inTurn, failsAt }) => {
      const run: string[] = [];
      let turns = 0;
      let own = 0;
      let failed = false;
      const outcome = await pump
        .readAll({
          direct: Array.from({ length: direct }, (_, n) => `direct ${n}`),
          inTurn: Array.from({ length: inTurn }, (_, n) => `turn ${n}`),
          run: async (read) => {
            // A failure is heard of a moment later than it happens.
            if (!failed) run.push(read);
            const isTurn = read.startsWith('turn');
            if (isTurn) turns++;
            running++;
            own++;
            expect(turns).toBeLessThanOrEqual(1);
            expect(running).toBeLessThanOrEqual(readsMax);
            const fails = run.length - 1 === failsAt;
            await scheduler.schedule(Promise.resolve());
            running--;
            own--;
            if (isTurn) turns--;
            if (fails) {
              failed = true;
              throw new Error('read failed');
            }
          },
        })
        .then(
          () => 'done',
          () => 'failed',
        );
      expect(own).toBe(0);
      expect(new Set(run).size).toBe(run.length);
      expect(outcome).toBe(failed ? 'failed' : 'done');
      if (!failed) expect(run).toHaveLength(direct + inTurn);
    });
    await scheduler.waitIdle();
    await Promise.all(ends);
  });
  await fc.assert(property, { numRuns: 200 });
});

it('begins nothing after a failure, and ends only when what was begun has ended', async () => {
  const pump = new ReadPump<number>(2);
  const gate = Promise.withResolvers<void>();
  const begun: number[] = [];
  const all = pump.readAll({
    direct: [0, 1, 2, 3],
    inTurn: [],
    run: async (read) => {
      begun.push(read);
      if (read === 0) throw new Error('first');
      await gate.promise;
    },
  });
  let ended = false;
  const rejected = expect(all)
    .rejects.toThrow('first')
    .then(() => {
      ended = true;
    });
  await new Promise((resolve) => setImmediate(resolve));
  expect([begun, ended]).toEqual([[0, 1], false]);
  gate.resolve();
  await rejected;
  expect(begun).toEqual([0, 1]);
});
