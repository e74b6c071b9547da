/**
 * What the queue's Redis knows of an inode and its file system, for commands that otherwise read metadata only. A queue that
 * is not there must not keep them from their answer, so this waits a moment, and then does not know.
 */
import type { Settings } from '../config/index.ts';
import type { OldIds } from '../ledger.ts';
import type { Filesystem, InodeKey } from '../model.ts';
import type { QueueOptions } from '../queue/bullmq.ts';
import type { QuarantineEntry } from '../queue/quarantine.ts';

/** `null`: it is not in quarantine. */
export type QuarantineState = QuarantineEntry | null | 'unknown';

const WAIT_MS = 1_000;

export function quarantineOf(key: InodeKey, storeId: string, settings: Settings): Promise<QuarantineState> {
  return askQueue(settings, async (queues) => {
    const { Quarantine } = await import('../queue/quarantine.ts');
    return new Quarantine(queues, storeId).get(key);
  });
}

/** Which ids are old; what plans are made without is `unknown`. */
export function oldIdsOf(filesystem: Filesystem, settings: Settings): Promise<OldIds | null | 'unknown'> {
  return askQueue(settings, async (queues) => {
    const { askOldIds } = await import('../queue/id-ages.ts');
    return askOldIds(queues, filesystem, true);
  });
}

async function askQueue<T>(settings: Settings, ask: (queues: QueueOptions) => Promise<T>): Promise<T | 'unknown'> {
  const [{ connectRedis }, { whenReady }] = await Promise.all([
    import('../redis/client.ts'),
    import('../redis/link.ts'),
  ]);
  const timeoutMs = Math.min(WAIT_MS, settings.redisTimeoutMs);
  const connection = connectRedis(settings.redisUrl, { profile: 'producer', timeoutMs });
  try {
    if ((await whenReady(connection, timeoutMs)) !== null) return 'unknown';
    return await ask({ connection, prefix: settings.queuePrefix });
  } catch {
    return 'unknown';
  } finally {
    connection.disconnect();
  }
}

export function quarantineLines(state: QuarantineState): string[] {
  if (state === null) return [];
  if (state === 'unknown') return [" whether it is in quarantine is not known: the queue's Redis did not answer"];
  return [` in quarantine since ${new Date(state.sinceMs).toISOString()}, nothing works on it: ${state.reason}`];
}
