/**
 * Rows of the table of settings: what is worth compacting, and how it is read.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { CommandName, SettingSpec } from './spec.ts';

const PLANNING: readonly CommandName[] = ['inode', 'plan', 'console', 'worker', 'scan', 'run', 'scheduler'];

export const PLAN_ROWS = [
  {
    key: 'fragmentThreshold',
    env: 'S3COMPACT_FRAGMENT_THRESHOLD',
    flag: 'fragment-threshold',
    unit: 'count',
    default: '4',
    min: '1',
    max: '1000000',
    meaning: 'A chunk with more versions than this is looked at for something to merge.',
    group: 'Planning and merging',
    commands: PLANNING,
  },
  {
    key: 'aggressivenessBytes',
    env: 'S3COMPACT_AGGRESSIVENESS',
    flag: 'aggressiveness',
    unit: 'size',
    default: '768KiB',
    min: '0',
    max: '1GiB',
    meaning:
      'Bytes that may be moved (read and written) for each GET that a full read saves; a twelfth in chunks (JuiceFS: once in files) written in the last 4 minutes, four times in others. A chunk size or more: every block becomes one object.',
    group: 'Planning and merging',
    commands: PLANNING,
  },
  {
    key: 'storagePrice',
    env: 'S3COMPACT_STORAGE_PRICE',
    flag: 'storage-price',
    unit: 'count',
    default: '2',
    min: '0',
    max: '1000',
    meaning:
      'Bytes that may be moved (read and written) for each byte that need not be stored any more. Above 0 a plan never stores more than before and leaves at most 1.10 times the bytes that a reader sees, or says why. 0: stored bytes cost nothing, holes are filled with zeros, and a plan may store more than before.',
    group: 'Planning and merging',
    commands: PLANNING,
  },
  {
    key: 'readGapBytes',
    env: 'S3COMPACT_READ_GAP',
    flag: 'read-gap',
    unit: 'size',
    default: '64KiB',
    min: '0',
    max: '64MiB',
    meaning:
      'Two pieces of one object at most this far apart are read in one GET; holes up to this length may be filled with zeros.',
    group: 'Planning and merging',
    commands: PLANNING,
  },
] as const satisfies readonly SettingSpec[];
