/**
 * The values that labels may take, each list written once. It stands alone so that rows and the code that counts share
 * them. It must hold only words of a bounded set: never an inode, a bucket, an endpoint or a message.
 */
import { ERROR_CODES, quarantineRule } from '../errors.ts';
import { OTHER } from './metric-spec.ts';

/** `RunEnding`. */
export const RUN_RESULTS = ['done', 'later', 'gone', 'quarantined', 'halted'] as const;
/** How a run may end when nothing failed: `CompactOutcome`, by result. */
const DONE_REASONS = ['compacted', 'nothing', 'over-budget'] as const;
const LOST_RACES = ['conflict', 'stale', 'unknown'] as const;
export const RUN_REASONS = [...DONE_REASONS, ...LOST_RACES, ...ERROR_CODES, OTHER] as const;

/** The pairs of result and reason that occur; the rest is `other`. */
export const RUN_SERIES: readonly (readonly [string, string])[] = [
  ...DONE_REASONS.map((reason) => ['done', reason] as const),
  ...LOST_RACES.map((reason) => ['later', reason] as const),
  ...ERROR_CODES.map((reason) => ['later', reason] as const),
  ['gone', 'inode-missing'],
  ['gone', 'inode-unlinked'],
  ...ERROR_CODES.filter((code) => quarantineRule(code) !== 'never').map((reason) => ['quarantined', reason] as const),
  ...ERROR_CODES.map((reason) => ['halted', reason] as const),
  ...RUN_RESULTS.map((result) => [result, OTHER] as const),
];

export const S3_OPERATIONS = ['get', 'put', 'head', 'list', 'delete'] as const;
const S3_ANY = [
  'ok',
  'store-unavailable',
  'store-refused',
  'access-denied',
  'bucket-missing',
  'cancelled',
  OTHER,
] as const;
const S3_OWN: Readonly<Record<(typeof S3_OPERATIONS)[number], readonly string[]>> = {
  get: ['object-missing', 'object-short', 'object-damaged'],
  put: ['exists'],
  head: ['absent'],
  list: [],
  delete: ['partial'],
};
export const S3_CODES: readonly string[] = [...S3_ANY, ...Object.values(S3_OWN).flat()];
export const S3_SERIES: readonly (readonly [string, string])[] = S3_OPERATIONS.flatMap((operation) =>
  [...S3_ANY, ...S3_OWN[operation]].map((code) => [operation, code] as const),
);

export const METADATA_OPERATIONS = [
  'get-filesystem',
  'get-inode',
  'read-chunk',
  'begin',
  'commit',
  'clear-fence',
  'incarnation',
] as const;
export const METADATA_CODES = ['ok', 'metadata-unavailable', 'metadata-refused', OTHER] as const;

/** What work may have to wait for. */
export const LIMITS = [
  'memory',
  'requests-in-flight',
  'bytes-per-second',
  'requests-per-second',
  'total-bytes-per-second',
] as const;

export const QUEUES = ['compact', 'reap'] as const;

export const REAP_VERDICTS = ['done', 'again', 'held', 'doubt', 'unsafe', 'unreadable'] as const;
export const READY_PARTS = ['queue', 'metadata', 'store', 'running'] as const;
export const HOLD_ENDS = ['open', 'timed'] as const;
