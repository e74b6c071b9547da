/**
 * What a job does or waits for, in words: the same in `status`, beside a progress bar and in the console. It stands alone
 * because all of them show it.
 */
import type { CompactProgress } from '../compact/compact-inode.ts';
import type { JobInFlight, JobWait } from '../queue/status.ts';
import { bytes, duration } from './words.ts';

const THINGS: Readonly<Record<JobWait['for'], string>> = {
  limit: '',
  memory: '',
  s3: 'S3: ',
  metadata: 'the metadata service: ',
  server: '',
  worker: 'a worker: ',
};

/** Goes on from "waits for ". */
export function waitText({ for: thing, what, forMs }: JobWait): string {
  const long = forMs !== undefined && forMs >= 1_000 ? ` (for ${duration(forMs)})` : '';
  return `${THINGS[thing]}${what}${long}`;
}

/** Of a job in flight. */
export function jobStateText({ progress, waits }: JobInFlight): string {
  const moved = progressOf(progress);
  if (waits === null) return moved;
  const waiting = `waits for ${waitText(waits)}`;
  return moved === '-' ? waiting : `${moved}; ${waiting}`;
}

function progressOf(progress: unknown): string {
  const { kind, progress: at } = (progress ?? {}) as { readonly kind?: unknown; readonly progress?: CompactProgress };
  if (kind !== 'running' || at === undefined) return '-';
  const moved = bytes(at.bytesMoved);
  return `${at.chunksDone}/${at.chunksTotal} chunks, ${at.blocksDone}/${at.blocksTotal} blocks, ${moved} moved`;
}
