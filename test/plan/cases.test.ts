/**
 * The chunk lists of real programs' files, stored in memory by the content rule, compacted chunk by chunk as a first run
 * would, and read back. What that saves and costs is a golden file, so that a change of policy shows as figures.
 * `UPDATE_GOLDEN=1` writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { planChunk } from '../../src/plan/index.ts';
import { caseNames, loadCase } from '../kit/cases/load.ts';
import { referencedObjects } from '../kit/oracle/layout.ts';
import { expectedFile, fullReadGets } from '../kit/oracle/reader.ts';
import { MemoryFile } from './memory-file.ts';
import { verifyDecision, verifyFigures } from './verify.ts';

const GOLDEN = `${import.meta.dirname}/golden/cases.json`;
/** CurveFS's own threshold; the gap is 16 KiB divided by 1024 as the cases are. */
const POLICY = { fragmentThreshold: 20, readGapBytes: 16 };

interface Change {
  readonly before: number;
  readonly after: number;
}

interface Summary {
  readonly versions: Change;
  readonly objects: Change;
  readonly gets: Change;
  readonly storedBytes: Change;
  readonly moved: { readRequests: number; readBytes: number; writeRequests: number; writeBytes: number };
}

type Golden = Readonly<Record<string, Summary>>;

const update = process.env['UPDATE_GOLDEN'] === '1';
const golden = (update ? {} : JSON.parse(readFileSync(GOLDEN, 'utf8'))) as Golden;
const made: Record<string, Summary> = {};

function countsOf(file: MemoryFile): Record<'versions' | 'objects' | 'gets' | 'storedBytes', number> {
  const referenced = referencedObjects(file);
  let versions = 0;
  for (const list of file.lists.values()) versions += list.length;
  const storedBytes = [...referenced.values()].reduce((total, bytes) => total + bytes, 0);
  return { versions, objects: referenced.size, gets: fullReadGets(file), storedBytes };
}

function compactCase(file: MemoryFile): Summary {
  const before = countsOf(file);
  const moved = { readRequests: 0, readBytes: 0, writeRequests: 0, writeBytes: 0 };
  let attempt = 1n << 40n;
  for (const chunkIndex of [...file.lists.keys()]) {
    const input = file.planInput(chunkIndex, { policy: POLICY });
    attempt += 4096n;
    const plan = verifyDecision(input, attempt);
    if (plan === null) continue;
    verifyFigures(input, plan, attempt);
    for (const name of Object.keys(moved) as (keyof typeof moved)[]) moved[name] += plan.cost[name];
    file.commit(plan, attempt);
    expect(planChunk(file.planInput(chunkIndex, { policy: POLICY })).kind).toBe('nothing');
  }
  const after = countsOf(file);
  const change = (name: keyof typeof before): Change => ({ before: before[name], after: after[name] });
  return {
    versions: change('versions'),
    objects: change('objects'),
    gets: change('gets'),
    storedBytes: change('storedBytes'),
    moved,
  };
}

it.each(caseNames())('I1: %s reads the same after compaction, for the figures in the golden file', (name) => {
  const original = loadCase(name);
  const file = new MemoryFile(original);
  const expected = expectedFile(original);
  const summary = compactCase(file);
  expect(file.read().equals(expected)).toBe(true);
  expect(new Set(file.objects.keys())).toEqual(new Set(referencedObjects(file).keys()));
  expect(summary.gets.after).toBeLessThanOrEqual(summary.gets.before);
  made[name] = summary;
  if (!update) expect(summary).toEqual(golden[name]);
});

it('the golden file names exactly the cases', () => {
  expect(Object.keys(update ? made : golden)).toEqual(caseNames());
});

afterAll(() => {
  if (update) writeFileSync(GOLDEN, `${JSON.stringify(made, null, 2)}\n`);
});
