/**
 * The bench of lives: our own figures are what a replay gives, and `docs/` shows them. Peers, and the life that takes as long
 * as all others: lifecycle.torture.test.ts.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_POLICY, rowOf } from '../../bench/lifecycle/figures.ts';
import { BUILT_IN, FIGURES, type KeptFigures, keptFiles } from '../../bench/lifecycle/files.ts';
import { readLives } from '../../bench/lifecycle/life.ts';
import { ours } from '../../bench/lifecycle/policies.ts';
import { planPolicy } from '../../src/compact/choose-chunks.ts';
import { loadSettings } from '../../src/config/index.ts';

/** 12,000 flushes. */
const LONGEST = 'rsyslog-fsync';
const kept = JSON.parse(readFileSync(FIGURES, 'utf8')) as KeptFigures;

it('figures.json is what a replay gives (npm run bench:lifecycle -- --write)', () => {
  const policy = ours('s3compact', DEFAULT_POLICY);
  const lives = readLives(BUILT_IN).filter(({ name }) => name !== LONGEST);
  expect(lives).toHaveLength(9);
  for (const life of lives) expect(kept.real.rows).toContainEqual(rowOf(life, policy));
});

it('docs/ shows figures.json (npm run bench:lifecycle -- --write)', () => {
  for (const [path, text] of Object.entries(keptFiles(kept))) expect(readFileSync(path, 'utf8'), path).toBe(text);
});

it('the default of the bench is the default of the settings', () => {
  expect(DEFAULT_POLICY).toEqual(planPolicy(loadSettings({ env: { REDIS_URL: 'redis://q:1' } })));
});
