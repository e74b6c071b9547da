/**
 * What a job does or waits for, and why one is not done, in words: the same in `status`, beside a progress bar and in the
 * console. It stands alone because all of them show it.
 */
import type { CompactProgress } from '../compact/compact-inode.ts';
import type { JobInFlight, JobWait } from '../queue/status.ts';
import type { ListedJob } from '../queue/status-lists.ts';
import type { StatusReport } from './status-report.ts';
import { bytes, duration } from './words.ts';

const THINGS: Readonly<Record<JobWait['for'], string>> = {
  limit: 'waits for ',
  memory: 'waits for ',
  s3: 'waits for S3: ',
  ids: 'waits ',
  metadata: 'waits for the metadata service: ',
  server: 'waits: ',
  worker: 'waits for a worker: ',
};

export function waitText({ for: thing, what, forMs }: JobWait): string {
  const long = forMs !== undefined && forMs >= 1_000 ? ` (for ${duration(forMs)})` : '';
  // Sentences of errors end with a full stop; here the time follows.
  return `${THINGS[thing]}${what.replace(/\.$/, '')}${long}`;
}

/** Of a job in flight. */
export function jobStateText({ progress, waits }: JobInFlight): string {
  const moved = progressOf(progress);
  if (waits === null) return moved;
  return moved === '-' ? waitText(waits) : `${moved}; ${waitText(waits)}`;
}

function progressOf(progress: unknown): string {
  const { kind, progress: at } = (progress ?? {}) as { readonly kind?: unknown; readonly progress?: CompactProgress };
  if (kind !== 'running' || at === undefined) return '-';
  const moved = bytes(at.bytesMoved);
  return `${at.chunksDone}/${at.chunksTotal} chunks, ${at.blocksDone}/${at.blocksTotal} blocks, ${moved} moved`;
}

/** Of a job that was given up, or waits for a time. */
export function reasonText({ reason = 'not said', code }: ListedJob): string {
  return code === undefined ? reason : `${code}: ${reason}`;
}

/** A record that is due is looked at within moments where somebody can. */
export function whyOverdue({ paused, workers }: Pick<StatusReport, 'paused' | 'workers'>): string {
  if (paused.reap) return 'deleting is paused';
  return workers === 0 ? 'no worker is connected' : 'no worker has come to it yet';
}
