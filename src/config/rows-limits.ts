/**
 * Rows of the table of settings: what a process and all workers together may use: bytes and requests a second, jobs, processes.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { CommandName, SettingSection } from './spec.ts';

const WORKER: readonly CommandName[] = ['worker', 'run'];
/** Whoever sends requests to S3. */
const STORE: readonly CommandName[] = ['inode', 'worker', 'run', 'reap', 'gc', 'fsck', 'repair'];
/** Those of them that are at the queue's Redis. */
const SHARING: readonly CommandName[] = ['inode', 'worker', 'run', 'reap', 'gc'];

export const LIMIT_ROWS = [
  {
    group: 'Worker',
    commands: WORKER,
    rows: {
      processes: {
        env: 'S3COMPACT_PROCESSES',
        unit: 'count',
        default: '1',
        range: ['1', '128'],
        meaning:
          'Worker processes. With 1 the command does the work itself; with more it keeps that many running, a core each, every one with its own --concurrency and --memory.',
      },
      processMemoryBytes: {
        env: 'S3COMPACT_PROCESS_MEMORY',
        unit: 'size',
        default: '0',
        range: ['0', '1TiB'],
        meaning:
          "With several processes: the JavaScript heap of each; one that needs more ends and is started again. Buffers (--memory) come on top. 0 leaves it to Node.js, which sees the pod's limit but not its neighbours.",
      },
    },
  },
  {
    group: 'Limits',
    commands: STORE,
    rows: {
      bytesPerSecond: {
        env: 'S3COMPACT_BYTES_PER_SECOND',
        unit: 'size',
        default: '0',
        range: ['0', '1TiB'],
        meaning: 'Bytes that one process reads plus writes in a second at most; 0 means no limit.',
      },
      requestsPerSecond: {
        env: 'S3COMPACT_REQUESTS_PER_SECOND',
        unit: 'count',
        default: '0',
        range: ['0', '1000000'],
        meaning:
          'S3 requests of any kind, repeated ones included, that one process sends in a second at most; 0 means no limit.',
      },
      requestsInFlight: {
        env: 'S3COMPACT_REQUESTS_IN_FLIGHT',
        unit: 'count',
        default: '32',
        range: ['1', '1024'],
        meaning: 'S3 requests that one process has under way to one bucket at most, while the store is well.',
      },
      requestsInFlightMin: {
        env: 'S3COMPACT_REQUESTS_IN_FLIGHT_MIN',
        unit: 'count',
        default: '1',
        range: ['1', '1024'],
        meaning:
          'How far that number may fall while the store refuses (503, SlowDown, time-outs) or answers clearly slower than before; it rises again by itself. The same as --requests-in-flight: it never falls.',
      },
      totalBytesPerSecond: {
        env: 'S3COMPACT_TOTAL_BYTES_PER_SECOND',
        unit: 'size',
        default: '0',
        range: ['0', '1TiB'],
        meaning:
          'Bytes that all processes with this queue move in a second at most; give them all the same. While its Redis is away each keeps to its share. 0: no limit.',
        commands: SHARING,
      },
      totalJobs: {
        env: 'S3COMPACT_TOTAL_JOBS',
        unit: 'count',
        default: '0',
        range: ['0', '100000'],
        meaning:
          'Inodes that all workers on all machines compact at a time at most; the worker that starts last says it for all. 0 means no limit; `run` with 0 leaves what workers and other runs set, for as long as one of them is there.',
        commands: WORKER,
      },
    },
  },
] as const satisfies readonly SettingSection[];
