/**
 * Holds for commands, console and metrics: one is made in the bucket if that is ours, and noted beside the queue so that
 * people see it; the note says which buckets to ask for holds that stand. What a hold is: `reap/holds.ts`.
 */
import { throwIfCancelled } from '../errors.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import type { Hold } from '../reap/hold-note.ts';
import type { FoundHold, HoldRequest } from '../reap/holds.ts';
import type { Clients } from './clients.ts';
import type { WorkClients } from './work-clients.ts';

interface MakeHoldOptions {
  readonly signal?: AbortSignal;
  /** Called when it is made, and does not hold yet. */
  readonly onWaiting?: (id: string, ms: number) => void;
}

/** Answers when the hold holds, after a minute and a half. */
export async function makeHold(
  fsId: number,
  request: HoldRequest,
  {
    clients,
    ...options
  }: MakeHoldOptions & {
    readonly clients: Pick<WorkClients, 'metadata' | 'holds' | 'holdBook'> & Pick<Clients, 'ownership'>;
  },
): Promise<{ readonly id: string; readonly hold: Hold }> {
  const filesystem = await requireFilesystem(clients.metadata, fsId);
  // A hold in a bucket that is another's would hold nothing of ours; where it is nobody's yet, it becomes ours.
  await clients.ownership.require(filesystem);
  await clients.holdBook.note(fsId);
  return clients.holds.make(filesystem, request, options);
}

interface HeldFilesystem {
  readonly fsId: number;
  /** Those that have not ended, in doubt or not. */
  readonly holds: readonly FoundHold[];
  /** What would be deleted but for them, as far as reap records were looked at. */
  readonly objects: number;
  readonly bytes: number;
}

interface StandingOptions {
  readonly signal?: AbortSignal;
  /** Called with file systems of the book that have none. */
  readonly onNone?: (fsId: number) => Promise<void>;
}

/** Throws CompactError (retry) when queue, metadata or store are away, or the signal has aborted. */
export async function standingHolds(
  clients: Pick<WorkClients, 'holds' | 'holdBook' | 'metadata'>,
  { signal, onNone }: StandingOptions = {},
): Promise<readonly HeldFilesystem[]> {
  const { holds, holdBook, metadata } = clients;
  const held: HeldFilesystem[] = [];
  for (const fsId of await holdBook.filesystems()) {
    throwIfCancelled(signal, 'asking for holds was given up');
    const filesystem = await metadata.getFilesystem(fsId);
    const found = filesystem === null ? [] : await holds.list(filesystem);
    const standing = found.filter(({ kind }) => kind !== 'ended');
    if (standing.length === 0) await onNone?.(fsId);
    else held.push({ fsId, holds: standing, ...(await holdBook.held(fsId)) });
  }
  return held;
}
