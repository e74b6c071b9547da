/** The quarantine book on real Redis, and the commands over it: what is stopped, why, and how it goes on. */
import { afterAll, beforeEach, expect, inject, it } from 'vitest';
import { Quarantine } from '../../src/queue/quarantine.ts';
import { ledgerMs } from '../../src/time.ts';
import { runCli } from '../cli/fixture.ts';
import { openQueueWorld, type QueueWorld } from './world.ts';

const STORE_ID = 'redis:fs';
const KEY = { fsId: 1, inodeId: 2n ** 64n - 1n };
const ENTRY = { code: 'list-invalid', reason: 'chunk 3 crosses its border', sinceMs: 1_700_000_000_000 };
const worlds: QueueWorld[] = [];
let world: QueueWorld;
let quarantine: Quarantine;

beforeEach(() => {
  world = openQueueWorld('quarantine');
  worlds.push(world);
  quarantine = new Quarantine({ connection: world.redis, prefix: world.prefix }, STORE_ID);
});
afterAll(() => {
  for (const one of worlds) one.close();
});

async function command(...argv: string[]) {
  return runCli(['quarantine', ...argv], { REDIS_URL: inject('redisUrl'), QUEUE_PREFIX: world.prefix });
}

it('keeps the first reason, until the inode is released', async () => {
  expect(await quarantine.get(KEY)).toBeNull();
  await quarantine.put(KEY, ENTRY);
  await quarantine.put(KEY, { ...ENTRY, reason: 'another one' });
  expect(await quarantine.get(KEY)).toEqual(ENTRY);
  expect(await quarantine.release(KEY)).toBe(true);
  expect(await quarantine.release(KEY)).toBe(false);
  expect(await quarantine.get(KEY)).toBeNull();
});

it('tells in one look whether there is anything to release', async () => {
  expect(await quarantine.noted(KEY)).toEqual({ entry: null, hasNotes: false });
  await quarantine.countMissing(KEY, ledgerMs(1));
  expect(await quarantine.noted(KEY)).toEqual({ entry: null, hasNotes: true });
  await quarantine.put(KEY, ENTRY);
  expect(await quarantine.noted(KEY)).toEqual({ entry: ENTRY, hasNotes: true });
  await quarantine.release(KEY);
  expect(await quarantine.noted(KEY)).toEqual({ entry: null, hasNotes: false });
});

it('is one for each metadata store', async () => {
  await quarantine.put(KEY, ENTRY);
  const other = new Quarantine({ connection: world.redis, prefix: world.prefix }, 'redis:other');
  expect(await other.get(KEY)).toBeNull();
  expect(await other.count()).toBe(0);
});

it('counts and lists thousands; an entry that cannot be read stays in it', async () => {
  const ids = Array.from({ length: 3_000 }, (_, n) => BigInt(n));
  await Promise.all(ids.map((inodeId) => quarantine.put({ fsId: 1, inodeId }, ENTRY)));
  await world.redis.hset(`${world.prefix}:quarantine:${STORE_ID}`, '2/7', 'not JSON');
  const all = [];
  for await (const one of quarantine.all()) all.push(one);
  expect(await quarantine.count()).toBe(3_001);
  expect(new Set(all.map(({ key }) => `${key.fsId}/${key.inodeId}`)).size).toBe(3_001);
  expect(all.find(({ key }) => key.fsId === 2)).toMatchObject({ code: 'unreadable', reason: 'not JSON' });
});

it('list: one row each, oldest first, cut with a note, and whole for programs', async () => {
  expect((await command('list')).stdout).toContain('no inode is in quarantine');
  await quarantine.put(KEY, ENTRY);
  await quarantine.put({ fsId: 2, inodeId: 5n }, { ...ENTRY, code: 'object-missing', sinceMs: 1_600_000_000_000 });
  const { stdout, exitCode } = await command('list');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('1/18446744073709551615');
  expect(stdout).toContain('chunk 3 crosses its border');
  expect(stdout.indexOf('2/5')).toBeLessThan(stdout.indexOf('1/184'));
  expect((await command('list', '2')).stdout).not.toContain('1/184');
  const cut = (await command('list', '--limit', '1')).stdout;
  expect(cut).toContain('2 inodes in quarantine, 1 shown');
  expect(cut).toContain('2/5');
  expect(JSON.parse((await command('list', '1', '--json')).stdout)).toEqual({
    total: 1,
    inodes: [{ fsId: 1, inodeId: '18446744073709551615', ...ENTRY }],
  });
});

it('release: says whether it was there, and queues it when asked', async () => {
  await quarantine.put(KEY, ENTRY);
  const inode = ['1', `${KEY.inodeId}`];
  expect((await command('release', ...inode)).stdout).toContain('is released');
  expect((await command('release', ...inode)).stdout).toContain('was not in quarantine');
  expect(JSON.parse((await command('release', ...inode, '--queue', '--json')).stdout)).toEqual({
    released: false,
    queued: true,
  });
  expect(await world.redis.exists(`${world.prefix}:compact:de:1/${KEY.inodeId}`)).toBe(1);
});

it('list: the oldest are shown, in whatever order they are found', async () => {
  const ids = Array.from({ length: 600 }, (_, n) => n);
  await Promise.all(ids.map((n) => quarantine.put({ fsId: 1, inodeId: BigInt(n) }, { ...ENTRY, sinceMs: 1_000 - n })));
  const { total, inodes } = JSON.parse((await command('list', '--limit', '7', '--json')).stdout);
  expect(total).toBe(600);
  expect(inodes.map(({ inodeId }: { inodeId: string }) => Number(inodeId))).toEqual([
    599, 598, 597, 596, 595, 594, 593,
  ]);
});

it('release --all: every inode of that file system, and of no other', async () => {
  const ids = Array.from({ length: 1_500 }, (_, n) => BigInt(n));
  await Promise.all(ids.map((inodeId) => quarantine.put({ fsId: 1, inodeId }, ENTRY)));
  await quarantine.put({ fsId: 2, inodeId: 5n }, ENTRY);
  expect((await command('release', '1', '--all')).stdout).toContain('1,500 inodes of file system 1 released');
  expect(await quarantine.count()).toBe(1);
  expect(JSON.parse((await command('release', '2', '--all', '--queue', '--json')).stdout)).toEqual({
    released: 1,
    queued: 1,
  });
  expect(await quarantine.count()).toBe(0);
  expect(await world.redis.exists(`${world.prefix}:compact:de:2/5`)).toBe(1);
});

it.each([[['1']], [['1', '2', '--all']]])(
  'release %j: neither or both is bad usage, and releases nothing',
  async (argv) => {
    await quarantine.put({ fsId: 1, inodeId: 2n }, ENTRY);
    const { exitCode, stderr } = await command('release', ...argv);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('either an inode or --all');
    expect(await quarantine.count()).toBe(1);
  },
);
