/**
 * Rows of the table of settings: what to connect to, and how long a call may take. Rows only; `table.ts` joins them.
 */
import { COMMAND_NAMES, type CommandName, type SettingSpec } from './spec.ts';

const ALL: readonly CommandName[] = COMMAND_NAMES;
const QUEUE: readonly CommandName[] = ['inode', 'worker', 'reap', 'scrub', 'quarantine'];
const STORE: readonly CommandName[] = ['inode', 'worker', 'reap', 'scrub', 'verify'];

export const CONNECTION_ROWS = [
  {
    key: 'redisUrl',
    env: 'REDIS_URL',
    flag: 'redis-url',
    unit: 'redis',
    default: 'redis://127.0.0.1:6379',
    meaning: "The queue's Redis. Prefer the environment where the URL holds a password: flags show in process lists.",
    group: 'Connections',
    commands: ALL,
  },
  {
    key: 'metadataUrl',
    env: 'METADATA_URL',
    flag: 'metadata-url',
    unit: 'metadata',
    unset: 'the value of REDIS_URL',
    meaning: 'Where the inodes and chunk lists are kept: Redis, or a CurveFS cluster by the addresses of its MDS.',
    group: 'Connections',
    commands: ALL,
  },
  {
    key: 'metadataPrefix',
    env: 'METADATA_PREFIX',
    flag: 'metadata-prefix',
    unit: 'text',
    pattern: /^[A-Za-z0-9_.:-]{1,64}$/,
    allowed: '1 to 64 letters, digits and _ . : -',
    default: 'fs',
    meaning: 'First part of every metadata key in Redis.',
    group: 'Connections',
    commands: ALL,
  },
  {
    key: 'queuePrefix',
    env: 'QUEUE_PREFIX',
    flag: 'queue-prefix',
    unit: 'text',
    pattern: /^(?:[A-Za-z0-9_.-]{1,64}|\{[A-Za-z0-9_.-]{1,64}\})$/,
    allowed: '1 to 64 letters, digits and _ . - (in braces for a cluster)',
    default: 's3compact',
    meaning: 'First part of every queue key in Redis; in braces, as {s3compact}, on Redis Cluster.',
    group: 'Connections',
    commands: QUEUE,
  },
  {
    key: 's3Endpoint',
    env: 'AWS_ENDPOINT_URL_S3',
    flag: 's3-endpoint',
    unit: 'url',
    unset: "AWS's own",
    meaning:
      "The S3 server of file systems that name none themselves; with CurveFS, instead of the one that the MDS names. The SDK's own name, as are all AWS_* names.",
    group: 'Connections',
    commands: STORE,
  },
  {
    key: 's3Region',
    env: 'AWS_REGION',
    flag: 's3-region',
    unit: 'text',
    pattern: /^[A-Za-z0-9-]{1,64}$/,
    allowed: '1 to 64 letters, digits and -',
    unset: "the SDK's choice",
    meaning: 'The region of file systems that name none themselves.',
    group: 'Connections',
    commands: STORE,
  },
  {
    key: 'forcePathStyle',
    env: 'S3COMPACT_FORCE_PATH_STYLE',
    flag: 'force-path-style',
    unit: 'switch',
    unset: 'true where an endpoint is given, false on AWS',
    meaning: 'Whether the bucket goes into the path of S3 URLs, not into the host name.',
    group: 'Connections',
    commands: STORE,
  },
  {
    key: 's3DataPath',
    env: 'S3COMPACT_S3_DATA_PATH',
    flag: 's3-data-path',
    unit: 'choice',
    choices: ['fast', 'sdk'],
    default: 'fast',
    meaning:
      'How range reads, writes and batch deletes go to the S3 server: past the AWS SDK wherever that is possible, at a tenth of its CPU for a small read, or all by the SDK.',
    group: 'Connections',
    commands: STORE,
  },
  {
    key: 'redisTimeoutMs',
    env: 'S3COMPACT_REDIS_TIMEOUT',
    flag: 'redis-timeout',
    unit: 'duration',
    default: '10s',
    min: '10ms',
    max: '5m',
    meaning: 'How long a call to Redis, metadata or queue, may take.',
    group: 'Connections',
    commands: ALL,
  },
  {
    key: 's3TimeoutMs',
    env: 'S3COMPACT_S3_TIMEOUT',
    flag: 's3-timeout',
    unit: 'duration',
    default: '30s',
    min: '10ms',
    max: '10m',
    meaning: 'How long one try of an S3 request may take.',
    group: 'Connections',
    commands: STORE,
  },
  {
    key: 's3Retries',
    env: 'S3COMPACT_S3_RETRIES',
    flag: 's3-retries',
    unit: 'count',
    default: '3',
    min: '0',
    max: '20',
    meaning: 'How often a failed S3 request is tried again before the run gives up.',
    group: 'Connections',
    commands: STORE,
  },
] as const satisfies readonly SettingSpec[];

/** Names of the SDK that are documented but left to it: they are secrets, or its own business. */
export const SDK_NAMES = [
  ['AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN', 'Credentials, where no file or role gives them.'],
  ['AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE', 'The profile to use and where the files are.'],
  ['AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE', 'The role of a pod (IRSA); set by the cluster.'],
] as const;
