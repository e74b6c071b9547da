/**
 * The seeded world in the test run: a fixed set of seeds and a fresh set, whose first seed is printed. The torture tier
 * (seeds.torture.test.ts) plays twenty times as many and asks what they have reached; `npm run sim` plays any number.
 */
import { describe, expect, it } from 'vitest';
import { playSeed, scriptOf } from './explore.ts';
import { countsOr, freshFrom, playSeeds } from './play-seeds.ts';

const counts = countsOr({ fixed: 300, fresh: 150, timeBound: 100, timeBoundFresh: 50 });

describe('I1-I12 in a seeded world', () => {
  it(`hold for ${counts.fixed} fixed seeds`, async () => {
    await playSeeds(1, counts.fixed);
  });

  it(`hold for ${counts.fresh} fresh seeds`, async () => {
    await playSeeds(freshFrom(counts.fresh), counts.fresh);
  });

  it(`hold for ${counts.timeBound} fixed seeds on a service that compares and fences nothing`, async () => {
    await playSeeds(1, counts.timeBound, 'time-bound');
  });

  it(`hold for ${counts.timeBoundFresh} fresh seeds on a service that compares and fences nothing`, async () => {
    const { timeBoundFresh } = counts;
    await playSeeds(freshFrom(timeBoundFresh, '--time-bound '), timeBoundFresh, 'time-bound');
  });

  it('repeats a seed to the last step', async () => {
    const [first, second] = [await playSeed(7, { trace: true }), await playSeed(7, { trace: true })];
    expect(first.trace.length).toBeGreaterThan(50);
    expect(second.trace).toEqual(first.trace);
    expect(scriptOf(8)).not.toEqual(scriptOf(7));
  });
});
