/**
 * A walk over a Redis that is restarted, or is another one: a SCAN cursor means nothing to a new process, and inodes
 * would be missed in silence. Servers of their own; a restart needs a real one.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { InodePage } from '../../../src/metadata/port.ts';
import { findRedis, type RedisService, startRedis } from '../../kit/servers/redis.ts';
import { type RedisWorld, redisWorld } from '../redis-world.ts';
import { collect, INODE } from '../world.ts';

const INODES = 3_000;

async function fill(world: RedisWorld): Promise<void> {
  const batch = world.redis.pipeline();
  for (let n = 0; n < INODES; n++) {
    const { key: _, ...fields } = INODE;
    batch.hset(world.keyOf({ fsId: 7, inodeId: BigInt(n) }), fields);
  }
  await batch.exec();
}

async function firstPage(world: RedisWorld): Promise<InodePage> {
  for await (const page of world.store.inodePages(7)) return page;
  throw new Error('no page');
}

describe.runIf(findRedis() !== undefined)('a walk on a server that was restarted', () => {
  let server: RedisService;
  beforeAll(async () => {
    server = await startRedis({ config: ['--enable-debug-command', 'yes'] });
  });
  afterAll(() => server.stop());

  /** Another process with the same data: it is loaded from a snapshot. The command must not be sent again. */
  async function restart(world: RedisWorld): Promise<void> {
    const life = async () => /run_id:(\w+)/.exec(await world.redis.info('server'))?.[1];
    const before = await life();
    const once = new Redis(server.url, { retryStrategy: () => null, autoResendUnfulfilledCommands: false });
    once.on('error', () => undefined);
    await once.save();
    await once.call('DEBUG', 'RESTART').catch(() => undefined);
    once.disconnect();
    await vi.waitFor(async () => expect(await life()).not.toBe(before), { timeout: 600_000, interval: 20 });
  }

  test('the cursor of before begins anew; the walk that was under way is told that it may have missed some', async () => {
    const world = await redisWorld(server.url);
    await fill(world);
    const { cursor } = await firstPage(world);
    const walk = world.store.inodePages(7)[Symbol.asyncIterator]();
    await walk.next();
    await restart(world);
    const pages = await collect(world.store.inodePages(7, cursor ?? ''));
    expect(pages[0]?.restarted).toBe(true);
    expect(new Set(pages.flatMap(({ keys }) => keys.map(({ inodeId }) => inodeId))).size).toBe(INODES);
    const rest = async () => {
      while ((await walk.next()).done !== true);
    };
    await expect(rest()).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
    await world.close();
  });

  test("another file system's cursor does not fit", async () => {
    const world = await redisWorld(server.url);
    await fill(world);
    const { cursor } = await firstPage(world);
    for await (const { restarted } of world.store.inodePages(8, cursor ?? '')) {
      expect(restarted).toBe(true);
      break;
    }
    await world.close();
  });

  test('a user who may not ask for the life of the server walks, and always from the start', async () => {
    const world = await redisWorld(server.url);
    await fill(world);
    await world.redis.call('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', '+@all', '-info');
    const { cursor } = await firstPage(world);
    const narrow = await redisWorld(server.url, { storeUrl: server.url.replace('://', '://narrow:secret@') });
    const pages = await collect(narrow.store.inodePages(7, cursor ?? ''));
    expect(pages[0]?.restarted).toBe(true);
    expect(pages.at(-1)?.cursor).toBeNull();
    await narrow.close();
    await world.close();
  });
});
