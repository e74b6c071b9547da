/** The pictures of docs/design.md are what the script draws today, and their steps are those of a real attempt. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pictures, STEPS } from '../../scripts/pictures/pictures.ts';
import { compactInode } from '../../src/compact/compact-inode.ts';
import type { RunPhase } from '../../src/compact/types.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';

test.each([...pictures()])('%s is fresh (else: npm run docs:pictures)', (name, svg) => {
  expect(readFileSync(new URL(`../../docs/pictures/${name}`, import.meta.url), 'utf8')).toBe(svg);
});

test('the screenshot of the console is a PNG, and no more than a README should bring (else: npm run docs:screenshot)', () => {
  const png = readFileSync(new URL('../../docs/pictures/console.png', import.meta.url));
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect(png.length).toBeLessThan(200 * 1024);
});

test('the steps of an attempt are drawn in the order in which a run reports them', async () => {
  const world = new World();
  for (let n = 0; n < 5; n++) world.write(n * 4, 4);
  const phases: RunPhase[] = [];
  const silent = { chunk: () => undefined, failed: () => undefined, spent: () => undefined, idsWait: () => undefined };
  const observer = { ...silent, phase: (phase: RunPhase) => void phases.push(phase) };
  const result = await compactInode(KEY, world.deps(), { limits: LIMITS, observer });
  expect(result.outcome).toBe('compacted');
  const drawn = STEPS.flatMap(({ phase }) => (phase === null ? [] : [phase]));
  expect(phases.filter((phase) => phase !== 'plan' && phase !== 'end')).toEqual(drawn);
});
