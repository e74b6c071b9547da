/**
 * The pool: several real processes under one, on the run's real servers. What is killed is started again, its jobs are
 * done by others (I9, I12); nothing outlives the main process; no secret on a command line.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { E2eWorld } from '../e2e/world.ts';
import { loadCase } from '../kit/cases/load.ts';
import { startProxy } from '../metadata/proxy.ts';
import { eventually } from '../queue/world.ts';

const QUICK = {
  S3COMPACT_MAX_SECONDS: '1s',
  S3COMPACT_S3_TIMEOUT: '5s',
  S3COMPACT_S3_PATIENCE: '0s',
  S3COMPACT_REDIS_TIMEOUT: '1s',
  S3COMPACT_LOCK_DURATION: '3s',
  S3COMPACT_LEASE: '13s',
  S3COMPACT_RETRY_DELAY: '100ms',
  S3COMPACT_FRAGMENT_THRESHOLD: '3',
  S3COMPACT_MAX_CHUNKS: '1',
  S3COMPACT_PROCESSES: '2',
};

describe('a pool on real servers', () => {
  let world: E2eWorld;
  beforeEach(async () => {
    world = await E2eWorld.open('pool', { env: QUICK });
  });
  afterEach(() => world.close());

  /** Process ids of the pool's own processes. */
  function childrenOf({ pid }: ChildProcess): number[] {
    const file = `/proc/${pid}/task/${pid}/children`;
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return text.split(' ').filter(Boolean).map(Number);
  }

  /** Both processes at work, none of them one that was killed. */
  async function working(pool: ChildProcess, killed: ReadonlySet<number> = new Set()): Promise<[number, number]> {
    return eventually('both processes work', async () => {
      const workers = await world.clients.queue.queue.getWorkersCount();
      const [one, two] = childrenOf(pool).filter((pid) => !killed.has(pid));
      return workers >= 2 && one !== undefined && two !== undefined && [one, two];
    });
  }

  async function quiet(): Promise<void> {
    const states = ['waiting', 'prioritized', 'active', 'delayed'] as const;
    await eventually(
      'both queues are empty',
      async () =>
        (await world.clients.queue.queue.getJobCountByTypes(...states)) +
          (await world.clients.ledger.queue.getJobCountByTypes(...states)) ===
        0,
      100_000,
    );
  }

  it('I9, I12: processes that are killed cost a retry; settings with secrets are on no command line', async () => {
    const inodes = [500n, 501n];
    for (const inodeId of inodes) {
      await world.writer.createInode(inodeId);
      await world.writer.append(inodeId, loadCase('ext4-image.mid'));
    }
    const pool = world.startWorker();
    for (const inodeId of inodes) await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
    const killed = new Set<number>();
    for (let kills = 0; kills < 3; kills++) {
      const pids = await working(pool, killed);
      for (const pid of pids) expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('redis:');
      killed.add(pids[0]);
      process.kill(pids[0], 'SIGKILL');
    }
    const pids = await working(pool, killed);
    await quiet();
    for (const inodeId of inodes) expect(await world.writer.readFault(inodeId)).toBeNull();
    expect(await world.writer.bucketNames()).toEqual(await world.writer.referencedNames(inodes));
    const ended = once(pool, 'exit');
    pool.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  /** What the pool and its processes write until the last of them has ended. */
  function logOf(pool: ChildProcess): Promise<string> {
    let log = '';
    pool.stderr?.on('data', (data: Buffer) => (log += data.toString()));
    return once(pool, 'close').then(() => log);
  }

  it('processes whose main process is killed end by themselves, and say so', async () => {
    const pool = world.startWorker({ S3COMPACT_LOG_LEVEL: 'info' });
    const log = logOf(pool);
    const pids = await working(pool);
    pool.kill('SIGKILL');
    await eventually('they are gone', async () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
    expect((await log).match(/the main process of the pool is gone/g)).toHaveLength(2);
  });

  it.each(['mute', 'refuse'] as const)('and end, too, while Redis is away (%s)', async (mode) => {
    const redis = new URL(inject('redisUrl'));
    const proxy = await startProxy(Number(redis.port));
    redis.port = `${proxy.port}`;
    try {
      const pool = world.startWorker({ REDIS_URL: `${redis}`, METADATA_URL: `${redis}` });
      const pids = await working(pool);
      proxy.set(mode);
      pool.kill('SIGKILL');
      await eventually('they are gone', async () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
    } finally {
      await proxy.close();
    }
  });

  it('Ctrl-C, which every process of the terminal gets, ends the pool without an alarm', async () => {
    const pool = world.startWorker({ S3COMPACT_LOG_LEVEL: 'info' });
    const log = logOf(pool);
    const pids = await working(pool);
    for (const pid of [...pids, pool.pid ?? 0]) process.kill(pid, 'SIGINT');
    const said = (await log).trim().split('\n');
    expect(pool.exitCode, said.join('\n')).toBe(0);
    expect(said.filter((line) => (JSON.parse(line) as { level: string }).level !== 'info')).toEqual([]);
    expect(said.at(-1)).toContain('the pool has stopped');
  });
});
