/**
 * `npm run sim -- --seeds 10000 [--from S]` plays that many seeds and shows what was tried; `npm run sim -- --seed N`
 * plays one, and shrinks it to a short trace when it fails. With `--time-bound` the metadata service compares and fences
 * nothing (CurveFS); with `--slices` it is a JuiceFS volume, on a Redis of its own (test/sim/slices). `--attack NAME` (more than
 * once if you like, or `all`, or `none`) says which attacks are on. Exit code 1 when anything did not hold. Calls that faults
 * struck too seldom are shown; that each is struck is for seeds.torture.test.ts, whose seeds are fixed.
 */
import { parseArgs } from 'node:util';
import type { CommitForm } from '../../../src/metadata/port.ts';
import { exploreSlices, replaySlices } from '../slices/explore.ts';
import { ATTACKS, type Attack, DEFAULT_ATTACKS } from './attacks.ts';
import { Coverage } from './coverage.ts';
import { playSeed, shrink } from './explore.ts';
import type { PlayOptions } from './play.ts';

/** Failing seeds that are shrunk and shown; all are named. */
const SHOWN_MAX = 3;
const PROGRESS_EVERY = 2_000;
const SELDOM_SHOWN_MAX = 10;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string' },
      seed: { type: 'string' },
      'time-bound': { type: 'boolean', default: false },
      slices: { type: 'boolean', default: false },
      attack: { type: 'string', multiple: true },
    },
  });
  const from = values.from === undefined ? Date.now() % 2 ** 31 : wholeNumber(values.from);
  if (values.slices) {
    if (values.seed !== undefined) return replaySlices(wholeNumber(values.seed));
    return exploreSlices(from, wholeNumber(values.seeds));
  }
  const form: CommitForm = values['time-bound'] ? 'time-bound' : 'fenced';
  const options = { form, attacks: attacksOf(values.attack) };
  if (values.seed !== undefined) return replay(wholeNumber(values.seed), options);
  return explore(from, wholeNumber(values.seeds), options);
}

function attacksOf(names: readonly string[] | undefined): ReadonlySet<Attack> {
  if (names === undefined) return DEFAULT_ATTACKS;
  const unknown = names.find((name) => !['all', 'none', ...ATTACKS].includes(name));
  if (unknown !== undefined) throw new RangeError(`there is no attack ${unknown}; there are ${ATTACKS.join(', ')}`);
  return new Set(ATTACKS.filter((attack) => names.includes('all') || names.includes(attack)));
}

async function replay(seed: number, options: PlayOptions): Promise<number> {
  const { violations, trace } = await playSeed(seed, { ...options, trace: true });
  if (violations.length > 0) return show(seed, options);
  console.log(trace.join('\n'));
  console.log(`seed ${seed}: nothing was violated`);
  return 0;
}

/** The failing seed as a person can read it. */
async function show(seed: number, options: PlayOptions): Promise<number> {
  const failure = await shrink(seed, options);
  if (failure === null) {
    console.log(`seed ${seed} failed and does not fail again: the world depends on something that is not its seed`);
    return 1;
  }
  const { script, verdict } = failure;
  console.log(`\nseed ${seed}, shrunk to ${script.steps.length} steps and ${script.faults.length} faults:`);
  console.log(verdict.trace.join('\n'));
  for (const violation of verdict.violations) console.log(`VIOLATED  ${violation}`);
  const { form, attacks = DEFAULT_ATTACKS } = options;
  const flags = [...(form === 'time-bound' ? ['--time-bound'] : []), ...[...attacks].map((name) => `--attack ${name}`)];
  console.log(`repeat: npm run sim -- --seed ${seed} ${flags.join(' ')}`);
  return 1;
}

async function explore(from: number, seeds: number, options: PlayOptions): Promise<number> {
  const { form } = options;
  console.log(`seeds ${from} to ${from + seeds - 1}`);
  const coverage = new Coverage();
  const leaks = new Map<string, number>();
  const failed: number[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const verdict = await playSeed(seed, options);
    coverage.add(verdict.struck);
    for (const reason of verdict.leaks.values()) leaks.set(reason, (leaks.get(reason) ?? 0) + 1);
    if (verdict.violations.length > 0) {
      failed.push(seed);
      console.log(`seed ${seed}: ${verdict.violations[0]}`);
    }
    const played = seed - from + 1;
    if (played % PROGRESS_EVERY === 0) console.log(`${played} of ${seeds} seeds, ${failed.length} failed`);
  }
  for (const seed of failed.slice(0, SHOWN_MAX)) await show(seed, options);
  console.log(`\nhow often each fault struck each call:\n${coverage.table(form)}`);
  console.log('\nobjects that were left to gc, by reason:');
  for (const [reason, count] of leaks) console.log(`${String(count).padStart(8)}  ${reason}`);
  const missing = coverage.missing(form);
  if (missing.length > 0) console.log(`\nstruck too seldom (more seeds would): ${firstOf(missing)}`);
  console.log(`\n${seeds} seeds, ${failed.length} failed${failed.length === 0 ? '' : `: ${failed.join(' ')}`}`);
  return failed.length === 0 ? 0 : 1;
}

function firstOf(pairs: readonly string[]): string {
  const more = pairs.length - SELDOM_SHOWN_MAX;
  return `${pairs.slice(0, SELDOM_SHOWN_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`"${text}" is not a whole number`);
  return value;
}

process.exitCode = await main();
