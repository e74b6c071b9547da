/**
 * Is a server still the primary? Real servers, since it is about replicas: one that was promoted, one that hangs, one that
 * is gone; and about sentinels that have chosen another.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectRedis } from '../../src/redis/client.ts';
import { PrimaryCheck, type ReplicasWanted, replicationOf, serverOfKey } from '../../src/redis/primary.ts';
import { findRedis, type RedisService, startRedis } from '../kit/servers/redis.ts';
import { hasSentinel, type SentinelService, startSentinel } from '../kit/servers/sentinel.ts';
import { startProxy } from '../metadata/proxy.ts';
import { portOf, quietRedis } from '../metadata/redis-world.ts';

const TIMEOUT_MS = 5_000;
const WAIT = { timeout: 600_000, interval: 50 };
const DOUBT = { kind: 'retry', code: 'metadata-unavailable' };

let servers: RedisService[];
let checks: PrimaryCheck[];
beforeEach(() => {
  servers = [];
  checks = [];
});
afterEach(async () => {
  for (const check of checks) check.close();
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(): Promise<RedisService> {
  // By default a primary waits 5 s for more replicas before it sends its data.
  const server = await startRedis({ config: ['--repl-diskless-sync-delay', '0'] });
  servers.push(server);
  return server;
}

function check(url: string, replicas: ReplicasWanted = 'auto'): PrimaryCheck {
  const made = new PrimaryCheck({
    name: 'metadata',
    setting: 'METADATA_REPLICAS',
    code: 'metadata-unavailable',
    timeoutMs: TIMEOUT_MS,
    connect: () => connectRedis(url, { profile: 'metadata', timeoutMs: TIMEOUT_MS }),
    replicas,
  });
  checks.push(made);
  return made;
}

async function refused(promise: Promise<unknown>, ...words: readonly string[]): Promise<void> {
  const failure = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  expect(failure).toMatchObject(DOUBT);
  for (const word of [...words, 'nothing is deleted']) expect(String(failure)).toContain(word);
}

test('a server without replicas has nothing to confirm, and keeps no key', async () => {
  const server = await start();
  const redis = quietRedis(server.url);
  const primary = check(server.url);
  expect(await primary.confirm('k:confirm')).toBe(await serverOfKey(redis, 'k'));
  await vi.waitFor(async () => expect(await redis.dbsize()).toBe(0), WAIT);
  redis.disconnect();
});

test.each(['run_id', 'master_replid'])('a server that does not tell its %s is not confirmed', async (field) => {
  const server = await start();
  const redis = quietRedis(server.url);
  const id = new RegExp(`^${field}:(\\w+)`, 'm').exec(await redis.info())?.[1] ?? 'none';
  const proxy = await startProxy(portOf(server), (answer) => answer.replaceAll(id, '0'.repeat(id.length)));
  await refused(check(`redis://127.0.0.1:${proxy.port}`).confirm('k'), 'INFO');
  redis.disconnect();
  await proxy.close();
});

test('an answer that is lost confirms nothing', async () => {
  const server = await start();
  const proxy = await startProxy(portOf(server));
  const primary = check(`redis://127.0.0.1:${proxy.port}`);
  await primary.confirm('k');
  proxy.set('cut-answer');
  await refused(primary.confirm('k'), 'did not answer');
  await vi.waitFor(() => primary.confirm('k'), WAIT);
  await proxy.close();
});

test('what INFO says of replication', () => {
  const info = (lines: readonly string[]) => replicationOf(['run_id:ab', 'master_replid:cd', ...lines].join('\r\n'));
  const slave = (n: number, state: string) => `slave${n}:ip=10.0.0.${n},port=6379,state=${state},offset=7,lag=0`;
  expect(info(['role:master', 'connected_slaves:0', 'repl_backlog_active:0'])).toEqual({
    runId: 'ab',
    replId: 'cd',
    role: 'master',
    online: 0,
    hadReplicas: false,
    demandsReplicas: false,
  });
  const lines = ['connected_slaves:3', 'min_slaves_good_slaves:1', 'repl_backlog_active:1'];
  const many = info([...lines, slave(0, 'online'), slave(1, 'wait_bgsave'), slave(2, 'online')]);
  expect(many).toMatchObject({ online: 2, hadReplicas: true, demandsReplicas: true });
});

describe.runIf(findRedis() !== undefined)('with replicas', () => {
  async function follow(primary: RedisService, replicas: readonly RedisService[]): Promise<void> {
    const redis = quietRedis(primary.url);
    for (const replica of replicas) await command(replica, (one) => one.replicaof('127.0.0.1', portOf(primary)));
    await vi.waitFor(async () => expect(replicationOf(await redis.info()).online).toBe(replicas.length), WAIT);
    redis.disconnect();
  }

  async function command<T>(server: RedisService, call: (redis: ReturnType<typeof quietRedis>) => Promise<T>) {
    const redis = quietRedis(server.url);
    try {
      return await call(redis);
    } finally {
      redis.disconnect();
    }
  }

  test('its replica confirms; promoted, it does not, for old and new processes, unless there is to be none', async () => {
    const [primary, replica] = [await start(), await start()];
    await follow(primary, [replica]);
    const old = check(primary.url);
    await vi.waitFor(() => old.confirm('k'), WAIT);
    await refused(check(replica.url).confirm('k'), 'READONLY');
    await command(replica, (redis) => redis.replicaof('NO', 'ONE'));
    await refused(old.confirm('k'), '0 of 1 replicas', 'METADATA_REPLICAS');
    await refused(check(primary.url).confirm('k'), '0 of 1 replicas');
    await vi.waitFor(() => check(primary.url, 0).confirm('k'), WAIT);
    // It follows again: nothing stands in the way any more.
    await follow(primary, [replica]);
    await vi.waitFor(() => old.confirm('k'), WAIT);
  });

  test('a replica that is connected and does not answer confirms nothing, until it does', async () => {
    const [primary, replica] = [await start(), await start()];
    await follow(primary, [replica]);
    const one = check(primary.url);
    await vi.waitFor(() => one.confirm('k'), WAIT);
    process.kill(replica.pid, 'SIGSTOP');
    try {
      await refused(one.confirm('k'), '0 of 1 replicas confirmed');
      await refused(check(primary.url).confirm('k'), '0 of 1 replicas confirmed');
    } finally {
      process.kill(replica.pid, 'SIGCONT');
    }
    await vi.waitFor(() => one.confirm('k'), WAIT);
  });

  test('all that were seen must confirm, since the one that is missing may be promoted; or as many as are asked for', async () => {
    const [primary, first, second] = [await start(), await start(), await start()];
    await follow(primary, [first, second]);
    const all = check(primary.url);
    await vi.waitFor(() => all.confirm('k'), WAIT);
    await command(second, (redis) => redis.replicaof('NO', 'ONE'));
    await refused(all.confirm('k'), '1 of 2 replicas');
    await vi.waitFor(() => check(primary.url, 1).confirm('k'), WAIT);
    await refused(check(primary.url, 2).confirm('k'), '1 of 2 replicas');
  });

  test('a server that demands replicas and has none is not confirmed', async () => {
    const primary = await start();
    await command(primary, async (redis) => {
      await redis.config('SET', 'min-replicas-to-write', '1');
    });
    await refused(check(primary.url).confirm('k'), 'NOREPLICAS');
  });

  describe.runIf(hasSentinel())('and sentinels', () => {
    let sentinels: SentinelService[];
    let primary: RedisService;
    let replica: RedisService;
    let url: string;
    const QUICK = ['sentinel down-after-milliseconds films 1000', 'sentinel failover-timeout films 3000'];

    beforeEach(async () => {
      [primary, replica] = await Promise.all([start(), start()]);
      await follow(primary, [replica]);
      sentinels = [await startSentinel(primary, QUICK)];
      url = `redis+sentinel://127.0.0.1:${sentinels[0]?.port}/films`;
    });
    afterEach(async () => {
      await Promise.all(sentinels.map((sentinel) => sentinel.stop()));
    });

    test('most of them must name this very process', async () => {
      // A sentinel learns of the process by INFO, every ten seconds.
      await vi.waitFor(() => check(url).confirm('k'), WAIT);
      const one = check(url);
      await one.confirm('k');
      const half = url.replace('/films', ',127.0.0.1:1/films');
      await refused(check(half).confirm('k'), 'of 2 sentinels 1 do not name it');
      await sentinels[0]?.stop();
      await refused(one.confirm('k'), 'of 1 sentinels 1', 'does not answer');
    });

    test('the old primary, from which only the sentinels are cut off, is left for the new one', async () => {
      const sentinel = quietRedis(`redis://127.0.0.1:${sentinels[0]?.port}`);
      await vi.waitFor(async () => {
        expect(JSON.stringify(await sentinel.call('SENTINEL', 'replicas', 'films'))).toContain(`${portOf(replica)}`);
      }, WAIT);
      // A client that does not hear of it: what the sentinels say counts, not only what replicas confirm.
      const deaf = check(`redis://127.0.0.1:${portOf(primary)}`, 0);
      const client = connectRedis(url, { profile: 'metadata', timeoutMs: TIMEOUT_MS });
      const before = await vi.waitFor(() => serverOfKey(client, 'k').then((text) => text || Promise.reject()), WAIT);
      expect(await deaf.confirm('k')).toBe(before);
      const oldOne = quietRedis(primary.url);
      await oldOne.acl('SETUSER', 'default', '-ping');
      await vi.waitFor(async () => {
        expect(`${await sentinel.call('SENTINEL', 'get-master-addr-by-name', 'films')}`).toContain(
          `${portOf(replica)}`,
        );
      }, WAIT);
      const now = quietRedis(replica.url);
      await vi.waitFor(async () => expect(await serverOfKey(client, 'k')).toBe(await serverOfKey(now, 'k')), WAIT);
      await client.set('written', 'by this client');
      expect(await now.get('written')).toBe('by this client');
      expect(await oldOne.get('written')).toBeNull();
      for (const redis of [sentinel, client, oldOne, now]) redis.disconnect();
    });
  });
});
