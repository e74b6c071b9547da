/** Every file and folder that the maps name exists: a stranger finds what ARCHITECTURE.md and CONTRIBUTING.md speak of. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TOP = /^(?:src|workers|test|docs|bench|deploy|scripts|examples|demo)\//;
const read = (page: string): string => readFileSync(`${ROOT}${page}`, 'utf8');

function exists(path: string): boolean {
  return path.includes('*') ? globSync(path, { cwd: ROOT }).length > 0 : existsSync(`${ROOT}${path}`);
}

test.each(['ARCHITECTURE.md', 'CONTRIBUTING.md', 'README.md', 'docs/design.md'])('paths in %s', (page) => {
  const named = [...read(page).matchAll(/`([\w./*-]+)`/g)]
    .map(([, path]) => path ?? '')
    .filter((path) => TOP.test(path));
  expect(named.filter((path) => !exists(path))).toEqual([]);
});

test('where an invariant is kept and tested', () => {
  const rows = read('ARCHITECTURE.md')
    .split('\n')
    .filter((line) => /^\| I\d+ \|/.test(line));
  expect(rows).toHaveLength(13);
  const missing: string[] = [];
  for (const row of rows) {
    const [, , , kept = '', tested = ''] = row.split('|');
    for (const [, path = ''] of kept.matchAll(/`([\w/-]+(?:\.ts|\/))`/g)) {
      const inPart = globSync(`src/**/${path}`, { cwd: ROOT });
      if (!exists(`src/${path}`) && !(path.includes('/') === false && inPart.length > 0)) missing.push(path);
    }
    for (const [, path = ''] of tested.matchAll(/`([\w/-]+)`/g)) {
      if (![`test/${path}.test.ts`, `test/${path}.ts`, `test/${path}`].some(exists)) missing.push(path);
    }
  }
  expect(missing).toEqual([]);
});

test('the table of where to go has at least twenty rows', () => {
  const table = read('ARCHITECTURE.md').split('## I want to change')[1]?.split('\n## ')[0] ?? '';
  expect(table.split('\n').filter((line) => line.startsWith('| ')).length).toBeGreaterThan(21);
});
