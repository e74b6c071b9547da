/**
 * Who may import whom, as one table (DESIGN §5). A file belongs to the first group whose pattern fits its path.
 * It stands alone so that a change of the architecture is a change of data, visible in a review.
 * It must hold no logic: scripts/layering/check.ts reads it.
 */

export interface Group {
  readonly name: string;
  /** Matches a path relative to the project, e.g. `src/plan/chunk.ts`. */
  readonly files: RegExp;
  /** Groups whose files it may import; its own group always. */
  readonly groups: readonly string[];
  /** Packages and `node:` modules it may import; `@scope/*` covers a scope, `node:*` what Node.js
   * brings, `type x` only `import type`. */
  readonly packages: readonly string[];
  /** Neither clock nor randomness nor anything of the process: the same arguments give the same result. */
  readonly pure?: true;
  /** May read the environment and end the process. */
  readonly owner?: true;
}

const WORDS = ['model', 'errors'];
const PORTS = ['metadata port', 'objects port', 'ledger', 'scan port', 'clock'];

export const GROUPS: readonly Group[] = [
  { name: 'model', files: /^src\/model\.ts$/, groups: [], packages: [], pure: true },
  // The inode a failure happened to is part of the failure.
  { name: 'errors', files: /^src\/errors\.ts$/, groups: ['model'], packages: [], pure: true },
  { name: 'clock', files: /^src\/clock\.ts$/, groups: [], packages: ['node:timers/promises'] },
  { name: 'format', files: /^src\/format\.ts$/, groups: WORDS, packages: [], pure: true },
  { name: 'plan', files: /^src\/plan\//, groups: WORDS, packages: [], pure: true },
  { name: 'metadata port', files: /^src\/metadata\/port\.ts$/, groups: WORDS, packages: [], pure: true },
  { name: 'objects port', files: /^src\/objects\/port\.ts$/, groups: ['model'], packages: [], pure: true },
  { name: 'scan port', files: /^src\/scan-port\.ts$/, groups: ['model'], packages: [], pure: true },
  { name: 'ledger', files: /^src\/ledger\.ts$/, groups: ['model'], packages: [], pure: true },

  // Settings; the text of a Redis URL is one of them, and what must not be printed is told by the same rules.
  { name: 'redact', files: /^src\/config\/redact\.ts$/, groups: [], packages: [], pure: true },
  { name: 'redis-url', files: /^src\/(redis|curvefs)-url\.ts$/, groups: ['errors', 'redact'], packages: [] },
  {
    name: 'config',
    files: /^src\/config(\.ts$|\/)/,
    groups: ['errors', 'redact', 'redis-url'],
    packages: ['zod', 'yaml'],
  },

  // Adapters: their port, the words, one SDK each; no policy.
  {
    name: 'redis client',
    files: /^src\/redis-(client|link)\.ts$/,
    groups: ['errors', 'redact', 'redis-url'],
    packages: ['ioredis'],
  },
  {
    name: 'redis adapter',
    files: /^src\/metadata\/redis[\w-]*\.ts$/,
    groups: [...WORDS, 'format', 'metadata port', 'redis client'],
    packages: ['ioredis', 'node:crypto'],
  },
  // Sockets and protobuf's varints; no SDK for CurveFS exists.
  {
    name: 'curvefs adapter',
    files: /^src\/metadata\/curvefs\//,
    groups: [...WORDS, 'format', 'metadata port', 'redis-url'],
    packages: ['@bufbuild/protobuf/wire', 'node:crypto', 'node:net', 'node:timers/promises'],
  },
  { name: 'turns', files: /^src\/objects\/(abort|turns)\.ts$/, groups: ['errors'], packages: [] },
  {
    name: 's3 adapter',
    files: /^src\/objects\/(s3[\w-]*|deadline)\.ts$/,
    groups: [...WORDS, 'format', 'objects port', 'turns'],
    packages: [
      ...['@aws-sdk/*', '@smithy/*', 'undici', 'fast-xml-parser', 'p-limit'],
      ...['node:crypto', 'node:http', 'node:https', 'node:stream', 'node:zlib'],
    ],
  },
  {
    // Rates and places in flight; where the pool's common budget is kept is an adapter of its own.
    name: 'pace',
    files: /^src\/pace(-(?!redis)[\w-]+)?\.ts$/,
    groups: [...WORDS, 'clock'],
    packages: [],
  },
  {
    name: 'pace adapter',
    files: /^src\/pace-redis\.ts$/,
    groups: ['pace'],
    packages: ['rate-limiter-flexible', 'type ioredis', 'node:crypto'],
  },
  {
    name: 'objects decorator',
    files: /^src\/objects\/limits\.ts$/,
    groups: [...WORDS, 'objects port', 'clock', 'turns', 'pace'],
    packages: ['p-retry'],
  },
  {
    name: 'queue',
    files: /^src\/queue[\w-]*\.ts$/,
    groups: [...WORDS, 'format', 'ledger', 'scan port', 'clock'],
    // BullMQ takes an ioredis connection; who makes it is not the queue's business.
    packages: ['bullmq', 'type ioredis', 'zod', 'node:crypto'],
  },

  // What to do and when: sees ports, never adapters or SDKs.
  {
    name: 'policy',
    files: /^src\/(attempt|commit|compact|lookup|memory|merge|reap|scan|scrub|verify)(-[\w-]+)?\.ts$/,
    groups: [...WORDS, ...PORTS, 'format', 'plan'],
    packages: ['async-mutex', 'p-limit', 'node:crypto', 'node:zlib'],
  },
  {
    name: 'run',
    files: /^src\/run\.ts$/,
    groups: [...WORDS, ...PORTS, 'format', 'policy', 'queue'],
    packages: [],
  },
  {
    name: 'observe',
    files: /^src\/observe\//,
    groups: [...WORDS, 'config', 'redact', 'format'],
    packages: ['pino', 'prom-client', '@opentelemetry/*', 'node:http', 'node:timers/promises', 'type node:net'],
  },

  // Wiring: the public API, the processes, the commands.
  {
    name: 'index',
    files: /^src\/index\.ts$/,
    groups: [
      ...[...WORDS, ...PORTS, 'format', 'plan', 'policy', 'run', 'queue', 'redis client', 'redis adapter'],
      'curvefs adapter',
      ...['s3 adapter', 'objects decorator', 'pace'],
    ],
    packages: [],
  },
  {
    name: 'workers',
    files: /^workers\//,
    groups: [
      ...[...WORDS, ...PORTS, 'format', 'plan', 'policy', 'run', 'queue', 'redis client', 'redis adapter'],
      'curvefs adapter',
      ...['s3 adapter', 'objects decorator', 'pace', 'pace adapter', 'config', 'redact', 'redis-url', 'observe'],
    ],
    packages: ['bullmq', 'close-with-grace', 'type @opentelemetry/api', 'node:*'],
    owner: true,
  },
  {
    name: 'cli',
    files: /^src\/cli\//,
    groups: [
      ...[...WORDS, ...PORTS, 'format', 'plan', 'policy', 'run', 'queue', 'redis client', 'redis adapter'],
      'curvefs adapter',
      ...['s3 adapter', 'objects decorator', 'pace', 'config', 'redact', 'redis-url', 'observe', 'workers'],
    ],
    packages: ['commander', 'cli-progress', 'picocolors', 'pretty-bytes', 'node:*'],
    owner: true,
  },
];

/** House style: files that grow past this are split by responsibility. */
export const FILE_LINES_MAX = 300;
/** House style: a file opens with 3-12 lines on what it is for, why it stands alone, what it must not do. */
export const OPENING_LINES_MIN = 3;
/** Twelve, and the marks of the comment. */
export const OPENING_LINES_MAX = 14;
