/**
 * Who may import whom: one row for each folder, from the ground up. A file belongs to the row with the longest path that
 * it begins with. It stands alone so that a change of the architecture is a change of data, visible in a review.
 * It must hold no logic: scripts/layering/check.ts reads it.
 */

export interface Group {
  /** A folder, or a single file of src/, relative to the project. */
  readonly name: string;
  /** Rows whose files it may import; its own always. */
  readonly groups: readonly string[];
  /** Packages and `node:` modules it may import; `@scope/*` covers a scope, `node:*` what Node.js
   * brings, `type x` only `import type`. */
  readonly packages: readonly string[];
  /** Neither clock nor randomness nor anything of the process: the same arguments give the same result. */
  readonly pure?: true;
  /** May read the environment and end the process. */
  readonly owner?: true;
}

const WORDS = [
  'src/outside.ts',
  'src/model.ts',
  'src/errors.ts',
  'src/time.ts',
  'src/clock.ts',
  'src/redact.ts',
  'src/format.ts',
];
/** The ports: `port.ts` of a folder and what is as plain beside it. */
const PORTS = ['src/metadata', 'src/objects', 'src/ledger.ts', 'src/scan-port.ts'];
const ADAPTERS = [
  'src/redis',
  'src/metadata/redis',
  'src/metadata/curvefs',
  'src/metadata/juicefs',
  'src/objects/s3',
  'src/objects/codec',
  'src/queue',
  'src/pace',
];
const POLICY = ['src/plan', 'src/layout', 'src/compact', 'src/reap', 'src/scan', 'src/gc', 'src/fsck', 'src/waste'];

export const GROUPS: readonly Group[] = [
  { name: 'src/outside.ts', groups: [], packages: [], pure: true },
  { name: 'src/model.ts', groups: [], packages: [], pure: true },
  // The inode a failure happened to is part of the failure.
  { name: 'src/errors.ts', groups: ['src/model.ts'], packages: [], pure: true },
  { name: 'src/time.ts', groups: [], packages: [], pure: true },
  { name: 'src/clock.ts', groups: ['src/time.ts'], packages: ['node:timers/promises'] },
  { name: 'src/redact.ts', groups: [], packages: [], pure: true },
  { name: 'src/format.ts', groups: ['src/model.ts', 'src/errors.ts'], packages: [], pure: true },
  { name: 'src/ledger.ts', groups: ['src/model.ts', 'src/format.ts', 'src/time.ts'], packages: [], pure: true },
  { name: 'src/scan-port.ts', groups: ['src/model.ts', 'src/time.ts'], packages: [], pure: true },
  { name: 'src/plan', groups: ['src/outside.ts', 'src/model.ts', 'src/errors.ts'], packages: [], pure: true },

  // The other layout of files: slices. Blocks are in src/plan and src/format.ts.
  { name: 'src/layout', groups: ['src/outside.ts', 'src/model.ts', 'src/plan'], packages: [], pure: true },

  // Settings, and the texts of URLs among them.
  { name: 'src/urls', groups: ['src/errors.ts', 'src/redact.ts'], packages: [] },
  {
    name: 'src/config',
    groups: ['src/errors.ts', 'src/redact.ts', 'src/urls'],
    packages: ['zod', 'type yaml', 'node:module'],
  },

  // Adapters: their port, the words, one SDK each; no policy.
  { name: 'src/metadata', groups: [...WORDS, 'src/layout'], packages: [], pure: true },
  { name: 'src/redis', groups: ['src/errors.ts', 'src/redact.ts', 'src/urls'], packages: ['ioredis'] },
  {
    name: 'src/metadata/redis',
    groups: [...WORDS, 'src/metadata', 'src/redis'],
    packages: ['ioredis', 'node:crypto'],
  },
  {
    // Sockets and protobuf's varints; no SDK for CurveFS exists.
    name: 'src/metadata/curvefs',
    groups: [...WORDS, 'src/metadata', 'src/urls'],
    packages: ['@bufbuild/protobuf/wire', 'node:crypto', 'node:events', 'node:net', 'node:timers/promises'],
  },
  {
    name: 'src/metadata/juicefs',
    groups: [...WORDS, 'src/metadata', 'src/metadata/redis', 'src/redis', 'src/layout'],
    packages: ['ioredis', 'node:crypto'],
  },
  { name: 'src/pace', groups: WORDS, packages: ['rate-limiter-flexible', 'type ioredis', 'node:crypto'] },
  { name: 'src/objects', groups: [...WORDS, 'src/pace'], packages: ['p-retry'] },
  {
    name: 'src/objects/s3',
    groups: [...WORDS, 'src/objects'],
    packages: [
      '@aws-sdk/*',
      '@smithy/*',
      'undici',
      'fast-xml-parser',
      'p-limit',
      'node:crypto',
      'node:http',
      'node:https',
      'node:stream',
      'node:zlib',
    ],
  },
  { name: 'src/objects/codec', groups: [...WORDS, 'src/objects'], packages: ['node:crypto', 'node:util', 'node:zlib'] },
  {
    name: 'src/queue',
    groups: [...WORDS, 'src/ledger.ts', 'src/scan-port.ts'],
    // BullMQ takes an ioredis connection; who makes it is not the queue's business.
    packages: ['bullmq', 'type ioredis', 'zod', 'node:crypto'],
  },

  // What to do and when: sees ports, never adapters or SDKs.
  {
    name: 'src/compact',
    groups: [...WORDS, ...PORTS, 'src/plan', 'src/layout'],
    packages: ['async-mutex', 'p-limit', 'node:crypto', 'node:zlib'],
  },
  { name: 'src/reap', groups: [...WORDS, ...PORTS, 'src/plan', 'src/layout'], packages: ['p-limit'] },
  { name: 'src/scan', groups: [...WORDS, ...PORTS, 'src/plan', 'src/layout', 'src/compact'], packages: [] },
  { name: 'src/gc', groups: [...WORDS, ...PORTS, 'src/plan', 'src/reap'], packages: ['p-limit'] },
  { name: 'src/waste', groups: [...WORDS, 'src/metadata', 'src/layout', 'src/scan'], packages: [] },
  {
    name: 'src/fsck',
    groups: [...WORDS, ...PORTS, 'src/plan', 'src/layout'],
    packages: ['p-limit', 'node:util', 'node:zlib'],
  },
  {
    // A client of the file system: makes what compaction only reads.
    name: 'src/writer',
    groups: [...WORDS, 'src/metadata', 'src/metadata/redis', 'src/redis', 'src/objects', 'src/plan'],
    packages: ['p-limit'],
  },
  {
    name: 'src/observe',
    groups: [...WORDS, 'src/config'],
    packages: [
      'pino',
      'prom-client',
      '@opentelemetry/*',
      'node:events',
      'node:http',
      'node:timers/promises',
      'type node:net',
    ],
  },

  // The public API, settings to clients, the processes (with their folders), the commands.
  { name: 'src/index.ts', groups: [...WORDS, ...PORTS, ...ADAPTERS, ...POLICY, 'src/writer'], packages: [] },
  {
    name: 'src/wiring',
    groups: [...WORDS, ...PORTS, ...ADAPTERS, ...POLICY, 'src/writer', 'src/urls', 'src/config', 'src/observe'],
    packages: ['type @opentelemetry/api', 'node:*'],
    owner: true,
  },
  {
    name: 'workers',
    groups: [...WORDS, ...PORTS, ...ADAPTERS, ...POLICY, 'src/config', 'src/observe', 'src/wiring'],
    packages: ['bullmq', 'node:*'],
    owner: true,
  },
  {
    // What is shown, as plain data: for the terminal and for the browser.
    name: 'src/view',
    groups: [
      ...WORDS,
      ...PORTS,
      'src/plan',
      'src/layout',
      'src/compact',
      'src/waste',
      'src/queue',
      'src/config',
      'src/wiring',
    ],
    packages: ['pretty-bytes'],
  },
  {
    name: 'src/console',
    groups: [
      ...WORDS,
      ...PORTS,
      'src/plan',
      'src/layout',
      'src/compact',
      'src/queue',
      'src/scan',
      'src/reap',
      'src/waste',
      'src/config',
      'src/observe',
      'src/wiring',
      'src/view',
    ],
    packages: [
      'hono',
      'hono/*',
      '@hono/node-server',
      '@hono/node-server/conninfo',
      'p-limit',
      'rate-limiter-flexible',
      'node:crypto',
      'node:net',
      'node:timers/promises',
    ],
  },
  {
    name: 'src/cli',
    groups: [
      ...WORDS,
      ...PORTS,
      ...ADAPTERS,
      ...POLICY,
      'src/urls',
      'src/config',
      'src/observe',
      'src/wiring',
      'workers',
      'src/writer',
      'src/view',
      'src/console',
    ],
    packages: ['commander', 'cli-progress', 'picocolors', 'node:*'],
    owner: true,
  },
];

/** House style: files that grow past this are split by responsibility. */
export const FILE_LINES_MAX = 400;
/** House style: a file opens with 3-12 lines on what it is for, why it stands alone, what it must not do. */
export const OPENING_LINES_MIN = 3;
/** Twelve, and the marks of the comment. */
export const OPENING_LINES_MAX = 14;
