/**
 * /readyz of a worker process while its servers come and go: which part is not ready, that the process lives and its
 * metrics are told meanwhile, and that it is ready again by itself when they are back.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import type { Readiness } from '../../src/observe/readiness.ts';
import { loadCase } from '../kit/cases/load.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { startKeptRedis } from '../kit/servers/kept.ts';
import { findRedis } from '../kit/servers/redis.ts';
import { eventually } from '../queue/world.ts';
import { E2eWorld } from './world.ts';

let world: E2eWorld;
let port: number;

beforeEach(async () => {
  const quick = { S3COMPACT_REDIS_TIMEOUT: '1s', S3COMPACT_S3_TIMEOUT: '1s', S3COMPACT_S3_PATIENCE: '1s' };
  world = await E2eWorld.open('readyz', { env: quick });
  port = await freePort();
});
afterEach(() => world.close());

interface Answer {
  readonly status: number;
  readonly body: Readiness;
}

async function readyz(): Promise<Answer | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(5_000) });
    return { status: answer.status, body: (await answer.json()) as Readiness };
  } catch {
    return undefined;
  }
}

/** The names of the parts that are not ready, when they are just these. */
async function notReady(...parts: readonly string[]): Promise<Answer> {
  return eventually(`not ready: ${parts.join(', ') || 'nothing'}`, async () => {
    const answer = await readyz();
    const broken = Object.entries(answer?.body.parts ?? {}).filter(([, part]) => !part.ready);
    const same = broken.map(([name]) => name).join() === parts.join();
    return answer?.status === (parts.length === 0 ? 200 : 503) && same ? answer : undefined;
  });
}

async function text(path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(8_000) });
  expect(answer.status).toBe(200);
  return answer.text();
}

// The embedded one has no disk to come back from.
it.skipIf(findRedis() === undefined)('the queue away and back', async () => {
  const redis = await startKeptRedis();
  try {
    world.startWorker({
      REDIS_URL: redis.url,
      METADATA_URL: inject('redisUrl'),
      S3COMPACT_METRICS_PORT: `${port}`,
    });
    await notReady();
    expect(await text('/metrics')).toMatch(/^s3compact_queue_jobs\{queue="compact",state="waiting"\} 0$/m);
    await redis.server.end('SIGKILL');
    const { body } = await notReady('queue');
    expect(body.parts.queue.reasons).not.toEqual([]);
    expect(await text('/healthz')).toBe('ok');
    const metrics = await text('/metrics');
    expect(metrics).toMatch(/^s3compact_ready\{part="queue"\} 0$/m);
    expect(metrics).toMatch(/^s3compact_metric_source_errors_total\{source="queues"\} [1-9]/m);
    await redis.server.start();
    await notReady();
    expect(await text('/metrics')).toMatch(/^s3compact_ready\{part="queue"\} 1$/m);
  } finally {
    await redis.stop();
  }
});

it('S3 away, as the work itself finds out, and back before there is more work', async () => {
  const s3Port = await freePort();
  await world.writer.createInode(1n);
  await world.writer.append(1n, loadCase('tar-append.mid'));
  world.startWorker({
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3Port}`,
    S3COMPACT_METRICS_PORT: `${port}`,
    S3COMPACT_FRAGMENT_THRESHOLD: '3',
    S3COMPACT_RETRY_DELAY: '1h',
  });
  await notReady();
  await world.clients.queue.enqueue({ fsId: 1, inodeId: 1n }, 'scan');
  const { body } = await notReady('store');
  expect(body.parts.store.reasons).toEqual(['S3 does not answer']);
  expect(await text('/metrics')).toMatch(
    /^s3compact_s3_requests_total\{operation="head",code="store-unavailable"\} [1-9]/m,
  );
  const server: Server = createServer((_, response) => response.writeHead(403).end());
  server.listen(s3Port, '127.0.0.1');
  await once(server, 'listening');
  await notReady();
  server.closeAllConnections();
  server.close();
});
