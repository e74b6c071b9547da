/** What is quoted from docs/runbook.md stands there, word for word. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { RUNBOOK } from '../../src/view/runbook.ts';

const SECTIONS = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8').split(/^## /m);

it.each(Object.values(RUNBOOK))('$heading', ({ heading, words }) => {
  const section = SECTIONS.find((text) => text.startsWith(`${heading}\n`));
  const advice = section?.split('\n\n').find((paragraph) => paragraph.startsWith('**Do** '));
  const plain = advice?.replace('**Do** ', '').replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
  expect(words).toBe(plain?.replaceAll(/\s+/g, ' ').trim());
});
