/**
 * Rows of the table of settings: walking a file system, feeding the queue, and what a whole run may spend.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { CommandName, SettingSection } from './spec.ts';

const SCANNING: readonly CommandName[] = ['scan', 'run', 'scheduler'];

export const SCAN_ROWS = [
  {
    group: 'Scan',
    commands: SCANNING,
    rows: {
      scanQueueMax: {
        env: 'S3COMPACT_SCAN_QUEUE_MAX',
        unit: 'count',
        default: '10000',
        range: ['1', '100000'],
        meaning: 'A scan stops feeding the queue while so many jobs wait in it, and goes on when there are fewer.',
      },
      scanConcurrency: {
        env: 'S3COMPACT_SCAN_CONCURRENCY',
        unit: 'count',
        default: '4',
        range: ['1', '64'],
        meaning: 'Batches of 250 inodes that a scan reads and plans side by side.',
      },
      scanPatienceMs: {
        env: 'S3COMPACT_SCAN_PATIENCE',
        unit: 'duration',
        default: '5m',
        range: ['0s', '1d'],
        meaning:
          'How long the metadata service or the queue may be away, or out of memory, before a scan gives up; the next scan goes on where it stood.',
      },
      scanEveryMs: {
        env: 'S3COMPACT_SCAN_EVERY',
        unit: 'duration',
        default: '1h',
        range: ['1s', '30d'],
        meaning: 'How often the scheduler plans a scan of each of its file systems.',
        commands: ['scheduler'],
      },
      jobMs: {
        env: 'S3COMPACT_RUN_SECONDS',
        unit: 'duration',
        bareSeconds: true,
        default: '1d',
        range: ['1s', '30d'],
        meaning:
          'Time after which "s3compact run" takes no further job; what runs may finish. A number without a unit means seconds.',
        commands: ['run'],
      },
      jobBytes: {
        env: 'S3COMPACT_RUN_BYTES',
        unit: 'size',
        default: '1024TiB',
        range: ['1', '1024TiB'],
        meaning: 'Bytes, read plus written, after which "s3compact run" takes no further job.',
        commands: ['run'],
      },
    },
  },
] as const satisfies readonly SettingSection[];
