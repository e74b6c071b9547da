/**
 * How the tests run against a deliberate fault: one file after the other, in the order of S3COMPACT_MUTANTS_TESTS, and
 * no further than the first failure. Everything else is as in the ordinary run.
 */
import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import ordinary from '../../vitest.config.ts';

const ORDER = (process.env['S3COMPACT_MUTANTS_TESTS'] ?? '').split(',');
/** An ordinary test that takes so long hangs. */
const TIMEOUT_MS = 30_000;

class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = (file: TestSpecification) => ORDER.indexOf(relative(process.cwd(), file.moduleId));
    return files.toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  ...ordinary,
  cacheDir: '.vitest',
  test: {
    ...ordinary.test,
    include: ORDER,
    exclude: [],
    sequence: { sequencer: InOrder },
    bail: 1,
    maxWorkers: 1,
    testTimeout: TIMEOUT_MS,
    hookTimeout: TIMEOUT_MS,
  },
});
