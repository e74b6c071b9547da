/**
 * The processes of a pool that cannot work: what dies again and again, needs too much, is refused or does not answer. No
 * servers: the processes are told what to do instead of working.
 */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { loadSettings, type Settings } from '../../src/config/index.ts';
import { aggregateRegistry } from '../../src/observe/aggregate.ts';
import { createLogger, type Logger } from '../../src/observe/log.ts';
import { type RunningPool, startPool } from '../../workers/processes/process-group.ts';
import { eventually } from '../queue/world.ts';

describe('a pool whose processes cannot work', () => {
  const entry = fileURLToPath(new URL('pool-entry.ts', import.meta.url));
  const settings = loadSettings({ flags: {}, env: { S3COMPACT_PROCESSES: '2', S3COMPACT_SHUTDOWN_GRACE: '100ms' } });
  let pool: RunningPool;
  afterEach(async () => {
    await pool.stop();
    delete process.env['POOL_ENTRY'];
  });

  /** Asked every second only where it is the point: on a busy machine a start takes longer. */
  interface Watched {
    readonly log?: Logger;
    readonly askEveryMs?: number;
  }

  function start(how: string, more: Partial<Settings> = {}, { log, askEveryMs }: Watched = {}): RunningPool {
    process.env['POOL_ENTRY'] = how;
    pool = startPool({ ...settings, ...more }, log ?? createLogger({ level: 'silent' }), {
      entry,
      backOffMs: 1,
      askEveryMs,
    });
    return pool;
  }

  it.each([
    ['die', 'with exit code 7'],
    ['kill', 'by SIGKILL'],
  ])('%s: gives up after some deaths in a row, with a sentence that says what to look at', async (how, told) => {
    const error = await start(how).failed;
    expect(error).toMatchObject({ code: 'process-died' });
    expect(error.message).toContain(told);
    expect(error.message).toContain('S3COMPACT_PROCESS_MEMORY');
    expect(pool.crashes).toBeGreaterThanOrEqual(9);
    expect((await pool.snapshots())[0]?.notReady[0]?.what).toContain('died');
  });

  it('what processes have counted that died is kept, whoever pushes it in the end', async () => {
    start('count', { processes: 1 });
    await pool.failed;
    await eventually('all are counted', async () =>
      (await aggregateRegistry(pool.metrics).metrics()).includes(`\nruns_total ${pool.crashes}\n`),
    );
    expect(pool.crashes).toBeGreaterThan(1);
    await eventually('as one', async () => pool.metrics.length === 1);
  });

  it('a process that needs more than its bound ends alone, and is started again', async () => {
    start('hog', { processes: 1, processMemoryBytes: 64 * 1024 * 1024 });
    await eventually('it has died of it', async () => pool.crashes > 0);
    expect(pool.restarts).toMatchObject({ memory: pool.crashes, crash: 0, stuck: 0, other: 0 });
    expect(process.memoryUsage().rss).toBeLessThan(2 ** 31);
  });

  it('a refusal for good ends the pool at once with its reason', async () => {
    await expect(start('halt').failed).resolves.toMatchObject({ code: 'queue-unfit', kind: 'halt' });
  });

  it('a server that is away is waited for, however long', async () => {
    start('retry');
    await eventually('it was started more often than a crash would be', async () => pool.crashes > 24);
    const failed = await Promise.race([pool.failed, Promise.resolve('not failed')]);
    expect(failed).toBe('not failed');
  });

  it('a process that says nothing any more is killed and started again, and the log says so', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
    start('serve', { processes: 1 }, { log, askEveryMs: 1_000 });
    const ready = async () => (await pool.snapshots()).find(({ notReady }) => notReady.length === 0);
    const { pid } = await eventually('it answers', ready);
    process.kill(pid, 'SIGSTOP');
    await eventually('it is ended', async () => pool.restarts.stuck > 0);
    await eventually('another one answers', async () => ((await ready())?.pid ?? pid) !== pid);
    const stuck = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === 'process.stuck');
    expect(stuck).toContainEqual(expect.objectContaining({ level: 'error', slot: 0, pid }));
    expect(pool.restarts).toMatchObject({ crash: 0, other: 0 });
  });

  it('a process that hangs before it works is killed and started again, too', async () => {
    start('silent', { processes: 1 }, { askEveryMs: 100 });
    await eventually('it is ended, and the next one, too', async () => pool.restarts.stuck > 1);
    expect(pool.restarts).toMatchObject({ crash: 0, other: 0 });
  });

  it('a process that does not answer is reported as not ready, and a stop is bounded', async () => {
    start('silent');
    const snapshots = await pool.snapshots();
    expect(snapshots).toHaveLength(2);
    for (const { notReady } of snapshots) expect(notReady[0]?.what).toContain('does not answer');
    // Nor does it hear that it is to stop.
    await pool.stop();
    expect((await pool.snapshots()).flatMap(({ notReady }) => notReady.map(({ what }) => what)).join()).toContain(
      'has died',
    );
  });
});
