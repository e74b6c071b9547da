/** The memory of merging: its bound holds for what is in use and what is kept together, and nobody waits for ever. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';

const KIB = 1024;
const UNIT = 64 * KIB;

describe('MemoryBudget', () => {
  it('serves in order and lets a block that is larger than all of it run alone', async () => {
    const budget = new MemoryBudget(10 * UNIT);
    const running = new Set<string>();
    const seen: string[][] = [];
    const work = (name: string, bytes: number) =>
      budget.reserve([bytes], async () => {
        running.add(name);
        seen.push([...running]);
        await new Promise((resolve) => setImmediate(resolve));
        running.delete(name);
      });
    await Promise.all([work('a', 8 * UNIT), work('huge', 1 << 30), work('b', UNIT)]);
    expect(seen).toEqual([['a'], ['huge'], ['b']]);
  });

  it('I8: buffers in use and buffers kept never pass the budget together, whatever the sizes and the failures', async () => {
    const size = fc.integer({ min: 1, max: 3_000 * KIB });
    const blocks = fc.array(fc.record({ body: size, scratch: fc.array(size, { maxLength: 3 }), fails: fc.boolean() }), {
      maxLength: 40,
    });
    const property = fc.asyncProperty(blocks, fc.scheduler(), async (drawn, scheduler) => {
      const bytesMax = 8 * 1024 * KIB;
      const budget = new MemoryBudget(bytesMax);
      const check = () => expect(budget.heldBytes).toBeLessThanOrEqual(bytesMax);
      const step = () => scheduler.schedule(Promise.resolve());
      const all = drawn.map(({ body, scratch, fails }) =>
        budget
          .reserve([body, ...(scratch.length === 0 ? [] : [Math.max(...scratch)])], async (own) => {
            const taken = own.take(body);
            expect(taken.length).toBe(body);
            for (const bytes of scratch) {
              const buffer = own.take(bytes);
              check();
              await step();
              own.give(buffer);
            }
            await step();
            check();
            if (fails) throw new Error('a request failed');
            own.give(taken);
            check();
          })
          .catch(() => undefined),
      );
      await scheduler.waitIdle();
      await Promise.all(all);
      check();
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('a buffer that is given back is used again, one of a failed block is not', async () => {
    const budget = new MemoryBudget(10 * UNIT);
    const take = (fails: boolean): Promise<ArrayBufferLike> =>
      budget.reserve([UNIT], async (own) => {
        const buffer = own.take(UNIT);
        if (!fails) own.give(buffer);
        return buffer.buffer;
      });
    const first = await take(false);
    expect(await take(true)).toBe(first);
    expect(await take(false)).not.toBe(first);
    expect(budget.heldBytes).toBe(UNIT);
  });
});
