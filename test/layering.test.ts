/**
 * The code keeps the rules of scripts/layering/rules.ts, and the checker sees what breaks them: each kind of violation
 * is planted once, in otherwise good code. Without the planted ones a checker that sees nothing would pass.
 */
import { describe, expect, test } from 'vitest';
import { checkLayering } from '../scripts/layering/check.ts';
import { FILE_LINES_MAX, GROUPS } from '../scripts/layering/rules.ts';
import { readSources } from '../scripts/layering/sources.ts';

const OPENING = '/**\n * What it is for.\n */\n';

/** The rules broken, and where, when `text` (below a proper opening comment) is the file. */
function plant(file: string, text: string, others: Readonly<Record<string, string>> = {}): readonly string[] {
  const sources = new Map([
    [file, OPENING + text],
    ...Object.entries(others).map(([name, body]) => [name, OPENING + body] as const),
  ]);
  return checkLayering(sources).map((violation) => `${violation.file}:${violation.line} ${violation.rule}`);
}

const MODEL = { 'src/model.ts': 'export const A = 1;\n' };
const S3 = { 'src/objects/s3/stores.ts': "import { S3Client } from '@aws-sdk/client-s3';\nexport { S3Client };\n" };

test('the code keeps the rules', () => {
  const sources = readSources();
  expect(sources.size).toBeGreaterThan(20);
  expect(checkLayering(sources).map(({ file, line, rule, message }) => `${file}:${line} [${rule}] ${message}`)).toEqual(
    [],
  );
});

test('good code is not blamed', () => {
  const text = [
    "import { A } from '../model.ts';",
    "import type { Redis } from 'ioredis';",
    "import { Queue } from 'bullmq';",
    '// process.exit and Math.random are only words here',
    'export const b = A;',
  ].join('\n');
  expect(plant('src/queue/compact-queue.ts', text, MODEL)).toEqual([]);
});

describe('caught:', () => {
  test.each([
    ['policy that sees an adapter', 'src/compact/compact-inode.ts', "import { S } from '../objects/s3/stores.ts';", S3],
    [
      'policy that sees an adapter as a type',
      'src/reap/reap-record.ts',
      "import type { S } from '../objects/s3/stores.ts';",
      S3,
    ],
    ['policy that re-exports an adapter', 'src/compact/merge.ts', "export * from '../objects/s3/stores.ts';", S3],
    [
      'policy that loads an adapter later',
      'src/scan/scan.ts',
      "const s = await import('../objects/s3/stores.ts');",
      S3,
    ],
    ['policy with an SDK', 'src/gc/gc.ts', "import { Queue } from 'bullmq';", {}],
    [
      'an adapter with a second SDK',
      'src/metadata/redis/redis.ts',
      "import { S3Client } from '@aws-sdk/client-s3';",
      {},
    ],
    [
      'an adapter that sees policy',
      'src/objects/s3/store.ts',
      "import { c } from '../../compact/compact-inode.ts';",
      { 'src/compact/compact-inode.ts': '' },
    ],
    ['a queue that makes connections', 'src/queue/compact-queue.ts', "import { Redis } from 'ioredis';", {}],
    ['a planner that reads files', 'src/plan/chunk.ts', "import { readFileSync } from 'node:fs';", {}],
    [
      'a planner that sees the format',
      'src/plan/chunk.ts',
      "import { f } from '../format.ts';",
      { 'src/format.ts': '' },
    ],
    ['a model that imports', 'src/model.ts', "import './errors.ts';", { 'src/errors.ts': '' }],
    ['src that sees cli', 'src/wiring/run-inode.ts', "import { m } from '../cli/main.ts';", { 'src/cli/main.ts': '' }],
    ['src that sees a test server', 'src/cli/main.ts', "import { s } from '../../test/kit/servers/redis.ts';", {}],
    [
      'an import over several lines',
      'src/compact/compact-inode.ts',
      "import {\n  type A,\n  B,\n} from '../objects/s3/stores.ts';",
      S3,
    ],
  ])('%s', (_, file, text, others) => {
    expect(plant(file, text, others)).toEqual([`${file}:4 import`]);
  });

  test.each([
    ['a clock in the planner', 'src/plan/chunk.ts', 'const t = Date.now();', 'pure'],
    ['randomness in the format', 'src/format.ts', 'const r = Math.random();', 'pure'],
    ['the environment in policy', 'src/compact/compact-inode.ts', "const e = process.env['X'];", 'process'],
    ['an exit in an adapter', 'src/objects/s3/stores.ts', 'process.exit(1);', 'process'],
    ['a suppression', 'src/cli/main.ts', '// biome-ignore lint: because', 'suppression'],
    ['a silenced compiler', 'workers/compact-processor.ts', '// @ts-expect-error', 'suppression'],
  ])('%s', (_, file, text, rule) => {
    expect(plant(file, text)).toEqual([`${file}:4 ${rule}`]);
  });

  test('a file that the table does not know', () => {
    expect(plant('src/helpers.ts', '')).toEqual(['src/helpers.ts:1 unknown-group']);
  });

  test('a cycle, once, with its path', () => {
    const sources = new Map([
      ['src/plan/a.ts', `${OPENING}import './b.ts';`],
      ['src/plan/b.ts', `${OPENING}import './c.ts';`],
      ['src/plan/c.ts', `${OPENING}\nimport './a.ts';`],
    ]);
    expect(checkLayering(sources)).toEqual([
      {
        file: 'src/plan/c.ts',
        line: 5,
        rule: 'cycle',
        message: 'import cycle: src/plan/a.ts → src/plan/b.ts → src/plan/c.ts → src/plan/a.ts',
      },
    ]);
  });

  test('a file that is too long, and one that is just not', () => {
    const lines = (count: number) => `${'\n'.repeat(count - 4)}x`;
    expect(plant('src/compact/merge.ts', lines(FILE_LINES_MAX))).toEqual([]);
    expect(plant('src/compact/merge.ts', lines(FILE_LINES_MAX + 1))).toEqual([
      `src/compact/merge.ts:${FILE_LINES_MAX + 1} size`,
    ]);
  });

  test('a file without a word on what it is for', () => {
    const rules = (text: string) =>
      checkLayering(new Map([['src/compact/merge.ts', text]])).map((violation) => violation.rule);
    expect(rules("import 'node:zlib';\n")).toEqual(['opening']);
    expect(rules('/** Merge. */\n')).toEqual(['opening']);
    expect(rules(`/**\n${' * on and on\n'.repeat(20)} */\n`)).toEqual(['opening']);
  });
});

test('the table names only groups that exist', () => {
  const names = GROUPS.map((group) => group.name);
  expect(new Set(names).size).toBe(names.length);
  expect(GROUPS.flatMap((group) => group.groups).filter((name) => !names.includes(name))).toEqual([]);
});
