/** Reports of workers, on real Redis: the newest first, unreadable ones left out, gone when taken away or not renewed. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type WorkerReport, WorkerReports } from '../../src/queue/worker-reports.ts';
import { openQueueWorld, type QueueWorld } from './world.ts';

let world: QueueWorld;
let reports: WorkerReports;
beforeEach(() => {
  world = openQueueWorld('reports');
  reports = new WorkerReports({ connection: world.redis, prefix: world.prefix });
});
afterEach(() => world.close());

function report(worker: string, atMs: number): WorkerReport {
  return {
    worker,
    atMs,
    notReady: [{ code: 'store', what: 'S3 does not answer' }],
    metadata: {},
    stores: [{ bucket: 'b', error: 'no' }],
  };
}

it('are read as they were written, and expire', async () => {
  await reports.put(report('a:1', 1_000_000));
  await reports.put(report('b:1', 1_000_500));
  expect(await reports.all()).toEqual([report('b:1', 1_000_500), report('a:1', 1_000_000)]);
  expect(await world.redis.pttl(`${world.prefix}:worker:a:1`)).toBeGreaterThan(0);
  expect(await world.redis.pttl(`${world.prefix}:workers`)).toBeGreaterThan(0);
  await reports.remove('b:1');
  await world.redis.set(`${world.prefix}:worker:c:1`, 'nonsense');
  await world.redis.zadd(`${world.prefix}:workers`, 1_000_900, 'c:1');
  expect(await reports.all()).toEqual([report('a:1', 1_000_000)]);
  // One that is not renewed leaves the list when the others go on.
  await reports.put(report('b:1', 1_100_000));
  expect(await world.redis.zrange(`${world.prefix}:workers`, 0, '-1')).toEqual(['b:1']);
});
