/**
 * What a job waits for, in words: the same in `status` and beside a progress bar. It stands alone because both show it.
 */
import type { JobWait } from '../queue/status.ts';
import { duration } from './table.ts';

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
