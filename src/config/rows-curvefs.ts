/**
 * Rows of the table of settings: how a CurveFS cluster is talked to, and when its files are left alone.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { SettingSpec } from './spec.ts';

export const CURVEFS_ROWS = [
  {
    key: 'quietPeriodMs',
    env: 'S3COMPACT_QUIET_PERIOD',
    flag: 'quiet-period',
    unit: 'duration',
    default: '1m',
    min: '0s',
    max: '30d',
    meaning:
      'With CurveFS: how long a file must have been left alone before it is compacted, since a metaserver cannot tell a list that was changed meanwhile; ten times as long where several clients write to one chunk. It must look the same twice, so far apart; its job waits in the queue meanwhile. Not used with Redis, whose commit compares.',
    group: 'Safety',
    commands: ['inode', 'worker', 'run'],
  },
] as const satisfies readonly SettingSpec[];
