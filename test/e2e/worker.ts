/**
 * Whatever keeps the metadata: worker processes as an operator runs them, on the run's real servers: queue, compact, grace, reap; stopped cleanly,
 * killed in the middle, beside clients that write and read (I1, I7, I9, I12).
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadCase } from '../kit/cases/load.ts';
import { eventually } from '../queue/world.ts';
import type { OpenWorld, ProductWorld } from './world.ts';

const INODE = 500n;
const KEY = { fsId: 1, inodeId: INODE };
/** Short, and in the relations that the settings demand. */
const QUICK = {
  S3COMPACT_MAX_SECONDS: '1s',
  S3COMPACT_S3_TIMEOUT: '5s',
  S3COMPACT_S3_PATIENCE: '0s',
  S3COMPACT_REDIS_TIMEOUT: '2s',
  S3COMPACT_LOCK_DURATION: '5s',
  S3COMPACT_LEASE: '14s',
  S3COMPACT_RETRY_DELAY: '100ms',
  S3COMPACT_GRACE: '1500ms',
  S3COMPACT_READER_CACHE_LIFE: '1s',
};
/** On CurveFS nothing is deleted within the first minute, and everything is looked at twice. */
const SETTLED_MS = 600_000;
let world: ProductWorld;

async function store(name: string): Promise<void> {
  await world.writer.createInode(INODE);
  await world.writer.append(INODE, loadCase(name));
}

async function workersConnected(count: number): Promise<void> {
  await eventually('workers are connected', async () => (await world.clients.queue.queue.getWorkersCount()) >= count);
}

/** Until neither queue holds anything; a killed attempt's records wait for its lease. */
async function quiet(): Promise<void> {
  await eventually(
    'both queues are empty',
    async () => {
      const states = ['waiting', 'prioritized', 'active', 'delayed'] as const;
      const compact = await world.clients.queue.queue.getJobCountByTypes(...states);
      return compact + (await world.clients.ledger.queue.getJobCountByTypes(...states)) === 0;
    },
    SETTLED_MS,
  );
}

async function expectWhole(): Promise<void> {
  expect(await world.writer.readFault(INODE)).toBeNull();
  expect(await world.writer.bucketNames()).toEqual(await world.writer.referencedNames([INODE]));
}

async function exitOf(worker: ChildProcess): Promise<number | null> {
  if (worker.exitCode === null && worker.signalCode === null) await once(worker, 'exit');
  return worker.exitCode;
}

/** For the tests of one kind of metadata; `env` is what it needs beside. */
export function workersIn(open: OpenWorld, env: Readonly<Record<string, string>> = {}): void {
  beforeEach(async () => {
    world = await open('worker', { env: { ...QUICK, ...env } });
  });
  afterEach(() => world.close());
}

export function testLife(): void {
  describe('a worker process', () => {
    it('compacts what "s3compact inode" asks for, reaps after the grace period, and stops on SIGTERM', async () => {
      await store('tar-append.mid');
      const before = await world.writer.state(INODE);
      // Long enough for a slow machine to read the old list in; what exactly holds is shown on the virtual clock.
      const grace = { S3COMPACT_GRACE: '8s' };
      const worker = world.startWorker(grace);
      await workersConnected(1);
      const { exitCode, stdout } = await world.command(['inode', '1', `${INODE}`, '--json'], grace);
      expect(exitCode, stdout).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        ending: 'done',
        outcome: 'compacted',
        chunksCompacted: 1,
        continued: false,
      });
      // Nothing is deleted before the grace period ends, so the old list reads on.
      expect(await world.writer.readFault(INODE, before)).toBeNull();
      await quiet();
      await expectWhole();
      worker.kill('SIGTERM');
      expect(await exitOf(worker)).toBe(0);
    });

    it('goes on by itself with what a budget left over', async () => {
      await store('ext4-image.mid');
      world.startWorker({ S3COMPACT_MAX_CHUNKS: '1', S3COMPACT_FRAGMENT_THRESHOLD: '3' });
      await workersConnected(1);
      const { stdout } = await world.command(['inode', '1', `${INODE}`, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ chunksCompacted: 1, continued: true });
      await quiet();
      await expectWhole();
      const report = await world.compactInline(INODE, ['--fragment-threshold', '3']);
      expect(report.outcome).toBe('nothing');
    });

    it('an inode with a missing object is tried again, then quarantined; the job is not lost silently', async () => {
      await store('tar-append.mid');
      const [name = ''] = await world.writer.bucketNames();
      await world.writer.deleteObjects([name]);
      world.startWorker({ S3COMPACT_JOB_TRIES: '2', S3COMPACT_UPLOAD_WAIT: '0s' });
      await workersConnected(1);
      const first = await world.command(['inode', '1', `${INODE}`], { S3COMPACT_JOB_TRIES: '2' });
      expect(first.exitCode).toBe(3);
      await eventually('the inode is quarantined', async () => (await world.clients.quarantine.get(KEY)) !== null);
      expect((await world.clients.quarantine.get(KEY))?.code).toBe('object-missing');
      const second = await world.command(['inode', '1', `${INODE}`]);
      expect(second.exitCode).toBe(4);
      expect(second.stdout).toContain(name);
      expect(await world.clients.queue.queue.getFailedCount()).toBeGreaterThan(0);
    });
  });
}

export function testKills(): void {
  describe('workers that are killed in the middle, while clients write and read', () => {
    it('I1, I9, I12: every byte is right all the time, and in the end nothing is left behind', async () => {
      await store('ext4-image.mid');
      let worker = world.startWorker({ S3COMPACT_FRAGMENT_THRESHOLD: '3' });
      await workersConnected(1);
      for (let kills = 0; kills < 6; kills++) {
        const length = world.writer.history(INODE).length;
        for (let n = 0; n < 8; n++) {
          const offset = (kills * 7_919 + n * 4_099) % (length - 3_000);
          const inChunk = 65_536 - (offset % 65_536);
          await world.writer.write(INODE, offset, Math.min(1 + n * 301, inChunk), n === 5);
        }
        await world.clients.queue.enqueue(KEY, 'scan');
        await eventually(
          'a run is under way',
          async () => (await world.clients.queue.queue.getActiveCount()) > 0 || (await idle()),
        );
        worker.kill('SIGKILL');
        await exitOf(worker);
        expect(await world.writer.readFault(INODE)).toBeNull();
        worker = world.startWorker({ S3COMPACT_FRAGMENT_THRESHOLD: '3' });
      }
      await world.clients.queue.enqueue(KEY, 'scan');
      await quiet();
      await expectWhole();
      worker.kill('SIGTERM');
      expect(await exitOf(worker)).toBe(0);
    });

    async function idle(): Promise<boolean> {
      return (await world.clients.queue.queue.getJobCountByTypes('waiting', 'prioritized', 'delayed')) === 0;
    }
  });
}

export function testStop(): void {
  describe('SIGTERM while a run is under way', () => {
    it('hands the job back and ends within the shutdown grace', async () => {
      await store('ext4-image.mid');
      const worker = world.startWorker({ S3COMPACT_SHUTDOWN_GRACE: '0ms', S3COMPACT_FRAGMENT_THRESHOLD: '3' });
      await workersConnected(1);
      await world.clients.queue.enqueue(KEY, 'scan');
      await eventually('a run is under way', async () => (await world.clients.queue.queue.getActiveCount()) > 0);
      worker.kill('SIGTERM');
      expect(await exitOf(worker)).toBe(0);
      expect(await world.clients.queue.queue.getActiveCount()).toBe(0);
      expect(await world.writer.readFault(INODE)).toBeNull();
      world.startWorker({ S3COMPACT_FRAGMENT_THRESHOLD: '3' });
      await quiet();
      await expectWhole();
    });
  });
}
