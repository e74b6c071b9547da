/** A look for lost jobs that fails, on a real queue: nobody waits for it, so the log is all that says so. */
import { expect, it, vi } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import { sweepLostJobs } from '../../workers/lost-jobs.ts';
import { E2eWorld } from '../e2e/world.ts';

it('is logged once, and the next one that succeeds says nothing', async () => {
  const world = await E2eWorld.open('lost-jobs');
  const { clients } = world;
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLogger({ level: 'warn', destination });
  const { signal } = new AbortController();
  try {
    vi.spyOn(clients.quarantine, 'all').mockImplementationOnce(() => {
      throw new Error('Redis is away');
    });
    await sweepLostJobs(clients, log, signal);
    const failed = { level: 'warn', event: 'sweep.failed', err: { message: 'Redis is away' } };
    expect(lines).toMatchObject([failed]);
    await clients.status.connection.del(`${clients.settings.queuePrefix}:swept`);
    await sweepLostJobs(clients, log, signal);
    expect(lines).toHaveLength(1);
  } finally {
    vi.restoreAllMocks();
    await world.close();
  }
});
