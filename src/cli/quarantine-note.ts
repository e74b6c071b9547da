/**
 * Whether an inode is in quarantine, for commands that otherwise read metadata only. A queue that is not there must not
 * keep them from their answer, so this waits a moment, and then does not know.
 */
import type { Settings } from '../config/index.ts';
import type { InodeKey } from '../model.ts';
import type { QuarantineEntry } from '../queue/quarantine.ts';

/** `null`: it is not in quarantine. */
export type QuarantineState = QuarantineEntry | null | 'unknown';

const WAIT_MS = 1_000;

export async function quarantineOf(key: InodeKey, storeId: string, settings: Settings): Promise<QuarantineState> {
  const [{ connectRedis }, { whenReady }, { Quarantine }] = await Promise.all([
    import('../redis/client.ts'),
    import('../redis/link.ts'),
    import('../queue/quarantine.ts'),
  ]);
  const timeoutMs = Math.min(WAIT_MS, settings.redisTimeoutMs);
  const connection = connectRedis(settings.redisUrl, { profile: 'producer', timeoutMs });
  try {
    if ((await whenReady(connection, timeoutMs)) !== null) return 'unknown';
    return await new Quarantine({ connection, prefix: settings.queuePrefix }, storeId).get(key);
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
