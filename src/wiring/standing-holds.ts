/**
 * The holds that stand, and what they keep, for `status`, `hold list` and the metrics: the file systems by the book beside
 * the queue, the holds by the buckets themselves. It decides nothing, and changes nothing by itself.
 */
import type { FoundHold } from '../reap/holds.ts';
import type { WorkClients } from './work-clients.ts';

interface HeldFilesystem {
  readonly fsId: number;
  /** Those that have not ended, in doubt or not. */
  readonly holds: readonly FoundHold[];
  /** What would be deleted but for them, as far as reap records were looked at. */
  readonly objects: number;
  readonly bytes: number;
}

/** `onNone` is called with file systems of the book that have none. Throws CompactError (retry) when queue, metadata or store are away. */
export async function standingHolds(
  { holds, holdBook, metadata }: Pick<WorkClients, 'holds' | 'holdBook' | 'metadata'>,
  onNone?: (fsId: number) => Promise<void>,
): Promise<readonly HeldFilesystem[]> {
  const held: HeldFilesystem[] = [];
  for (const fsId of await holdBook.filesystems()) {
    const filesystem = await metadata.getFilesystem(fsId);
    const found = filesystem === null ? [] : await holds.list(filesystem);
    const standing = found.filter(({ kind }) => kind !== 'ended');
    if (standing.length === 0) await onNone?.(fsId);
    else held.push({ fsId, holds: standing, ...(await holdBook.held(fsId)) });
  }
  return held;
}
