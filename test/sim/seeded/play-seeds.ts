/**
 * Ranges of seeds for the two tiers of tests: plays them and fails with the shrunk trace of the first that breaks an
 * invariant. With S3COMPACT_SIM_SHARE that part of the torture tier's seeds is played in either tier, and a failing one
 * is not shrunk: the mutants are tried so.
 */
import { expect } from 'vitest';
import type { CommitForm } from '../../../src/metadata/port.ts';
import { Coverage } from './coverage.ts';
import { playSeed, shrink } from './explore.ts';

const share = process.env['S3COMPACT_SIM_SHARE'];
/** The torture tier's. */
export const SEEDS = { fixed: 6_000, fresh: 3_000, timeBound: 1_500, timeBoundFresh: 600 } as const;
export type SeedCounts = Readonly<Record<keyof typeof SEEDS, number>>;

/** No share is asked for: what a tier plays is what it was made for. */
export const WHOLE = share === undefined;

/** These, or the part of the torture tier's that was asked for. */
export function countsOr(own: SeedCounts): SeedCounts {
  if (share === undefined) return own;
  const part = (name: keyof SeedCounts): number => Math.ceil(Number(share) * SEEDS[name]);
  return {
    fixed: part('fixed'),
    fresh: part('fresh'),
    timeBound: part('timeBound'),
    timeBoundFresh: part('timeBoundFresh'),
  };
}

/** Where fresh seeds begin; `flags` as `npm run sim` takes them. */
export function freshFrom(count: number, flags = ''): number {
  const from = 1_000_000 + (Date.now() % 2 ** 30);
  console.log(`fresh seeds ${from} to ${from + count - 1}: npm run sim -- ${flags}--seeds ${count} --from ${from}`);
  return from;
}

export async function playSeeds(from: number, count: number, form: CommitForm = 'fenced'): Promise<Coverage> {
  const coverage = new Coverage();
  for (let seed = from; seed < from + count; seed++) {
    const { violations, struck } = await playSeed(seed, { form });
    coverage.add(struck);
    if (violations.length === 0) continue;
    const failure = WHOLE ? await shrink(seed, { form }) : null;
    expect.fail([`seed ${seed}: ${violations[0]}`, ...(failure?.verdict.trace ?? [])].join('\n'));
  }
  return coverage;
}
