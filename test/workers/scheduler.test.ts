/** Scans of a scheduler, on a real queue: one that another replica has taken over, and one whose first question fails. */
import { expect, it, vi } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import { createLogger } from '../../src/observe/log.ts';
import { SCAN_QUEUE, ScanSchedule } from '../../src/queue/scan-schedule.ts';
import type { ScanOptions, ScanReport } from '../../src/scan/types.ts';
import { startScheduler } from '../../workers/scheduler.ts';
import { E2eWorld } from '../e2e/world.ts';
import { eventually } from '../queue/world.ts';

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

it('a scan that cannot ask for others, since the queue is away for a moment, is made and not put off to the next time', async () => {
  const world = await E2eWorld.open('scheduler');
  const { clients } = world;
  const away = new CompactError('the queue is away', { kind: 'retry', code: 'queue-unavailable' });
  const asked = vi.spyOn(ScanSchedule.prototype, 'isScanned').mockRejectedValueOnce(away);
  const scheduler = await startScheduler(clients, createLogger({ level: 'silent' }), [1]);
  const schedule = new ScanSchedule(clients.status);
  try {
    const { completed, failed } = await eventually('it ended', async () => {
      const counts = await schedule.queue.getJobCounts('completed', 'failed');
      return Object.values(counts).some((count) => count > 0) && counts;
    });
    expect(asked).toHaveBeenCalledOnce();
    expect({ completed, failed }).toEqual({ completed: 1, failed: 0 });
  } finally {
    vi.restoreAllMocks();
    await scheduler.stop();
    await schedule.close();
    await world.close();
  }
});
