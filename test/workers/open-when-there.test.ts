/** A worker process that is started while a server is away: it waits, the log and /readyz say for which, and it works when it is there. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { CompactError, type ErrorCode } from '../../src/errors.ts';
import { createLogger } from '../../src/observe/log.ts';
import type { Readiness } from '../../src/observe/readiness.ts';
import { openWhenThere } from '../../workers/open-when-there.ts';
import { E2eWorld } from '../e2e/world.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { startKeptRedis } from '../kit/servers/kept.ts';
import { findRedis } from '../kit/servers/redis.ts';
import { startProxy } from '../metadata/proxy.ts';
import { eventually } from '../queue/world.ts';

const WITHIN_MS = 120_000;
let world: E2eWorld;
beforeEach(async () => {
  world = await E2eWorld.open('late');
});
afterEach(() => world.close());

async function readyz(port: number): Promise<Readiness | undefined> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(5_000) }).catch(
    () => undefined,
  );
  return (await answer?.json()) as Readiness | undefined;
}

it.skipIf(findRedis() === undefined)('waits for it, and works when it is there', async () => {
  const redis = await startKeptRedis();
  try {
    await redis.server.end('SIGTERM');
    const port = await freePort();
    const env = { REDIS_URL: redis.url, METADATA_URL: inject('redisUrl'), S3COMPACT_METRICS_PORT: `${port}` };
    const worker = world.startWorker(env);
    const waiting = await eventually('it says what it waits for', () => readyz(port), WITHIN_MS);
    expect(waiting.ready).toBe(false);
    expect(waiting.parts.queue.reasons.join()).toMatch(/the queue's Redis was not ready within/);
    await redis.server.start();
    await eventually('it is ready', async () => (await readyz(port))?.ready === true, WITHIN_MS);
    expect(worker.exitCode).toBeNull();
  } finally {
    await redis.stop();
  }
});

it('says of each server once that it is away, under its own name', async () => {
  const port = await freePort();
  const lines: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
  const away: (readonly [ErrorCode, 'queue' | 'metadata'])[] = [
    ['queue-unavailable', 'queue'],
    ['metadata-unavailable', 'metadata'],
    ['queue-unavailable', 'queue'],
  ];
  const seen: Readiness['parts'][] = [];
  let tries = 0;
  const open = async () => {
    // The try before is logged by now.
    if (tries > 0) seen.push((await eventually('it says what it waits for', () => readyz(port), WITHIN_MS)).parts);
    const [code] = away[tries++] ?? [];
    if (code !== undefined) throw new CompactError(`no ${code}`, { kind: 'retry', code });
    return 'open';
  };
  expect(await openWhenThere(open, { port, log, signal: new AbortController().signal })).toBe('open');
  const reasons = seen.map(({ queue, metadata }) => ({ queue: queue.reasons, metadata: metadata.reasons }));
  expect(reasons).toEqual(away.map(([code, part]) => ({ queue: [], metadata: [], [part]: [`no ${code}`] })));
  expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(['queue.lost', 'metadata.lost']);
});

it('ends when it is told to while it waits', async () => {
  const port = await freePort();
  const worker = world.startWorker({
    REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    S3COMPACT_METRICS_PORT: `${port}`,
  });
  await eventually('it waits', () => readyz(port), WITHIN_MS);
  worker.kill('SIGTERM');
  const [exitCode] = await once(worker, 'exit');
  expect(exitCode).toBe(0);
});

it.each(['1', '2'])('ends when it is told to while it opens its clients, with %s processes', async (processes) => {
  const { hostname, port } = new URL(inject('redisUrl'));
  expect(hostname).toBe('127.0.0.1');
  const proxy = await startProxy(Number(port));
  try {
    proxy.set('hold');
    const held = proxy.held();
    const url = new URL(inject('redisUrl'));
    url.port = `${proxy.port}`;
    const worker = world.startWorker({ REDIS_URL: url.href, S3COMPACT_PROCESSES: processes });
    await held;
    worker.kill('SIGTERM');
    // The signal is there before the answer.
    await delay(500);
    proxy.release();
    const [exitCode] = await once(worker, 'exit');
    expect(exitCode).toBe(0);
  } finally {
    await proxy.close();
  }
});
