/**
 * Redis URLs: how each form is read, what is refused, and that no refusal repeats a password. They stand apart from
 * the clients because none of them needs a server.
 */
import { inspect } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { describe, expect, test, vi } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import { redactText, redactUrl } from '../../src/redact.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { whenReady } from '../../src/redis/link.ts';
import { parseRedisUrl } from '../../src/urls/redis.ts';

const WAIT = { timeout: 600_000, interval: 50 };
const SECRET = 'tell-nobody';

test('a hint that shows the form of a URL stays whole; a URL of that look with more behind it does not', () => {
  const hint = 'is none of redis://[user:password@]host:port[/db], rediss:// (the same with TLS)';
  expect(redactText(hint)).toBe(hint);
  expect(redactText(`redis://[user:password@]host:${SECRET}@host`)).not.toContain(SECRET);
});

describe('URLs', () => {
  const single = { form: 'single', tls: false, db: 0 };

  test.each([
    ['redis://localhost', { ...single, nodes: [{ host: 'localhost', port: 6379 }] }],
    ['redis://10.0.0.1:7000/', { ...single, nodes: [{ host: '10.0.0.1', port: 7000 }] }],
    ['redis://h:1/15', { ...single, nodes: [{ host: 'h', port: 1 }], db: 15 }],
    ['redis://[::1]:7000/2', { ...single, nodes: [{ host: '::1', port: 7000 }], db: 2 }],
    ['rediss://h:1', { ...single, nodes: [{ host: 'h', port: 1 }], tls: true }],
    ['redis://:pw@h', { ...single, nodes: [{ host: 'h', port: 6379 }], password: 'pw' }],
    [
      'redis://u:p%40%2F%3A%3F%23@h',
      { ...single, nodes: [{ host: 'h', port: 6379 }], username: 'u', password: 'p@/:?#' },
    ],
    ['redis://u:a:b@h', { ...single, nodes: [{ host: 'h', port: 6379 }], username: 'u', password: 'a:b' }],
    ['redis://@h', { ...single, nodes: [{ host: 'h', port: 6379 }] }],
    [
      'redis+cluster://a:1,b:2,c',
      { ...single, form: 'cluster', nodes: [1, 2, 6379].map((port, n) => ({ host: 'abc'[n], port })) },
    ],
    [
      'rediss+cluster://u:p@a:1/0',
      { form: 'cluster', tls: true, db: 0, nodes: [{ host: 'a', port: 1 }], username: 'u', password: 'p' },
    ],
    [
      'redis+sentinel://a:1,b/films',
      {
        ...single,
        form: 'sentinel',
        masterName: 'films',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26_379 },
        ],
      },
    ],
    [
      'rediss+sentinel://:p@a/my%20films/4',
      {
        form: 'sentinel',
        tls: true,
        db: 4,
        masterName: 'my films',
        nodes: [{ host: 'a', port: 26_379 }],
        password: 'p',
      },
    ],
  ])('%s', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  test.each([
    '',
    'localhost:6379',
    `u:${SECRET}@localhost`,
    `http://u:${SECRET}@h`,
    `redis:u:${SECRET}@h`,
    `redis+pool://u:${SECRET}@h`,
    `redis://u:${SECRET}@`,
    `redis://u:${SECRET}@h:port`,
    `redis://u:${SECRET}@h:0`,
    `redis://u:${SECRET}@h:65536`,
    `redis://u:${SECRET}@h/x`,
    `redis://u:${SECRET}@h/-1`,
    `redis://u:${SECRET}@h/1/2`,
    `redis://u:${SECRET}@h?db=1`,
    `redis://u:${SECRET}@h#1`,
    `redis://u:${SECRET}@/h@h`,
    `redis://u:${SECRET}%zz@h`,
    `redis://u:${SECRET}@a:1,b:2`,
    `redis://${SECRET}@h`,
    `redis+cluster://u:${SECRET}@a:1,,b:2`,
    `redis+cluster://u:${SECRET}@a:1/1`,
    `redis+sentinel://u:${SECRET}@a:1`,
    `redis+sentinel://u:${SECRET}@a:1/`,
    `redis+sentinel://u:${SECRET}@a:1/films/x`,
    `redis+sentinel://u:${SECRET}@a:1/films/1/2`,
  ])('refused, without the password: %s', (url) => {
    const connect = () => connectRedis(url, { profile: 'metadata' });
    expect(connect).toThrowError(CompactError);
    try {
      connect();
    } catch (error) {
      expect(error).toMatchObject({ kind: 'halt', code: 'settings-invalid' });
      expect(inspect(error, { depth: 10 })).not.toContain(SECRET);
    }
  });

  test('redactUrl hides who and with what', () => {
    expect(redactUrl(`rediss+cluster://u:${SECRET}@a:1,b:2`)).toBe('rediss+cluster://***@a:1,b:2');
  });

  test.each([
    ['rediss://h:1', Redis],
    ['redis+sentinel://127.0.0.1:1/films', Redis],
    ['rediss+sentinel://127.0.0.1:1/films', Redis],
    ['redis+cluster://127.0.0.1:1', Cluster],
    ['rediss+cluster://127.0.0.1:1', Cluster],
  ])('%s makes a client that ends when told to, also if nobody is there', async (url, type) => {
    const errors: Error[] = [];
    const redis = connectRedis(url, { profile: 'worker', timeoutMs: 200, onError: (error) => errors.push(error) });
    expect(redis).toBeInstanceOf(type);
    const options = redis instanceof Cluster ? redis.options.redisOptions : redis.options;
    expect(options?.tls).toEqual(url.startsWith('rediss') ? {} : undefined);
    await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0), WAIT);
    expect(await whenReady(redis, 50)).toMatchObject({ refused: false, message: expect.stringContaining('50 ms') });
    redis.disconnect();
    await vi.waitFor(async () => expect(await whenReady(redis, 50)).toMatchObject({ refused: false }), WAIT);
  });
});
