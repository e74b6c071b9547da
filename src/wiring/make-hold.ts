/**
 * A hold on a file system, for the command and the console: noted beside the queue, so that people see it, and made
 * in the bucket if that is ours. It answers when the hold holds, after a minute and a half. What a hold is: `reap/holds.ts`.
 */
import { requireFilesystem } from '../metadata/lookup.ts';
import type { Hold } from '../reap/hold-note.ts';
import type { HoldRequest } from '../reap/holds.ts';
import type { Clients } from './clients.ts';
import type { WorkClients } from './work-clients.ts';

interface MakeHoldOptions {
  readonly signal?: AbortSignal;
  /** Called when it is made, and does not hold yet. */
  readonly onWaiting?: (id: string, ms: number) => void;
}

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
