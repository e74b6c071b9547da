/**
 * `s3compact run` and `s3compact scheduler` on the run's real servers: a file system scanned, worked off and reaped by one
 * command, twice at once, within budgets, paused, and by the clock with several replicas.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import { JobBound } from '../../src/queue/job-bound.ts';
import { ScanSchedule } from '../../src/queue/scan-schedule.ts';
import { monotonicMs } from '../../src/time.ts';
import { openHolds } from '../../src/wiring/clients.ts';
import type { FilesystemRun } from '../../workers/filesystem-run.ts';
import { startScheduler } from '../../workers/scheduler.ts';
import { eventually } from '../queue/world.ts';
import { E2eWorld } from './world.ts';

const QUICK = {
  S3COMPACT_FRAGMENT_THRESHOLD: '5',
  S3COMPACT_GRACE: '100ms',
  S3COMPACT_READER_CACHE_LIFE: '50ms',
  S3COMPACT_CONCURRENCY: '4',
};
const FILES = 8n;
let world: E2eWorld;

beforeEach(async () => {
  world = await E2eWorld.open('run', { env: QUICK });
  // Every second file is worth a run.
  for (let id = 1n; id <= FILES; id++) {
    await world.writer.createInode(id);
    const pieces = id % 2n === 0n ? 8 : 2;
    for (let n = 0; n < pieces; n++) await world.writer.write(id, n * 512, 512);
  }
});
afterEach(() => world.close());

async function run(flags: readonly string[] = []): Promise<FilesystemRun & { readonly exitCode: number }> {
  const { stdout, stderr, exitCode } = await world.command(['run', '1', '--json', ...flags]);
  if (stdout === '') throw new Error(stderr);
  return { ...(JSON.parse(stdout) as FilesystemRun), exitCode };
}

async function expectWhole(): Promise<void> {
  const ids = Array.from({ length: Number(FILES) }, (_, n) => BigInt(n + 1));
  for (const id of ids) expect(await world.writer.readFault(id)).toBeNull();
  expect(await world.writer.bucketNames()).toEqual(await world.writer.referencedNames(ids));
}

describe('s3compact run', () => {
  it('scans, compacts, reaps and ends; a second one writes nothing', async () => {
    // The bound that the workers keep is not its own to take away; one that nobody keeps holds no later run up.
    const { queue } = world.clients.queue;
    await new JobBound({ ...world.clients.status, lifeMs: 3_600_000 }).set(3);
    const first = await run();
    expect(await queue.getGlobalConcurrency()).toBe(3);
    await world.clients.status.connection.del(`${world.settings.queuePrefix}:total-jobs`);
    expect(first).toMatchObject({
      exitCode: 0,
      end: 'drained',
      endings: { done: 4 },
      chunksCompacted: 4,
      jobsLeft: 0,
      reapLeft: 0,
      failure: null,
      scan: { ending: 'done', queued: 4, backlog: { inodes: 8, inodesWorthIt: 4, getsSaved: 28 } },
    });
    expect(first.getsSaved).toBe(28);
    expect(first.bytesMoved).toBe(4 * 8 * 512 * 2);
    await expectWhole();
    const before = await world.writer.bucketNames();
    const second = await run();
    expect(second).toMatchObject({ exitCode: 0, end: 'drained', bytesMoved: 0, scan: { queued: 0 } });
    expect(await queue.getGlobalConcurrency()).toBe(null);
    expect(second.endings).toEqual({});
    expect(await world.writer.bucketNames()).toEqual(before);
    const { stdout } = await world.command(['run', '1']);
    expect(stdout).toContain('nothing is left to do');
  });

  it('with a pool of processes, whose runs it counts as its own', async () => {
    const report = await run(['--processes', '2']);
    expect(report).toMatchObject({ exitCode: 0, end: 'drained', endings: { done: 4 }, reapLeft: 0 });
    await expectWhole();
  });

  it('two at once share the work, and each ends when all is done', async () => {
    const both = await Promise.all([run(), run()]);
    expect(both.map(({ exitCode, end }) => [exitCode, end])).toEqual([
      [0, 'drained'],
      [0, 'drained'],
    ]);
    expect(both.reduce((sum, one) => sum + (one.scan?.queued ?? 0), 0)).toBe(4);
    await expectWhole();
  });

  it('says how many records remain when it does not wait, and "reap" takes them', async () => {
    const report = await run(['--no-wait-reap', '--grace', '20s']);
    expect(report).toMatchObject({ exitCode: 0, end: 'drained', reapLeft: 4 });
    expect(await world.clients.ledger.queue.getDelayedCount()).toBe(4);
  });

  it('leaves records that a hold keeps to workers, and waits for none of them', async () => {
    const { clients } = world;
    const filesystem = await clients.metadata.getFilesystem(1);
    if (filesystem === null) throw new Error('no file system');
    await clients.ownership.require(filesystem);
    // Nobody deletes here meanwhile: the wait of a minute and a half is left out.
    const clock = { monotonicMs: () => monotonicMs(performance.now()), sleep: async () => {} };
    await openHolds(clients.objects, clients.ledger, clock).make(filesystem, { reason: 'backup', by: 'test' });
    const report = await run();
    expect(report).toMatchObject({ exitCode: 0, end: 'drained', reapLeft: 4, reapHeld: 4, reapPaused: false });
    const { stdout } = await world.command(['run', '1']);
    expect(stdout).toContain('none of this run left (4 of earlier runs wait)');
  });

  it('waits for no record while deleting is paused', async () => {
    await world.clients.ledger.queue.pause();
    const report = await run();
    expect(report).toMatchObject({ exitCode: 0, end: 'drained', reapLeft: 4, reapHeld: 0, reapPaused: true });
    const { stdout } = await world.command(['run', '1']);
    expect(stdout).toContain('deleting is paused ("s3compact resume"); then a worker');
  });

  it('stops taking jobs when its bytes are spent, and the next one does the rest', async () => {
    const report = await run(['--run-bytes', '1', '--concurrency', '1']);
    expect(report).toMatchObject({ exitCode: 0, end: 'bytes' });
    expect(report.endings['done']).toBeGreaterThanOrEqual(1);
    expect((await run()).end).toBe('drained');
    await expectWhole();
  });

  it('a paused file system, and one that does not exist', async () => {
    await world.command(['pause', '1']);
    expect(await run()).toMatchObject({ exitCode: 3, end: 'paused', endings: {}, scan: { ending: 'paused' } });
    const resumed = await world.command(['resume']);
    expect(resumed.stdout).toBe('everything is resumed, also file system 1\n');
    const missing = await world.command(['run', '2', '--json']);
    expect(missing.exitCode).toBe(4);
    expect(missing.stderr).toContain('filesystem-missing');
  });

  it('tells a quarantined inode by its exit code', async () => {
    const key = world.writer.inodeKey(2n);
    const { redis } = world.writer.options;
    await redis.rpush(`${key}:0`, '1,2,3');
    const report = await run();
    // The scan cannot read it; a worker that is sent to it quarantines it.
    expect(report).toMatchObject({ exitCode: 0, scan: { backlog: { unreadable: 1, inodesWorthIt: 3 } } });
    await world.clients.queue.enqueue({ fsId: 1, inodeId: 2n }, 'scan');
    expect(await run()).toMatchObject({ exitCode: 4, endings: { quarantined: 1 } });
  });
});

describe('s3compact scheduler', () => {
  it('any number of replicas makes one scan, at once and then by the clock', async () => {
    const log = createLogger({ level: 'error' });
    const replicas = await Promise.all([1, 2, 3].map(() => startScheduler(world.clients, log, [1])));
    const schedule = new ScanSchedule({
      connection: world.clients.status.connection,
      prefix: world.settings.queuePrefix,
    });
    try {
      await eventually('the scan ended', async () => (await schedule.queue.getCompletedCount()) > 0);
      expect((await world.clients.scans.results())[0]).toMatchObject({
        fsId: 1,
        backlog: { inodes: 8, inodesWorthIt: 4 },
      });
      expect(await world.clients.queue.waitingCount()).toBe(4);
      // The next one, an hour later, and no other.
      expect(await schedule.queue.getJobCounts('wait', 'active', 'delayed', 'completed')).toEqual({
        wait: 0,
        active: 0,
        delayed: 1,
        completed: 1,
      });
    } finally {
      await Promise.all(replicas.map((one) => one.stop()));
    }
    // Another replica, later: the plan is as it was.
    const late = await startScheduler(world.clients, log, [1]);
    await late.stop();
    expect(await schedule.queue.getJobCounts('delayed', 'completed')).toEqual({ delayed: 1, completed: 1 });
    const { stdout } = await world.command(['scheduler', '1', '--remove']);
    expect(stdout).toContain('planned no more');
    expect(await schedule.queue.getDelayedCount()).toBe(0);
    await schedule.close();
  });
});
