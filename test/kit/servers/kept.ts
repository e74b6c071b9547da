/**
 * Servers that tests kill and start again on the same data: a Redis with its append-only file, and the gateway of a Ceph
 * cluster (the cluster behind it stays up). It stands apart from the other services, which keep nothing when they end.
 * Real servers only: the embedded ones have no disk. It must not decide when a server dies.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { spawnGuarded, withAttempts } from './guarded.ts';
import { findRedis, type RedisService, redisVersion } from './redis.ts';
import { type S3Service, startKeptCeph } from './s3.ts';

const KEEP_SCRIPT = fileURLToPath(new URL('keep.sh', import.meta.url));
const POLL_MS = 20;
/** A gateway is back within 2 s on an idle machine, a Redis within 0.1 s plus the reading of its file. */
const START_DEADLINE_MS = 60_000;
/** How long a server may take to end by SIGTERM. */
const END_DEADLINE_MS = 10_000;
const ANSWER_DEADLINE_MS = 2_000;

/** A server that can be away for a while. */
export interface KeptServer {
  /** Where its data is. */
  readonly directory: string;
  /** Sends a signal that does not end it: SIGSTOP, SIGCONT. */
  signal(name: NodeJS.Signals): void;
  /** Ends it and waits until it is gone; SIGKILL follows where the signal does not do. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again on its data and waits until it answers. */
  start(): Promise<void>;
}

export type KeptRedis = Pick<RedisService, 'url' | 'kind' | 'version' | 'stop'> & { readonly server: KeptServer };
export type KeptS3 = S3Service & { readonly server: KeptServer };

/** A real Redis on disk: append-only file, flushed every second, never rewritten. `config` as in StartRedisOptions. */
export async function startKeptRedis(config: readonly string[] = []): Promise<KeptRedis> {
  const program = findRedis();
  if (program === undefined) throw new Error('no redis-server or valkey-server on PATH');
  return withAttempts(async () => {
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    let directory = '';
    const child = await spawnGuarded('kept-redis', (temporary) => {
      directory = temporary;
      const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', temporary, '--save', ''];
      const file = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'];
      const command = [program.path, ...args, '--maxmemory-policy', 'noeviction', ...file, ...config];
      return { command: 'sh', args: [KEEP_SCRIPT, temporary, ...command] };
    });
    try {
      const server = keptServer(directory, () => redisAnswers(url));
      await server.start();
      child.detach();
      return { url, kind: program.kind, version: await redisVersion(url), server, stop: () => child.stop() };
    } catch (error) {
      await child.stop();
      throw error;
    }
  });
}

/** A Ceph cluster whose gateway can be ended and started again; the objects are in the cluster. */
export async function startKeptS3(): Promise<KeptS3> {
  const service = await startKeptCeph();
  return { ...service, server: keptServer(service.directory, () => s3Answers(service.endpoint)) };
}

function keptServer(directory: string, answers: () => Promise<boolean>): KeptServer {
  const hold = join(directory, 'hold');
  const pidFile = join(directory, 'kept.pid');
  const signal = (name: NodeJS.Signals): void => {
    const pid = pidIn(pidFile);
    if (pid !== undefined) process.kill(pid, name);
  };
  return {
    directory,
    signal,
    end: async (name) => {
      writeFileSync(hold, '');
      signal(name);
      if (await within(END_DEADLINE_MS, async () => !existsSync(pidFile))) return;
      signal('SIGKILL');
      if (!(await within(END_DEADLINE_MS, async () => !existsSync(pidFile))))
        throw new Error('the server does not end');
    },
    start: async () => {
      rmSync(hold, { force: true });
      const up = await within(START_DEADLINE_MS, async () => existsSync(pidFile) && (await answers()));
      if (!up) throw new Error('the server does not come up again');
    },
  };
}

function pidIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

async function within(deadlineMs: number, holds: () => Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > endMs) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** Not while it reads its file: it refuses commands then. */
async function redisAnswers(url: string): Promise<boolean> {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0, enableReadyCheck: false });
  redis.on('error', () => {});
  try {
    return (await redis.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

async function s3Answers(endpoint: string): Promise<boolean> {
  try {
    const answer = await fetch(endpoint, { signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) });
    await answer.arrayBuffer();
    return answer.status < 500;
  } catch {
    return false;
  }
}
