/**
 * `npm run sim -- --seeds 10000 [--from S]` plays that many seeds and shows what was tried; `npm run sim -- --seed N`
 * plays one, and shrinks it to a short trace when it fails. With `--time-bound` the metadata service compares and fences
 * nothing (CurveFS). Exit code 1 when anything did not hold, or was not tried.
 */
import { parseArgs } from 'node:util';
import type { CommitForm } from '../../../src/metadata/port.ts';
import { Coverage } from './coverage.ts';
import { playSeed, shrink } from './explore.ts';

/** Failing seeds that are shrunk and shown; all are named. */
const SHOWN_MAX = 3;
const PROGRESS_EVERY = 2_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      ...{ seeds: { type: 'string', default: '1000' }, from: { type: 'string' }, seed: { type: 'string' } },
      'time-bound': { type: 'boolean', default: false },
    },
  });
  const form = values['time-bound'] ? 'time-bound' : 'fenced';
  if (values.seed !== undefined) return replay(wholeNumber(values.seed), form);
  const from = values.from === undefined ? Date.now() % 2 ** 31 : wholeNumber(values.from);
  return explore(from, wholeNumber(values.seeds), form);
}

async function replay(seed: number, form: CommitForm): Promise<number> {
  const { violations, trace } = await playSeed(seed, { trace: true, form });
  if (violations.length > 0) return show(seed, form);
  console.log(trace.join('\n'));
  console.log(`seed ${seed}: nothing was violated`);
  return 0;
}

/** The failing seed as a person can read it. */
async function show(seed: number, form: CommitForm): Promise<number> {
  const failure = await shrink(seed, { form });
  if (failure === null) {
    console.log(`seed ${seed} failed and does not fail again: the world depends on something that is not its seed`);
    return 1;
  }
  const { script, verdict } = failure;
  console.log(`\nseed ${seed}, shrunk to ${script.steps.length} steps and ${script.faults.length} faults:`);
  console.log(verdict.trace.join('\n'));
  for (const violation of verdict.violations) console.log(`VIOLATED  ${violation}`);
  console.log(`repeat: npm run sim -- --seed ${seed}${form === 'fenced' ? '' : ' --time-bound'}`);
  return 1;
}

async function explore(from: number, seeds: number, form: CommitForm): Promise<number> {
  console.log(`seeds ${from} to ${from + seeds - 1}`);
  const coverage = new Coverage();
  const leaks = new Map<string, number>();
  const failed: number[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const verdict = await playSeed(seed, { form });
    coverage.add(verdict.struck);
    for (const reason of verdict.leaks.values()) leaks.set(reason, (leaks.get(reason) ?? 0) + 1);
    if (verdict.violations.length > 0) {
      failed.push(seed);
      console.log(`seed ${seed}: ${verdict.violations[0]}`);
    }
    const played = seed - from + 1;
    if (played % PROGRESS_EVERY === 0) console.log(`${played} of ${seeds} seeds, ${failed.length} failed`);
  }
  for (const seed of failed.slice(0, SHOWN_MAX)) await show(seed, form);
  console.log(`\nhow often each fault struck each call:\n${coverage.table(form)}`);
  console.log('\nobjects that were left to scrub, by reason:');
  for (const [reason, count] of leaks) console.log(`${String(count).padStart(8)}  ${reason}`);
  const missing = coverage.missing(form);
  if (missing.length > 0) console.log(`\nstruck too seldom (more seeds would): ${missing.join(', ')}`);
  console.log(`\n${seeds} seeds, ${failed.length} failed${failed.length === 0 ? '' : `: ${failed.join(' ')}`}`);
  return failed.length === 0 && missing.length === 0 ? 0 : 1;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`"${text}" is not a whole number`);
  return value;
}

process.exitCode = await main();
