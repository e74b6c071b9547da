/**
 * The tests that a fault is tried against, quickest first, and the order for one fault: what mirrors the changed files
 * comes before the rest. The slow ones and child processes are left out: a fault that only they notice is a test that is
 * missing lower down. Of real servers there is only what one server cannot show: fail-over and Redis Cluster.
 */

export const TEST_FILES: readonly string[] = [
  'test/compact/attempt.test.ts',
  'test/compact/merge.test.ts',
  'test/compact/read-pump.test.ts',
  'test/compact/memory-budget.test.ts',
  'test/compact/commit.test.ts',
  'test/compact/shared-ids.test.ts',
  'test/compact/quiet-period.test.ts',
  'test/reap/reap-record.test.ts',
  'test/reap/referenced-objects.test.ts',
  'test/reap/bucket-owner.test.ts',
  'test/reap/delete-guard.test.ts',
  'test/reap/holds.test.ts',
  'test/reap/hold-note.test.ts',
  'test/gc/gc.test.ts',
  'test/gc/doubts.test.ts',
  'test/gc/referenced-index.test.ts',
  'test/fsck/fsck.test.ts',
  'test/fsck/repair.test.ts',
  'test/pace/adaptive-limit.test.ts',
  'test/pace/in-flight-limit.test.ts',
  'test/pace/rate-limit.test.ts',
  'test/scan/scan.test.ts',
  'test/scan/slices.test.ts',
  'test/reap/fresh-look.test.ts',
  'test/reap/record-doubts.test.ts',
  'test/compact/chunk-records.test.ts',
  'test/compact/long-list-reads.test.ts',
  'test/compact/races.test.ts',
  'test/compact/crash.test.ts',
  'test/metadata/curvefs/cluster/races.test.ts',
  'test/metadata/curvefs/cluster/compactors.test.ts',
  'test/metadata/curvefs/cluster/built-in.test.ts',
  'test/metadata/curvefs/snapshots.test.ts',
  'test/metadata/curvefs/cluster/faults.test.ts',
  'test/metadata/juicefs/decode.test.ts',
  'test/metadata/juicefs/commits.test.ts',
  'test/compact/slices.test.ts',
  'test/compact/slice-doubts.test.ts',
  'test/layout/slices/slices.test.ts',
  'test/layout/slices/plan.test.ts',
  'test/waste/waste.test.ts',
  'test/cli/layouts.test.ts',
  'test/plan/outside.test.ts',
  'test/plan/vectors.test.ts',
  'test/plan/properties.test.ts',
  'test/plan/above.test.ts',
  'test/plan/space.test.ts',
  'test/plan/rest.test.ts',
  'test/config/config.test.ts',
  'test/format.test.ts',
  'test/objects/s3/range-body.test.ts',
  'test/objects/memory-store.test.ts',
  'test/objects/retrying-store.test.ts',
  'test/wiring/run-inode.test.ts',
  'test/wiring/cancellable.test.ts',
  'test/wiring/observer.test.ts',
  'test/wiring/store-refusals.test.ts',
  'test/wiring/scan-counters.test.ts',
  'test/cli/doctor-store.test.ts',
  'test/console/door.test.ts',
  'test/console/acts.test.ts',
  'test/console/server.test.ts',
  'test/console/volume.test.ts',
  'test/console/volume-acts.test.ts',
  'test/queue/reap-queue.test.ts',
  'test/queue/compact-queue.test.ts',
  'test/queue/lost-jobs.test.ts',
  'test/queue/control.test.ts',
  'test/queue/fair.test.ts',
  'test/queue/quarantine.test.ts',
  'test/queue/gc-book.test.ts',
  'test/queue/id-ages.test.ts',
  'test/queue/status.test.ts',
  'test/queue/run-counter.test.ts',
  'test/pace/shared-rate.test.ts',
  'test/workers/compact.test.ts',
  'test/workers/shared-job-limit.test.ts',
  'test/queue/marks.test.ts',
  'test/workers/pool-process.torture.test.ts',
  'test/workers/stops.torture.test.ts',
  'test/objects/s3/answers.test.ts',
  'test/objects/s3/forms.test.ts',
  'test/objects/s3/renewal.test.ts',
  'test/objects/s3/errors.test.ts',
  'test/objects/s3/requests.test.ts',
  'test/objects/s3/faults.test.ts',
  'test/objects/s3/stores.test.ts',
  'test/metadata/redis/errors.test.ts',
  'test/metadata/redis/faults.test.ts',
  'test/metadata/redis/redis.test.ts',
  'test/metadata/redis/chunk-index.test.ts',
  'test/wiring/primaries.test.ts',
  'test/wiring/volume-clients.test.ts',
  'test/redis/primary.test.ts',
  'test/metadata/redis/failover.test.ts',
  'test/metadata/redis/replica.test.ts',
  'test/metadata/curvefs.test.ts',
  'test/metadata/redis/cluster.test.ts',
  'test/sim/slices/seeds.test.ts',
  'test/sim/seeded/seeds.test.ts',
];

/** The files in the order in which they are to be run, when these sources were changed: their mirrors, their folder, the rest. */
export function testOrder(changed: readonly string[], files: readonly string[] = TEST_FILES): string[] {
  const mirrors = new Set(changed.map(mirrorOf));
  const areas = new Set(changed.map(areaOf));
  const rank = (file: string): number => (mirrors.has(file) ? 0 : areas.has(areaOf(file)) ? 1 : 2);
  return [0, 1, 2].flatMap((wanted) => files.filter((file) => rank(file) === wanted));
}

/** `test/queue/reap-queue.test.ts` for `src/queue/reap-queue.ts`. */
function mirrorOf(file: string): string {
  return file.replace(/^src\//, 'test/').replace(/\.ts$/, '.test.ts');
}

/** `queue` for `src/queue/reap-queue.ts` and `test/queue/reap-queue.test.ts`, `workers` for all of `workers/`. */
function areaOf(file: string): string {
  return /^workers(?=\/)|(?<=^\w+\/)\w+/.exec(file)?.[0] ?? '';
}
