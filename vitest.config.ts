/**
 * How the tests run: one Redis and one S3 server for the whole run (test/setup), two files at a time, each file with
 * key prefixes and buckets of its own (test/setup/isolation.ts). No retries: a test that fails sometimes has failed.
 */
import { defineConfig } from 'vitest/config';

/** Real servers on a small, shared machine; a test that needs longer says so itself. */
const TIMEOUT_MS = 60_000;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/global.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: TIMEOUT_MS,
    hookTimeout: TIMEOUT_MS,
    teardownTimeout: TIMEOUT_MS,
    retry: 0,
  },
});
