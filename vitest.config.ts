/**
 * How the tests run: one Redis and one S3 server for the whole run (test/setup), each file with key prefixes and buckets of
 * its own (test/setup/isolation.ts). Files of the suite wait (for grace periods, time-outs, servers) more than they work, so
 * five run at a time on two cores; those of the second tier work, two at a time. No retries: a test that fails sometimes has
 * failed.
 *
 * Two tiers: `npm test` is what a change must pass; `npm run test:torture` (S3COMPACT_TEST_TIER=torture) is what takes longer:
 * chaos, soak, whole spaces, scale, large files, processes and servers that are stopped and killed, packages that are
 * installed. A file `*.torture.test.ts` belongs to the second.
 */
import { defineConfig } from 'vitest/config';

const TORTURE = 'test/**/*.torture.test.ts';
/** Counts what runs in code that nobody has loaded before, and needs a process of its own. All others share five. */
const COUNTS_WORK = 'test/**/work.test.ts';
const torture = process.env['S3COMPACT_TEST_TIER'] === 'torture';
/** Ends what hangs; it judges nothing. A machine under ten times the load must not come near it. */
const HANG_MS = (torture ? 120 : 20) * 60_000;

export const common = {
  // What processes that tests start have compiled, the next ones need not compile again.
  env: { NODE_COMPILE_CACHE: new URL('node_modules/.cache/s3compact', import.meta.url).pathname },
  pool: 'forks',
  testTimeout: HANG_MS,
  hookTimeout: HANG_MS,
  retry: 0,
} as const;

const projects = [
  {
    test: { ...common, name: 'suite', include: ['test/**/*.test.ts'], exclude: [TORTURE, COUNTS_WORK], isolate: false },
  },
  { test: { ...common, name: 'work', include: [COUNTS_WORK] } },
];

export default defineConfig({
  test: {
    ...common,
    ...(torture ? { include: [TORTURE], exclude: [] } : { projects }),
    globalSetup: ['test/setup/global.ts'],
    maxWorkers: torture ? 2 : 5,
    teardownTimeout: HANG_MS,
  },
});
