/**
 * Clients of Redis: what the three profiles do when the server is away, with BullMQ itself where it matters, and which
 * servers are not fit for a queue. URLs are in redis-url.test.ts.
 */
import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { Queue, Worker } from 'bullmq';
import { type Cluster, Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { checkRedisFit, connectRedis, type RedisProfile } from '../../src/redis/client.ts';
import { endLink, whenReady } from '../../src/redis/link.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { type LossyProxy, startProxy } from '../metadata/proxy.ts';

const WAIT = { timeout: 600_000, interval: 50 };
const SECRET = 'tell-nobody';

describe('profiles', () => {
  let server: RedisService;
  let proxy: LossyProxy;
  const clients: (Redis | Cluster)[] = [];

  beforeEach(async () => {
    server = await startRedis();
    proxy = await startProxy(Number(new URL(server.url).port));
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await proxy.close();
    await server.stop();
  });

  function connect(profile: RedisProfile, timeoutMs = 1000): Redis | Cluster {
    const redis = connectRedis(`redis://127.0.0.1:${proxy.port}`, { profile, timeoutMs });
    clients.push(redis);
    return redis;
  }

  test.each(['metadata', 'producer', 'worker'] as const)(
    '%s: connects, and again within about a second',
    async (profile) => {
      const redis = connect(profile);
      expect(await whenReady(redis, 60_000)).toBeNull();
      proxy.set('refuse');
      await vi.waitFor(() => expect(redis.status).toBe('reconnecting'), WAIT);
      // Long enough for the back-off to be at its longest.
      let attempts = 0;
      redis.on('connecting', () => attempts++);
      await vi.waitFor(() => expect(attempts).toBeGreaterThan(4), WAIT);
      proxy.set('pass');
      const startedAtMs = performance.now();
      expect(await whenReady(redis, 60_000)).toBeNull();
      expect(performance.now() - startedAtMs).toBeLessThan(60_000);
      expect(await redis.ping()).toBe('PONG');
    },
  );

  test('whoever waits for a connection is let go when the client is ended, also between two tries', async () => {
    proxy.set('refuse');
    const redis = connect('metadata');
    await vi.waitFor(() => expect(redis.status).toBe('reconnecting'), WAIT);
    const waiting = whenReady(redis, WAIT.timeout * 10);
    endLink(redis);
    const closed = { refused: false, message: 'is not connected any more: the client was closed' };
    expect(await waiting).toEqual(closed);
    expect(await whenReady(redis, WAIT.timeout * 10)).toEqual(closed);
  });

  test.each([
    ['metadata', 1],
    ['producer', 2],
  ] as const)('%s: a command whose answer is lost is sent %i time(s) at most', async (profile, times) => {
    const redis = connect(profile);
    await whenReady(redis, 60_000);
    proxy.set('cut-answer');
    const answer = await redis.incr('n').catch((error: unknown) => error);
    if (profile === 'metadata') expect(answer).toBeInstanceOf(Error);
    await whenReady(redis, 60_000);
    expect(Number(await redis.get('n'))).toBeLessThanOrEqual(times);
    if (profile === 'metadata') expect(await redis.get('n')).toBe('1');
  });

  test.each(['metadata', 'producer'] as const)('%s: a command fails at once without a connection', async (profile) => {
    const redis = connect(profile);
    await whenReady(redis, 60_000);
    proxy.set('refuse');
    await vi.waitFor(() => expect(redis.status).toBe('reconnecting'), WAIT);
    const startedAtMs = performance.now();
    await expect(redis.ping()).rejects.toThrow();
    expect(performance.now() - startedAtMs).toBeLessThan(60_000);
  });

  test.each(['metadata', 'producer'] as const)(
    '%s: a server that hangs is given up, and its connection',
    async (profile) => {
      const redis = connect(profile, 500);
      await whenReady(redis, 60_000);
      proxy.set('mute');
      const startedAtMs = performance.now();
      await expect(redis.ping()).rejects.toThrow();
      expect(performance.now() - startedAtMs).toBeLessThan(60_000);
      // The muted connection never answers again: this is another one.
      await vi.waitFor(async () => expect(await redis.ping()).toBe('PONG'), WAIT);
    },
  );

  test('worker: a command waits until the server is back', async () => {
    const redis = connect('worker');
    await whenReady(redis, 60_000);
    proxy.set('refuse');
    await vi.waitFor(() => expect(redis.status).toBe('reconnecting'), WAIT);
    const answer = redis.ping();
    let attempts = 0;
    redis.on('connecting', () => attempts++);
    await vi.waitFor(() => expect(attempts).toBeGreaterThan(3), WAIT);
    proxy.set('pass');
    expect(await answer).toBe('PONG');
  });

  test('worker and producer do for BullMQ, through an outage', async () => {
    const prefix = `t-${randomUUID()}`;
    const queue = new Queue('q', { connection: connect('producer'), prefix });
    const done: string[] = [];
    const worker = new Worker('q', async (job) => void done.push(job.name), {
      connection: connect('worker'),
      prefix,
      runRetryDelay: 1000,
    });
    queue.on('error', () => {});
    worker.on('error', () => {});
    await worker.waitUntilReady();
    await queue.add('before', {});
    await vi.waitFor(() => expect(done).toEqual(['before']), WAIT);

    proxy.set('refuse');
    await vi.waitFor(() => expect(clients.map((client) => client.status)).not.toContain('ready'), WAIT);
    await expect(queue.add('during', {})).rejects.toThrow();
    proxy.set('pass');
    await vi.waitFor(async () => expect((await queue.add('after', {})).name).toBe('after'), WAIT);
    await vi.waitFor(() => expect(done).toContain('after'), WAIT);
    expect(done).not.toContain('during');
    await worker.close();
    await queue.close();
  });
});

describe('checkRedisFit', () => {
  let server: RedisService;
  let admin: Redis;

  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
  });
  afterEach(async () => {
    admin.disconnect();
    await server.stop();
  });

  async function check(url = server.url): Promise<unknown> {
    const redis = connectRedis(url, { profile: 'producer', timeoutMs: 1500 });
    try {
      return await checkRedisFit(redis, { name: "queue's", timeoutMs: 1500 }).catch((error: unknown) => error);
    } finally {
      redis.disconnect();
    }
  }

  test('takes the server of the test run', async () => {
    expect(await check(inject('redisUrl'))).toEqual([]);
  });

  test.each(['allkeys-lru', 'volatile-ttl', 'allkeys-random'])('refuses %s and says what to do', async (policy) => {
    await admin.config('SET', 'maxmemory-policy', policy);
    const failure = await check();
    expect(failure).toMatchObject({ kind: 'halt', code: 'queue-unfit' });
    for (const word of [policy, 'CONFIG SET maxmemory-policy noeviction', new URL(server.url).host]) {
      expect(String(failure)).toContain(word);
    }
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    expect(await check()).toEqual([]);
  });

  test('refuses a user who may not ask', async () => {
    await admin.acl('SETUSER', 'blind', 'on', '>pw', '~*', '+@all', '-info');
    const failure = await check(server.url.replace('redis://', 'redis://blind:pw@'));
    expect(failure).toMatchObject({ kind: 'halt', code: 'queue-unfit' });
    expect(String(failure)).toContain('INFO');
  });

  test.each([
    ['6.0.9', 'queue-unfit'],
    ['5.9.9', 'queue-unfit'],
    ['6.2.0', undefined],
    ['10.0.', undefined],
  ])('version %s: %s', async (version, code) => {
    const port = Number(new URL(server.url).port);
    const proxy = await startProxy(port, (answer) =>
      answer.replace(/(?<=redis_version:)\S+/, (own) => version.padEnd(own.length, '0')),
    );
    const failure = await check(`redis://127.0.0.1:${proxy.port}`);
    if (code === undefined) expect(failure).toEqual([]);
    else {
      expect(failure).toMatchObject({ kind: 'halt', code });
      expect(String(failure)).toContain(version);
      expect(String(failure)).toContain('6.2');
    }
    await proxy.close();
  });

  test('asks CONFIG GET where INFO does not tell the policy, and refuses what it cannot find out', async () => {
    const port = Number(new URL(server.url).port);
    const proxy = await startProxy(port, (answer) => answer.replace('maxmemory_policy:', 'maxmemory_pulicy:'));
    const url = `redis://127.0.0.1:${proxy.port}`;
    expect(await check(url)).toEqual([]);
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(String(await check(url))).toContain('maxmemory-policy is allkeys-lru');
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await admin.acl('SETUSER', 'blind', 'on', '>pw', '~*', '+@all', '-config');
    expect(String(await check(url.replace('redis://', 'redis://blind:pw@')))).toContain('maxmemory-policy is unknown');
    await proxy.close();
  });

  test('refuses wrong credentials, without the password', async () => {
    await admin.acl('SETUSER', 'default', 'resetpass', '>the-right-one');
    const failure = await check(server.url.replace('redis://', `redis://:${SECRET}@`));
    expect(failure).toMatchObject({ kind: 'halt', code: 'queue-unfit' });
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain(SECRET);
  });

  test('a server that is not there, or hangs, is a matter of time', async () => {
    expect(await check('redis://127.0.0.1:1')).toMatchObject({ kind: 'retry', code: 'queue-unavailable' });
    process.kill(server.pid, 'SIGSTOP');
    try {
      expect(await check()).toMatchObject({ kind: 'retry', code: 'queue-unavailable' });
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
  });
});
