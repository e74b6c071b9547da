/**
 * Many seeds of the seeded world: a fixed set, which must reach every pair of call and fault, and a fresh set, whose first
 * seed is printed. What the suite plays of it is in seeds.test.ts; `npm run sim` plays more.
 */
import { describe, expect, it } from 'vitest';
import { countsOr, freshFrom, playSeeds, SEEDS, WHOLE } from './play-seeds.ts';

const counts = countsOr(SEEDS);

describe('I1-I12 in a seeded world', () => {
  it(`hold for ${counts.fixed} fixed seeds, in which each fault strikes each call`, async () => {
    const coverage = await playSeeds(1, counts.fixed);
    if (WHOLE) expect(coverage.missing()).toEqual([]);
  });

  it(`hold for ${counts.fresh} fresh seeds`, async () => {
    await playSeeds(freshFrom(counts.fresh), counts.fresh);
  });

  it(`hold for ${counts.timeBound} fixed seeds on a service that compares and fences nothing`, async () => {
    const coverage = await playSeeds(1, counts.timeBound, 'time-bound');
    // About one seed in 600 strikes this pair; that each pair is struck ten times is for `npm run sim`.
    if (WHOLE) expect(coverage.of('metadata.commit', 'late')).toBeGreaterThan(0);
  });

  it(`hold for ${counts.timeBoundFresh} fresh seeds on a service that compares and fences nothing`, async () => {
    const { timeBoundFresh } = counts;
    await playSeeds(freshFrom(timeBoundFresh, '--time-bound '), timeBoundFresh, 'time-bound');
  });
});
