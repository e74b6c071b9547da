/**
 * The Redis metadata adapter when the network or the server fails around a commit (I6): what was certainly not done is
 * an error, what may have been done is `unknown`, and whatever happens it is done at most once. A proxy loses requests
 * and answers at the chosen moment; the server's own counters tell how often a script ran.
 */
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { CompactError } from '../../../src/errors.ts';
import { RedisMetadata } from '../../../src/metadata/redis/redis.ts';
import { connectRedis } from '../../../src/redis/client.ts';
import { findRedis, type RedisService, startRedis } from '../../kit/servers/redis.ts';
import { type LossyProxy, startProxy } from '../proxy.ts';
import { fillWorld, portOf, type RedisWorld, redisWorld } from '../redis-world.ts';
import { AFTER, ATTEMPT, KEY, REQUEST, version, versions } from '../world.ts';

/** Short, since many tests wait for it; long enough for a loaded machine to answer what can be answered. */
const TIMEOUT_MS = 1500;
/** Without the time-out it would hang for ever; a busy machine takes longer than the time-out. */
const HANG_MS = 60_000;

let server: RedisService;
let proxy: LossyProxy;
let world: RedisWorld;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

async function prepare(on: RedisService): Promise<void> {
  proxy = await startProxy(portOf(on));
  world = await redisWorld(on.url, { storeUrl: `redis://127.0.0.1:${proxy.port}`, timeoutMs: TIMEOUT_MS });
  await fillWorld(world);
  expect(await world.store.begin(KEY, ATTEMPT)).toBe('begun');
}

async function clear(): Promise<void> {
  await world.close();
  await proxy.close();
}

/** How often the server has run a script since it was asked to count anew. */
async function scriptRuns(): Promise<number> {
  const stats = await world.redis.info('commandstats');
  return [...stats.matchAll(/^cmdstat_(?:eval|evalsha):calls=(\d+).*?failed_calls=(\d+)/gm)].reduce(
    (sum, [, calls, failed]) => sum + Number(calls) - Number(failed),
    0,
  );
}

async function expectUnavailable(call: Promise<unknown>): Promise<CompactError> {
  const failure = await call.then(
    (value) => expect.unreachable(`it answered ${inspect(value)}`),
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(CompactError);
  expect(failure).toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
  return failure as CompactError;
}

describe('a commit around which the network fails', () => {
  beforeEach(() => prepare(server));
  afterEach(clear);

  test('I6: the answer is lost with the connection: unknown, applied once, and never sent again', async () => {
    await world.redis.config('RESETSTAT');
    proxy.set('cut-answer');
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown', cause: expect.any(Error) });
    // The same client, connected again: whatever it would send once more came before this.
    expect((await world.store.readChunk(KEY, 3, 10)).versions).toEqual(AFTER);
    expect(await scriptRuns()).toBe(2);
    expect(await world.list(KEY, 3)).toEqual(AFTER);
  });

  test('I6: the request is lost with the connection: unknown, not applied, and never sent again', async () => {
    await world.redis.config('RESETSTAT');
    proxy.set('cut-request');
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    expect((await world.store.readChunk(KEY, 3, 10)).versions).toEqual(versions(0, 6));
    expect(await scriptRuns()).toBe(1);
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
  });

  test('I6: the answer does not come: unknown after the time-out, applied once', async () => {
    await world.redis.config('RESETSTAT');
    proxy.set('mute');
    const startedAtMs = performance.now();
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    expect(performance.now() - startedAtMs).toBeLessThan(HANG_MS);
    // The dead connection is given up by itself, and nothing is sent again on the next one.
    await vi.waitFor(async () => expect((await world.store.readChunk(KEY, 3, 10)).versions).toEqual(AFTER), 5000);
    expect(await scriptRuns()).toBeLessThanOrEqual(3);
    expect(await world.list(KEY, 3)).toEqual(AFTER);
  });

  test('I6: a request that is still on its way after the time-out is applied late, once', async () => {
    proxy.set('hold');
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
    proxy.release();
    await vi.waitFor(async () => expect(await world.list(KEY, 3)).toEqual(AFTER), 5000);
  });

  test('I6: a request that is still on its way when the fence is cleared does nothing', async () => {
    await world.redis.config('RESETSTAT');
    proxy.set('hold');
    expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    const own = new RedisMetadata({
      redis: connectRedis(server.url, { profile: 'metadata' }),
      keyPrefix: world.store.storeId.replace('redis:', ''),
    });
    expect(await own.clearFence(KEY, ATTEMPT)).toBe(true);
    proxy.release();
    await vi.waitFor(async () => expect(await scriptRuns()).toBe(2), 5000);
    expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
    await own.close();
  });

  test('a connection that was lost before the commit is made again, and the commit is sent then', async () => {
    proxy.set('refuse');
    const commit = world.store.commit(REQUEST);
    proxy.set('pass');
    const outcome = await commit;
    // The loss may be noticed before or after the request is written; it is never told as more than is known.
    if (outcome.outcome === 'unknown') expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    else expect(outcome).toEqual({ outcome: 'committed' });
    expect(await world.list(KEY, 3)).toEqual(AFTER);
  });

  test('a connection that is closed but not yet known to be is not used', async () => {
    const redis = connectRedis(server.url, { profile: 'metadata' });
    const store = new RedisMetadata({ redis, keyPrefix: world.store.storeId.replace('redis:', '') });
    await store.getInode(KEY);
    if (!(redis instanceof Redis)) throw new TypeError('not a single server');
    redis.stream.end();
    expect(redis.status).toBe('ready');
    expect(await store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    await store.close();
  });

  test('while there is no connection every call ends in time and says that nothing was changed', async () => {
    proxy.set('refuse');
    await vi.waitFor(async () => {
      await expectUnavailable(world.store.getInode(KEY));
    }, 600_000);
    const startedAtMs = performance.now();
    const calls = [
      world.store.commit(REQUEST),
      world.store.begin(KEY, 1n),
      world.store.clearFence(KEY, ATTEMPT),
      world.store.getFilesystem(7),
      world.store.readChunk(KEY, 3, 10),
    ];
    // All at once: one that fails while another is waited for would be an unhandled rejection.
    const failures = await Promise.all(calls.map(expectUnavailable));
    for (const failure of failures) expect(failure.message).toContain('nothing was changed');
    expect(performance.now() - startedAtMs).toBeLessThan(HANG_MS);
    proxy.set('pass');
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
  });

  test('a read whose answer is lost is an error, and works again at once', async () => {
    proxy.set('cut-answer');
    await expectUnavailable(world.store.readChunk(KEY, 3, 10));
    expect((await world.store.readChunk(KEY, 3, 10)).versionsTotal).toBe(6);
  });

  test('hundreds of calls that wait for a connection do not add a listener each', async () => {
    proxy.set('refuse');
    const warnings: unknown[] = [];
    const note = (warning: unknown) => warnings.push(warning);
    process.on('warning', note);
    const calls = Array.from({ length: 300 }, () => world.store.getInode(KEY).catch((error: unknown) => error));
    proxy.set('pass');
    await Promise.all(calls);
    process.off('warning', note);
    expect(warnings).toEqual([]);
    expect(await world.store.getInode(KEY)).toMatchObject({ length: 640 });
  });
});

describe('a server that hangs, stops or is busy', () => {
  let own: RedisService;
  beforeEach(async () => {
    own = await startRedis();
    await prepare(own);
  });
  afterEach(async () => {
    await clear();
    await own.stop();
  });

  test('I6: it hangs: unknown after the time-out; it goes on: the commit is there once', async () => {
    process.kill(own.pid, 'SIGSTOP');
    try {
      expect(await world.store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
      await expectUnavailable(world.store.getInode(KEY));
    } finally {
      process.kill(own.pid, 'SIGCONT');
    }
    await vi.waitFor(async () => expect(await world.list(KEY, 3)).toEqual(AFTER), 5000);
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'conflict' });
  });

  test('I6: it dies with the request: unknown', async () => {
    process.kill(own.pid, 'SIGSTOP');
    const commit = world.store.commit(REQUEST);
    await own.stop();
    expect(await commit).toMatchObject({ outcome: 'unknown' });
  });

  test('it was stopped before: nothing was sent, nothing was changed', async () => {
    await own.stop();
    // Until the loss is noticed, the answer may be `unknown`.
    await vi.waitFor(async () => {
      const failure = await expectUnavailable(world.store.commit(REQUEST));
      expect(failure.message).toContain('nothing was changed');
    }, 600_000);
  });

  test('another server comes up in its place: the same store finds it, and tells it from the first', async () => {
    const incarnation = await world.store.incarnation(KEY);
    await own.stop();
    const next = await startRedis();
    try {
      proxy.retarget(portOf(next));
      await vi.waitFor(async () => expect(await world.store.getInode(KEY)).toBeNull(), 600_000);
      expect(await world.store.incarnation(KEY)).not.toBe(incarnation);
    } finally {
      await next.stop();
    }
  });

  // The embedded server runs a script to its end before it looks at anything else.
  if (findRedis() !== undefined) {
    test('it is busy with a script: the commit did not happen, and happens when the script is over', async () => {
      await world.redis.config('SET', 'lua-time-limit', '50');
      const endless = new Redis(own.url);
      const script = endless.eval('while true do end', 0).catch((error: unknown) => error);
      await vi.waitFor(() => expect(world.redis.ping()).rejects.toThrow(/^BUSY/), 5000);
      const failure = await expectUnavailable(world.store.commit(REQUEST));
      expect(failure.message).toContain('BUSY');
      await world.redis.script('KILL');
      await script;
      endless.disconnect();
      expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    });
  }

  test('its memory is full: begin changes nothing, a commit happens whole', async () => {
    const before = await world.store.getInode(KEY);
    await world.redis.config('SET', 'maxmemory', '1');
    const failure = await expectUnavailable(world.store.begin(KEY, 9n));
    expect(failure.message).toContain('OOM');
    expect(await world.store.getInode(KEY)).toEqual(before);
    // It starts with LTRIM, which frees memory and is allowed; from then on Redis lets a script finish.
    const large = { ...REQUEST, replacement: versions(100, 5100) };
    expect(await world.store.commit(large)).toEqual({ outcome: 'committed' });
    expect(await world.list(KEY, 3)).toEqual([...versions(100, 5100), version(4), version(5)]);
    await expectUnavailable(world.store.begin(KEY, 9n));
  });
});
