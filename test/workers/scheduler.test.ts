/** A scheduler whose scan is taken by another one, since its lock ran out: the first lets go of it. */
import { expect, it, vi } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import { SCAN_QUEUE } from '../../src/queue/scan-schedule.ts';
import type { ScanOptions, ScanReport } from '../../src/scan/types.ts';
import { startScheduler } from '../../workers/scheduler.ts';
import { E2eWorld } from '../e2e/world.ts';

const QUICK = { S3COMPACT_LOCK_DURATION: '2s', S3COMPACT_REDIS_TIMEOUT: '500ms' };

it('a scan whose lock another one holds ends, and its job is left to that one', async () => {
  const world = await E2eWorld.open('scheduler', { env: QUICK });
  const { clients, settings } = world;
  const began = Promise.withResolvers<ScanOptions>();
  const ended = Promise.withResolvers<void>();
  const real = clients.scan.bind(clients);
  vi.spyOn(clients, 'scan').mockImplementation(async (fsId, parts, options): Promise<ScanReport> => {
    began.resolve(options);
    await new Promise((resolve) => options.signal?.addEventListener('abort', resolve, { once: true }));
    return real(fsId, parts, options).finally(ended.resolve);
  });
  const scheduler = await startScheduler(clients, createLogger({ level: 'silent' }), [1]);
  const { connection } = clients.status;
  try {
    await began.promise;
    const [jobId] = await connection.lrange(`${settings.queuePrefix}:${SCAN_QUEUE}:active`, 0, -1);
    const lock = `${settings.queuePrefix}:${SCAN_QUEUE}:${jobId}:lock`;
    await connection.set(lock, 'another', 'PX', 600_000);
    await ended.promise;
    expect(await connection.get(lock)).toBe('another');
    expect(await connection.lrange(`${settings.queuePrefix}:${SCAN_QUEUE}:active`, 0, -1)).toEqual([jobId]);
  } finally {
    await scheduler.stop();
    await world.close();
  }
});
