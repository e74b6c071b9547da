/** Which ids are old, by the clock of a real Redis: what is noted, what is answered, and what a clock that was set back does. */
import { afterAll, beforeEach, expect, it } from 'vitest';
import { REST_MS } from '../../src/ledger.ts';
import { type Filesystem, UINT64_MAX } from '../../src/model.ts';
import { askOldIds } from '../../src/queue/id-ages.ts';
import { ledgerMs } from '../../src/time.ts';
import { openQueueWorld, type QueueWorld } from './world.ts';

const worlds: QueueWorld[] = [];
let world: QueueWorld;

beforeEach(() => {
  world = openQueueWorld('id-ages');
  worlds.push(world);
});
afterAll(() => {
  for (const one of worlds) one.close();
});

const filesystem = (lastChunkId?: bigint): Filesystem => ({
  fsId: 1,
  uuid: 'one',
  name: 'n',
  bucket: 'b',
  objectPrefix: 0,
  blockSize: 16,
  chunkSize: 64,
  ...(lastChunkId === undefined ? {} : { lastChunkId }),
});
const old = (lastChunkId?: bigint, lookOnly?: boolean) =>
  askOldIds({ connection: world.redis, prefix: world.prefix }, filesystem(lastChunkId), lookOnly);
const key = () => `${world.prefix}:ids:one`;
const notes = () => world.redis.lrange(key(), 0, -1);

/** Notes by their age in ms, oldest first. */
async function noted(...all: readonly (readonly [ageMs: number, id: bigint])[]): Promise<number> {
  const [seconds] = await world.redis.time();
  const nowMs = Number(seconds) * 1000;
  await world.redis.rpush(key(), ...all.map(([ageMs, id]) => `${nowMs - ageMs} ${id}`));
  return nowMs;
}

it('knows nothing at first, always has a note of now, and no more than a handful', async () => {
  for (let id = 7n; id < 20n; id++) expect(await old(id)).toBeNull();
  expect(await notes()).toEqual([expect.stringMatching(/^\d{13} 7$/), expect.stringMatching(/^\d{13} 19$/)]);
  expect(await world.redis.pttl(key())).toBeGreaterThan(REST_MS);
});

it('answers the newest note that is old enough, with every digit of its id', async () => {
  const big = UINT64_MAX - 1n;
  const nowMs = await noted([3 * REST_MS, 5n], [REST_MS + 5_000, big], [REST_MS - 60_000, big + 1n]);
  expect(await old(big, true)).toEqual({ atMs: nowMs - REST_MS - 5_000, chunkId: big });
});

it('says by when the ids of now are old at the latest, however often somebody asks until then', async () => {
  const nowMs = await noted([2 * REST_MS, 1n], [60_000, 2n], [30_000, 3n]);
  const { againMs = ledgerMs(0) } = (await old(9n)) ?? {};
  expect(againMs).toBeGreaterThanOrEqual(nowMs + REST_MS + 60_000);
  expect((await notes()).map((note) => note.split(' ')[1])).toEqual(['1', '2', '9']);
  // A minute after the last that stays, a note stays, too: it is old a minute later than that of now would have been.
  await world.redis.lset(key(), 2, `${nowMs + 1 - 1_000} 9`);
  await world.redis.lset(key(), 1, `${nowMs - 61_000} 2`);
  await old(10n);
  expect((await notes()).map((note) => note.split(' ')[1])).toEqual(['1', '2', '9', '10']);
});

it('keeps a note that is in use, however soon the next one comes', async () => {
  await noted([REST_MS + 30_000, 1n], [REST_MS + 1_000, 2n]);
  expect(await old(9n)).toMatchObject({ chunkId: 2n });
  expect(await old(9n)).toMatchObject({ chunkId: 2n });
});

it('forgets notes that are not needed any more when it adds one', async () => {
  await noted([4 * REST_MS, 1n], [3 * REST_MS, 2n], [2 * REST_MS, 3n], [120_000, 4n]);
  expect(await old(9n)).toMatchObject({ chunkId: 3n });
  expect((await notes()).map((note) => note.split(' ')[1])).toEqual(['3', '4', '9']);
});

it('writes nothing when it only looks', async () => {
  expect(await old(7n, true)).toBeNull();
  expect(await notes()).toEqual([]);
  await noted([-3_600_000, 6n]);
  expect(await old(7n, true)).toBeNull();
  expect(await notes()).toHaveLength(1);
});

it('begins anew when notes come from the future: the clock was set back', async () => {
  await noted([2 * REST_MS, 5n], [-3_600_000, 6n]);
  expect(await old(7n)).toBeNull();
  expect((await notes()).map((note) => note.split(' ')[1])).toEqual(['7']);
});

it.each([undefined, UINT64_MAX])('asks nothing where the service does not tell its ids (%s)', async (lastChunkId) => {
  await noted([2 * REST_MS, 5n]);
  expect(await old(lastChunkId)).toBeNull();
  expect(await notes()).toHaveLength(1);
});

it('takes what cannot be read for not known', async () => {
  await world.redis.rpush(key(), 'nonsense');
  expect(await old(7n, true)).toBeNull();
});
