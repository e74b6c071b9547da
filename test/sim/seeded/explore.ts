/**
 * Seeds to verdicts: each seed is one script, made, played and, when something does not hold, shrunk by fast-check. One
 * way in for the command line and for the tests, so that a seed means the same everywhere.
 */
import fc from 'fast-check';
import { attacksFor, DEFAULT_ATTACKS } from './attacks.ts';
import { type PlayOptions, play, type Verdict } from './play.ts';
import { type Script, scriptsWith } from './script.ts';

export interface Failure {
  readonly seed: number;
  /** The smallest script that still fails. */
  readonly script: Script;
  readonly verdict: Verdict;
}

/** Plays the script of a seed. */
export async function playSeed(seed: number, options: PlayOptions = {}): Promise<Verdict> {
  return play(scriptOf(seed, options), options);
}

export function scriptOf(seed: number, options: PlayOptions = {}): Script {
  const [script] = fc.sample(scriptsFor(options), { seed, numRuns: 1 });
  if (script === undefined) throw new RangeError(`no script for seed ${seed}`);
  return script;
}

function scriptsFor({ attacks = DEFAULT_ATTACKS, form = 'fenced' }: PlayOptions): fc.Arbitrary<Script> {
  return fc.noBias(scriptsWith(attacksFor(attacks, form)));
}

/** The smallest script that fails as this seed does, with its trace. */
export async function shrink(seed: number, options: PlayOptions = {}): Promise<Failure | null> {
  const property = fc.asyncProperty(scriptsFor(options), async (script) => {
    const { violations } = await play(script, options);
    if (violations.length > 0) throw new Error(violations[0]);
  });
  const found = await fc.check(property, { seed, numRuns: 1, endOnFailure: false });
  const [script] = found.counterexample ?? [];
  if (script === undefined) return null;
  return { seed, script, verdict: await play(script, { ...options, trace: true }) };
}
