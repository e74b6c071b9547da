/**
 * `npm run mutants` tries every deliberate fault of the table against the tests: each must make one fail.
 * `--only 3,7` tries those; `--patch FILE` (more than once if you like) tries patches of your own instead of the table;
 * `--tests FILE,FILE` tries them against these test files alone. Exit code 1 when a fault survives or does not fit.
 */
import { parseArgs } from 'node:util';
import { applyEdits, applyPatch, Copies } from './copies.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './table.ts';
import { TEST_FILES, testOrder } from './tests.ts';
import { endTrials, type Outcome, runTests } from './trial.ts';

/** Runs side by side; the tests have servers and timers of their own. */
const LANES = 2;
const BASELINE_TIMEOUT_MS = 60 * 60_000;
/** A faulty run, and each of its tests, may take so many times what the faultless took: the other lane runs beside it. */
const TIMEOUT_FACTOR = 4;
const TEST_TIMEOUT_MIN_MS = 30_000;

interface Mutant {
  readonly number: string;
  readonly name: string;
  readonly invariants: string;
  readonly files: string;
  /** Makes the copy faulty; returns the changed files. */
  readonly apply: (copy: string) => string[];
}

interface Result {
  readonly mutant: Mutant;
  readonly outcome: Outcome;
  readonly seconds: number;
}

function mutantOf(fault: Fault, number: number): Mutant {
  const { name, invariants, edits } = fault;
  const files = [...new Set(edits.map((edit) => edit.file))].join(' ');
  return { number: `${number}`, name, invariants, files, apply: (copy) => applyEdits(copy, edits) };
}

function patchOf(patch: string, n: number): Mutant {
  const apply = (copy: string) => applyPatch(copy, patch);
  return { number: `P${n + 1}`, name: patch, invariants: '', files: '', apply };
}

function chosen(only: string | undefined, patches: readonly string[]): Mutant[] {
  if (patches.length > 0) return patches.map(patchOf);
  const all = FAULTS.map((fault, n) => mutantOf(fault, n + 1));
  if (only === undefined) return all;
  return only.split(',').map((number) => {
    const found = all.find((mutant) => mutant.number === number.trim());
    if (found === undefined) throw new RangeError(`there is no fault ${number}; there are 1 to ${all.length}`);
    return found;
  });
}

async function tried(mutant: Mutant, context: Context): Promise<Result> {
  const { copies, tests, timeoutMs, testTimeoutMs } = context;
  const startedMs = performance.now();
  const copy = copies.take();
  let outcome: Outcome;
  try {
    const changed = mutant.apply(copy);
    outcome = await runTests(copy, { tests: testOrder(changed, tests), timeoutMs, testTimeoutMs });
  } catch (error) {
    outcome = { kind: 'broken', why: `it cannot be applied: ${(error as Error).message.trim()}` };
  } finally {
    copies.remove(copy);
  }
  return { mutant, outcome, seconds: Math.round((performance.now() - startedMs) / 1000) };
}

interface Context {
  readonly copies: Copies;
  readonly tests: readonly string[];
  readonly timeoutMs: number;
  readonly testTimeoutMs: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, patch: { type: 'string', multiple: true }, tests: { type: 'string' } },
  });
  const mutants = chosen(values.only, values.patch ?? []);
  const tests = values.tests?.split(',') ?? TEST_FILES;
  const copies = new Copies();
  process.once('exit', () => {
    endTrials();
    copies.remove();
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const startedMs = performance.now();
  const faultless = await runTests(copies.original, { tests, timeoutMs: BASELINE_TIMEOUT_MS });
  if (faultless.kind !== 'passed') {
    console.log(`without any fault the tests must pass, but: ${told(faultless)}`);
    if (faultless.kind === 'failed') console.log(faultless.message);
    return 1;
  }
  const baselineMs = performance.now() - startedMs;
  console.log(`without a fault: all tests pass (${Math.round(baselineMs / 1000)} s)`);
  const testTimeoutMs = Math.max(TEST_TIMEOUT_MIN_MS, TIMEOUT_FACTOR * Math.ceil(faultless.slowestMs));
  const results = await inLanes(mutants, { copies, tests, timeoutMs: TIMEOUT_FACTOR * baselineMs, testTimeoutMs });
  console.log(`\n${table(results)}`);
  const caught = results.filter(({ outcome }) => outcome.kind === 'failed' || outcome.kind === 'hung').length;
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.log(`\n${caught} of ${results.length} faults are caught; ${seconds} s in all`);
  return caught === results.length ? 0 : 1;
}

async function inLanes(mutants: readonly Mutant[], context: Context): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = [...mutants.entries()];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [place, mutant] = next;
      const result = await tried(mutant, context);
      results[place] = result;
      console.log(`${mutant.number}  ${mutant.name}: ${told(result.outcome)} (${result.seconds} s)`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}

function told(outcome: Outcome): string {
  if (outcome.kind === 'passed') return 'SURVIVES';
  if (outcome.kind === 'broken') return `BROKEN ${outcome.why}`;
  return outcome.kind === 'hung' ? `hangs: ${outcome.by}` : outcome.by;
}

/** A table in Markdown, so that it can be pasted into a report. */
function table(results: readonly Result[]): string {
  const rows = results.map(({ mutant, outcome, seconds }) => {
    const cells = [mutant.number, mutant.name, mutant.invariants, mutant.files, told(outcome), `${seconds}`];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')).join(' | ')} |`;
  });
  return ['| n | fault | invariants | file | caught by | s |', '|---|---|---|---|---|---|', ...rows].join('\n');
}

process.exitCode = await main();
