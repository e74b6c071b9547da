/**
 * Rows of the table of settings: what to connect to, how long a call may take, and when the files of a
 * CurveFS cluster are left alone. Rows only; `table.ts` joins them.
 */
import { COMMAND_NAMES, type CommandName, type SettingSection } from './spec.ts';

const ALL: readonly CommandName[] = COMMAND_NAMES;
const STORE: readonly CommandName[] = [
  ...(['inode', 'worker', 'run', 'reap', 'gc', 'hold', 'fsck', 'repair', 'doctor', 'adopt', 'example'] as const),
];
const DELETES: readonly CommandName[] = ['worker', 'run', 'reap', 'gc', 'inode'];

export const CONNECTION_ROWS = [
  {
    group: 'Connections',
    commands: ALL,
    rows: {
      redisUrl: {
        env: 'REDIS_URL',
        unit: 'redis',
        default: 'redis://127.0.0.1:6379',
        meaning:
          "The queue's Redis. Prefer the environment where the URL holds a password: flags show in process lists.",
      },
      metadataUrl: {
        env: 'METADATA_URL',
        unit: 'metadata',
        unset: 'the value of REDIS_URL',
        meaning: 'Where inodes and lists are kept: Redis, the MDS of CurveFS, or a JuiceFS volume.',
      },
      metadataPrefix: {
        env: 'METADATA_PREFIX',
        unit: 'text',
        pattern: /^[A-Za-z0-9_.:-]{1,64}$/,
        allowed: '1 to 64 letters, digits and _ . : -',
        default: 'fs',
        meaning: 'First part of every metadata key in Redis.',
      },
    },
  },
  {
    group: 'Safety',
    commands: DELETES,
    rows: {
      metadataReplicas: {
        env: 'METADATA_REPLICAS',
        unit: 'text',
        pattern: /^(?:auto|[0-9])$/,
        allowed: 'auto or a number up to 9',
        default: 'auto',
        meaning:
          'How many replicas of the metadata Redis must confirm that it is still their primary before anything is deleted. auto: all that it was seen to have; 0: it has none.',
      },
      redisReplicas: {
        env: 'REDIS_REPLICAS',
        unit: 'text',
        pattern: /^(?:auto|[0-9])$/,
        allowed: 'auto or a number up to 9',
        default: 'auto',
        meaning: "The same for the queue's Redis.",
      },
    },
  },
  {
    group: 'Connections',
    commands: STORE,
    rows: {
      queuePrefix: {
        env: 'QUEUE_PREFIX',
        unit: 'text',
        pattern: /^(?:[A-Za-z0-9_.-]{1,64}|\{[A-Za-z0-9_.-]{1,64}\})$/,
        allowed: '1 to 64 letters, digits and _ . - (in braces for a cluster)',
        default: 's3compact',
        meaning: 'First part of every queue key in Redis; in braces, as {s3compact}, on Redis Cluster.',
        commands: [
          ...(['inode', 'worker', 'scan', 'run', 'scheduler', 'status', 'console', 'pause', 'resume', 'reap'] as const),
          ...(['gc', 'hold', 'quarantine', 'repair', 'doctor', 'adopt', 'example', 'plan', 'inspect'] as const),
        ],
      },
      s3Endpoint: {
        env: 'AWS_ENDPOINT_URL_S3',
        flag: 's3-endpoint',
        unit: 'url',
        unset: "AWS's own",
        meaning:
          "The S3 server of file systems that name none themselves; with CurveFS and JuiceFS, instead of the one that the MDS or the volume names. The SDK's own name, as are all AWS_* names.",
      },
      s3Region: {
        env: 'AWS_REGION',
        flag: 's3-region',
        unit: 'text',
        pattern: /^[A-Za-z0-9-]{1,64}$/,
        allowed: '1 to 64 letters, digits and -',
        unset: "the SDK's choice",
        meaning: 'The region of file systems that name none themselves.',
      },
      forcePathStyle: {
        env: 'S3COMPACT_FORCE_PATH_STYLE',
        unit: 'switch',
        unset: 'true where an endpoint is given, false on AWS',
        meaning: 'Whether the bucket goes into the path of S3 URLs, not into the host name.',
      },
      s3DataPath: {
        env: 'S3COMPACT_S3_DATA_PATH',
        unit: 'choice',
        choices: ['fast', 'sdk'],
        default: 'fast',
        meaning:
          'How range reads and writes go to the S3 server: past the AWS SDK wherever that is possible, at a tenth of its CPU for a small read, or all by the SDK.',
      },
      s3RequestChecksums: {
        env: 'AWS_REQUEST_CHECKSUM_CALCULATION',
        flag: 's3-request-checksums',
        unit: 'choice',
        choices: ['when_supported', 'when_required'],
        default: 'when_supported',
        meaning:
          "Whether writes and batch deletes carry x-amz-checksum headers. when_required: writes are signed with the body's SHA-256 and batch deletes carry Content-MD5 in their place. A store that refuses the headers is found out without this.",
      },
      s3ResponseChecksums: {
        env: 'AWS_RESPONSE_CHECKSUM_VALIDATION',
        flag: 's3-response-checksums',
        unit: 'choice',
        choices: ['when_supported', 'when_required'],
        default: 'when_required',
        meaning:
          "Whether whole objects that are read are compared with the store's CRC32 of them. Ranges have none: most reads are not compared either way.",
      },
      redisTimeoutMs: {
        env: 'S3COMPACT_REDIS_TIMEOUT',
        unit: 'duration',
        default: '10s',
        range: ['10ms', '5m'],
        meaning: 'How long a call to Redis, metadata or queue, may take.',
        commands: ALL,
      },
      s3TimeoutMs: {
        env: 'S3COMPACT_S3_TIMEOUT',
        unit: 'duration',
        default: '30s',
        range: ['10ms', '10m'],
        meaning: 'How long one try of an S3 request may take.',
      },
      s3PatienceMs: {
        env: 'S3COMPACT_S3_PATIENCE',
        unit: 'duration',
        default: '1m',
        range: ['0ms', '1h'],
        meaning:
          'For how long an S3 server may serve no request of a kind (reads, writes, …) before one that it refuses is given up, and the run with it. While it serves some, refused ones are tried again, 31 times each at most; 0 tries nothing again.',
      },
    },
  },
  {
    group: 'Safety',
    commands: ['inode', 'worker', 'run'],
    rows: {
      quietPeriodMs: {
        env: 'S3COMPACT_QUIET_PERIOD',
        unit: 'duration',
        default: '1m',
        range: ['0s', '30d'],
        meaning:
          'With CurveFS: how long a file must have been left alone before it is compacted, since a metaserver cannot tell a list that was changed meanwhile; ten times as long where several clients write to one chunk. It must look the same twice, so far apart; its job waits in the queue meanwhile. Not used with Redis, whose commit compares.',
      },
    },
  },
] as const satisfies readonly SettingSection[];

/** Names of the SDK that are documented but left to it: they are secrets, or its own business. */
export const SDK_NAMES = [
  ['AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN', 'Credentials, where no file or role gives them.'],
  ['AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE', 'The profile to use and where the files are.'],
  ['AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE', 'The role of a pod (IRSA); set by the cluster.'],
] as const;
