/**
 * Rows of the table of settings: what a process and all workers together may use: bytes and requests a second, jobs, processes.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { CommandName, SettingSpec } from './spec.ts';

const WORKER: readonly CommandName[] = ['worker', 'run'];
/** Whoever sends requests to S3. */
const STORE: readonly CommandName[] = ['inode', 'worker', 'run', 'reap', 'gc', 'fsck', 'repair'];
/** Those of them that are at the queue's Redis. */
const SHARING: readonly CommandName[] = ['inode', 'worker', 'run', 'reap', 'gc'];

export const LIMIT_ROWS = [
  {
    key: 'processes',
    env: 'S3COMPACT_PROCESSES',
    flag: 'processes',
    unit: 'count',
    default: '1',
    min: '1',
    max: '128',
    meaning:
      'Worker processes. With 1 the command does the work itself; with more it keeps that many running, a core each, every one with its own --concurrency and --memory.',
    group: 'Worker',
    commands: WORKER,
  },
  {
    key: 'processMemoryBytes',
    env: 'S3COMPACT_PROCESS_MEMORY',
    flag: 'process-memory',
    unit: 'size',
    default: '0',
    min: '0',
    max: '1TiB',
    meaning:
      "With several processes: the JavaScript heap of each; one that needs more ends and is started again. Buffers (--memory) come on top. 0 leaves it to Node.js, which sees the pod's limit but not its neighbours.",
    group: 'Worker',
    commands: WORKER,
  },
  {
    key: 'bytesPerSecond',
    env: 'S3COMPACT_BYTES_PER_SECOND',
    flag: 'bytes-per-second',
    unit: 'size',
    default: '0',
    min: '0',
    max: '1TiB',
    meaning: 'Bytes that one process reads plus writes in a second at most; 0 means no limit.',
    group: 'Limits',
    commands: STORE,
  },
  {
    key: 'requestsPerSecond',
    env: 'S3COMPACT_REQUESTS_PER_SECOND',
    flag: 'requests-per-second',
    unit: 'count',
    default: '0',
    min: '0',
    max: '1000000',
    meaning:
      'S3 requests of any kind, repeated ones included, that one process sends in a second at most; 0 means no limit.',
    group: 'Limits',
    commands: STORE,
  },
  {
    key: 'requestsInFlight',
    env: 'S3COMPACT_REQUESTS_IN_FLIGHT',
    flag: 'requests-in-flight',
    unit: 'count',
    default: '32',
    min: '1',
    max: '1024',
    meaning: 'S3 requests that one process has under way to one bucket at most, while the store is well.',
    group: 'Limits',
    commands: STORE,
  },
  {
    key: 'requestsInFlightMin',
    env: 'S3COMPACT_REQUESTS_IN_FLIGHT_MIN',
    flag: 'requests-in-flight-min',
    unit: 'count',
    default: '1',
    min: '1',
    max: '1024',
    meaning:
      'How far that number may fall while the store refuses (503, SlowDown, time-outs) or answers clearly slower than before; it rises again by itself. The same as --requests-in-flight: it never falls.',
    group: 'Limits',
    commands: STORE,
  },
  {
    key: 'totalBytesPerSecond',
    env: 'S3COMPACT_TOTAL_BYTES_PER_SECOND',
    flag: 'total-bytes-per-second',
    unit: 'size',
    default: '0',
    min: '0',
    max: '1TiB',
    meaning:
      'Bytes that all processes with this queue move in a second at most; give them all the same. While its Redis is away each keeps to its share. 0: no limit.',
    group: 'Limits',
    commands: SHARING,
  },
  {
    key: 'totalJobs',
    env: 'S3COMPACT_TOTAL_JOBS',
    flag: 'total-jobs',
    unit: 'count',
    default: '0',
    min: '0',
    max: '100000',
    meaning:
      'Inodes that all workers on all machines compact at a time at most; the worker that starts last says it for all. 0 means no limit; `run` with 0 leaves what the workers set.',
    group: 'Limits',
    commands: WORKER,
  },
] as const satisfies readonly SettingSpec[];
