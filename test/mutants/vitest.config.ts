/**
 * How the tests run against a deliberate fault: one file after the other, in the order of S3COMPACT_MUTANTS_TESTS, and
 * no further than the first failure. Everything else is as in the ordinary run.
 */
import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import ordinary, { common } from '../../vitest.config.ts';

const ORDER = (process.env['S3COMPACT_MUTANTS_TESTS'] ?? '').split(',');
/** A test that takes so long hangs; absent while it is measured how long they take. */
const TIMEOUT_MS = process.env['S3COMPACT_MUTANTS_TIMEOUT_MS'];

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
    ...common,
    globalSetup: ordinary.test?.globalSetup ?? [],
    teardownTimeout: ordinary.test?.teardownTimeout ?? 0,
    include: ORDER,
    exclude: [],
    sequence: { sequencer: InOrder },
    bail: 1,
    maxWorkers: 1,
    ...(TIMEOUT_MS !== undefined && { testTimeout: Number(TIMEOUT_MS), hookTimeout: Number(TIMEOUT_MS) }),
  },
});
