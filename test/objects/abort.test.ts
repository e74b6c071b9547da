/** Listening to a shared signal: whoever listens is reported once, whoever stopped is not, in any order of coming and going. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AbortListener, listen, unlisten } from '../../src/objects/abort.ts';

class Ear implements AbortListener {
  place = 0;
  told = 0;
  onTold: () => void = () => undefined;
  aborted(): void {
    this.told++;
    this.onTold();
  }
}

test('an abort is told to those who listen, once, whatever came and went before', () => {
  const steps = fc.array(fc.record({ ear: fc.nat(9), signal: fc.nat(1), listens: fc.boolean() }), { maxLength: 60 });
  fc.assert(
    fc.property(steps, fc.boolean(), (drawn, oneLeavesAnother) => {
      const controllers = [new AbortController(), new AbortController()] as const;
      const ears = Array.from({ length: 10 }, () => new Ear());
      const listening = new Map<Ear, AbortSignal>();
      for (const { ear: n, signal: s, listens } of drawn) {
        const [ear, signal] = [ears[n] as Ear, (controllers[s] as AbortController).signal];
        if (listens && !listening.has(ear)) {
          listen(signal, ear);
          listening.set(ear, signal);
        } else if (!listens) {
          unlisten(signal, ear);
          if (listening.get(ear) === signal) listening.delete(ear);
        }
      }
      const expected = ears.map((ear) => (listening.get(ear) === controllers[0].signal ? 1 : 0));
      if (oneLeavesAnother) {
        // What is reported first takes the others away: they are told, or not, but never twice.
        const leaveAll = (): void => {
          for (const ear of ears) unlisten(controllers[0].signal, ear);
        };
        for (const ear of ears) ear.onTold = leaveAll;
        controllers[0].abort();
        expect(ears.reduce((sum, { told }) => sum + told, 0)).toBe(Math.min(1, expected.filter(Boolean).length));
        return;
      }
      controllers[0].abort();
      expect(ears.map(({ told }) => told)).toEqual(expected);
      controllers[0].abort();
      expect(ears.map(({ told }) => told)).toEqual(expected);
    }),
  );
});
