/**
 * Rows of the table of settings: walking a file system, feeding the queue, and what a whole run may spend.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { CommandName, SettingSpec } from './spec.ts';

const SCANNING: readonly CommandName[] = ['scan', 'run', 'scheduler'];

export const SCAN_ROWS = [
  {
    key: 'scanQueueMax',
    env: 'S3COMPACT_SCAN_QUEUE_MAX',
    flag: 'scan-queue-max',
    unit: 'count',
    default: '10000',
    min: '1',
    max: '100000',
    meaning: 'A scan stops feeding the queue while so many jobs wait in it, and goes on when there are fewer.',
    group: 'Scan',
    commands: SCANNING,
  },
  {
    key: 'scanConcurrency',
    env: 'S3COMPACT_SCAN_CONCURRENCY',
    flag: 'scan-concurrency',
    unit: 'count',
    default: '4',
    min: '1',
    max: '64',
    meaning: 'Batches of 250 inodes that a scan reads and plans side by side.',
    group: 'Scan',
    commands: SCANNING,
  },
  {
    key: 'scanPatienceMs',
    env: 'S3COMPACT_SCAN_PATIENCE',
    flag: 'scan-patience',
    unit: 'duration',
    default: '5m',
    min: '0s',
    max: '1d',
    meaning:
      'How long the metadata service or the queue may be away, or out of memory, before a scan gives up; the next scan goes on where it stood.',
    group: 'Scan',
    commands: SCANNING,
  },
  {
    key: 'scanEveryMs',
    env: 'S3COMPACT_SCAN_EVERY',
    flag: 'scan-every',
    unit: 'duration',
    default: '1h',
    min: '1s',
    max: '30d',
    meaning: 'How often the scheduler plans a scan of each of its file systems.',
    group: 'Scan',
    commands: ['scheduler'],
  },
  {
    key: 'jobMs',
    env: 'S3COMPACT_RUN_SECONDS',
    flag: 'run-seconds',
    unit: 'duration',
    bareSeconds: true,
    default: '1d',
    min: '1s',
    max: '30d',
    meaning:
      'Time after which "s3compact run" takes no further job; what runs may finish. A number without a unit means seconds.',
    group: 'Scan',
    commands: ['run'],
  },
  {
    key: 'jobBytes',
    env: 'S3COMPACT_RUN_BYTES',
    flag: 'run-bytes',
    unit: 'size',
    default: '1024TiB',
    min: '1',
    max: '1024TiB',
    meaning: 'Bytes, read plus written, after which "s3compact run" takes no further job.',
    group: 'Scan',
    commands: ['run'],
  },
] as const satisfies readonly SettingSpec[];
