/**
 * Rows of the table of settings: what is worth compacting, safety, budgets, planning and the worker. Rows only; `table.ts` joins them.
 */
import type { CommandName, SettingSection } from './spec.ts';

/** Whoever chooses what is worth it. */
const CHOOSING: readonly CommandName[] = ['inode', 'plan', 'console', 'worker', 'scan', 'run', 'scheduler'];
const PLANNING: readonly CommandName[] = ['inode', 'plan', 'console', 'worker', 'run'];
const QUEUE: readonly CommandName[] = ['inode', 'worker', 'scan', 'run', 'scheduler', 'reap', 'gc'];
const WORKING: readonly CommandName[] = ['inode', 'worker', 'run'];
const READING: readonly CommandName[] = ['inode', 'worker', 'run', 'fsck'];
const REAPING: readonly CommandName[] = ['worker', 'run', 'reap'];

export const WORK_ROWS = [
  {
    group: 'Planning and merging',
    commands: CHOOSING,
    rows: {
      fragmentThreshold: {
        env: 'S3COMPACT_FRAGMENT_THRESHOLD',
        unit: 'count',
        default: '4',
        range: ['1', '1000000'],
        meaning: 'A chunk with more versions than this is looked at for something to merge.',
      },
      aggressivenessBytes: {
        env: 'S3COMPACT_AGGRESSIVENESS',
        unit: 'size',
        default: '768KiB',
        range: ['0', '1GiB'],
        meaning:
          'Bytes that may be moved (read and written) for each GET that a full read saves; a twelfth in chunks (JuiceFS: once in files) written in the last 4 minutes, four times in others. A chunk size or more: every block becomes one object.',
      },
      storagePrice: {
        env: 'S3COMPACT_STORAGE_PRICE',
        unit: 'count',
        default: '2',
        range: ['0', '1000'],
        meaning:
          'Bytes that may be moved (read and written) for each byte that need not be stored any more. Above 0 a plan never stores more than before and leaves at most 1.10 times the bytes that a reader sees, or says why. 0: stored bytes cost nothing, holes are filled with zeros, and a plan may store more than before.',
      },
      readGapBytes: {
        env: 'S3COMPACT_READ_GAP',
        unit: 'size',
        default: '64KiB',
        range: ['0', '64MiB'],
        meaning:
          'Two pieces of one object at most this far apart are read in one GET; holes up to this length may be filled with zeros.',
      },
    },
  },
  {
    group: 'Safety',
    commands: QUEUE,
    rows: {
      graceMs: {
        env: 'S3COMPACT_GRACE',
        unit: 'duration',
        default: '10m',
        range: ['1ms', '30d'],
        meaning: 'How long an object stays after nothing references it: readers may still hold the old list.',
      },
      readerCacheLifeMs: {
        env: 'S3COMPACT_READER_CACHE_LIFE',
        unit: 'duration',
        default: '1m',
        range: ['0ms', '30d'],
        meaning:
          "How long a client of the file system may go on reading by a chunk list that it has cached. It describes the clients' set-up and changes nothing by itself; the grace period must be longer.",
      },
      leaseMs: {
        env: 'S3COMPACT_LEASE',
        unit: 'duration',
        default: '1h',
        range: ['100ms', '7d'],
        meaning: 'How long an attempt may take before it counts as dead and its leftovers are looked at.',
      },
      gcMinAgeMs: {
        env: 'S3COMPACT_GC_MIN_AGE',
        flag: 'min-age',
        unit: 'duration',
        default: '3d',
        range: ['1ms', '3650d'],
        meaning: 'How old an object that nothing references must be before `gc` may take it for an orphan.',
        commands: ['gc'],
      },
    },
  },
  {
    group: 'Run budget',
    commands: PLANNING,
    rows: {
      maxChunks: {
        env: 'S3COMPACT_MAX_CHUNKS',
        unit: 'count',
        default: '10',
        range: ['1', '100000'],
        meaning: 'Chunks that one run rewrites at most; what is left is queued again.',
      },
      maxBytes: {
        env: 'S3COMPACT_MAX_BYTES',
        unit: 'size',
        default: '1GiB',
        range: ['1', '1024TiB'],
        meaning: 'Bytes that one run reads plus writes at most.',
      },
      maxRequests: {
        env: 'S3COMPACT_MAX_REQUESTS',
        unit: 'count',
        default: '10000',
        range: ['3', '10000000'],
        meaning: 'GET and PUT requests that one run makes at most. The smallest merge takes three.',
      },
      maxRunMs: {
        env: 'S3COMPACT_MAX_SECONDS',
        unit: 'duration',
        bareSeconds: true,
        default: '10m',
        range: ['10ms', '1d'],
        meaning: 'Time after which one run starts no further chunk. A number without a unit means seconds.',
        commands: WORKING,
      },
    },
  },
  {
    group: 'Planning and merging',
    commands: WORKING,
    rows: {
      memoryBytes: {
        env: 'S3COMPACT_MEMORY',
        unit: 'size',
        default: '64MiB',
        range: ['64KiB', '64GiB'],
        meaning: 'Bytes that all merges of this process hold at a time; larger than one block with its pieces.',
      },
      blocksInFlight: {
        env: 'S3COMPACT_BLOCKS_IN_FLIGHT',
        unit: 'count',
        default: '4',
        range: ['1', '256'],
        meaning: 'Blocks that one run merges at a time.',
      },
      getsInFlight: {
        env: 'S3COMPACT_GETS_IN_FLIGHT',
        unit: 'count',
        default: '16',
        range: ['1', '1024'],
        meaning: 'GET requests that one run, or requests that `fsck`, has under way at a time.',
        commands: READING,
      },
    },
  },
  {
    group: 'Worker',
    commands: REAPING,
    rows: {
      concurrency: {
        env: 'S3COMPACT_CONCURRENCY',
        unit: 'count',
        default: '4',
        range: ['1', '256'],
        meaning: 'Inodes that one worker process compacts at a time.',
        commands: ['worker', 'run'],
      },
      reapConcurrency: {
        env: 'S3COMPACT_REAP_CONCURRENCY',
        unit: 'count',
        default: '2',
        range: ['1', '64'],
        meaning: 'Reap records that one worker process works off at a time.',
      },
      jobTries: {
        env: 'S3COMPACT_JOB_TRIES',
        unit: 'count',
        default: '5',
        range: ['1', '1000'],
        meaning: 'Runs in a row that miss an object before the inode is quarantined; tries before a job fails.',
        commands: WORKING,
      },
      uploadWaitMs: {
        env: 'S3COMPACT_UPLOAD_WAIT',
        unit: 'duration',
        default: '1h',
        range: ['0s', '3d'],
        meaning:
          'An inode whose object is missing is not quarantined earlier: the longest that clients take to upload.',
        commands: WORKING,
      },
      retryDelayMs: {
        env: 'S3COMPACT_RETRY_DELAY',
        unit: 'duration',
        default: '10s',
        range: ['1ms', '1h'],
        meaning: 'Wait before the second try of a job; it doubles with each further one.',
        commands: QUEUE,
      },
      lockDurationMs: {
        env: 'S3COMPACT_LOCK_DURATION',
        unit: 'duration',
        default: '30s',
        range: ['100ms', '10m'],
        meaning:
          'How long a job stays with a worker that no longer answers. Renewed at half time; it saves work, not data.',
      },
      shutdownGraceMs: {
        env: 'S3COMPACT_SHUTDOWN_GRACE',
        unit: 'duration',
        default: '25s',
        range: ['0ms', '1h'],
        meaning:
          "How long a worker lets running jobs finish after SIGTERM. Keep it below the pod's terminationGracePeriodSeconds (30s).",
      },
    },
  },
] as const satisfies readonly SettingSection[];
