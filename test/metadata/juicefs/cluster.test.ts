/**
 * A volume in Redis Cluster: one address is enough to find out that it is one, and all of a volume's keys begin with its
 * number in braces. It needs a real server: the embedded one has no cluster.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadSettings } from '../../../src/config/index.ts';
import { wasteOf } from '../../../src/waste/waste.ts';
import { openVolume, openVolumeToChange } from '../../../src/wiring/open-volume.ts';
import { RawVolume, wholeSlice } from '../../kit/juicefs/raw-volume.ts';
import { findRedis, type RedisService, startRedis } from '../../kit/servers/redis.ts';

describe.runIf(findRedis() !== undefined)('a volume in Redis Cluster', () => {
  let server: RedisService;
  let redis: Redis;

  beforeAll(async () => {
    server = await startRedis({ config: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] });
    redis = new Redis(server.url);
    await redis.cluster('ADDSLOTSRANGE', 0, 16_383);
    await vi.waitFor(async () => expect(await redis.cluster('INFO')).toContain('cluster_state:ok'), {
      timeout: 600_000,
      interval: 50,
    });
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('is found behind one address, beside others of other numbers', async () => {
    for (const [number, files] of [
      [3, 2],
      [4, 1],
    ] as const) {
      const raw = new RawVolume(redis, `{${number}}`);
      await raw.format(`vol${number}`);
      for (let n = 2; n < 2 + files; n++) {
        await raw.inode(n, { length: 1_000 });
        await raw.list(n, 0, [wholeSlice(n, 0, 1_000)]);
      }
      await raw.volume.close();
    }
    const { host } = new URL(server.url);
    for (const hosts of [host, `${host},${host}`]) {
      const env = { METADATA_URL: `juicefs+redis://${hosts}/3` };
      const volume = await openVolume(loadSettings({ flags: {}, env }), { connectMs: 60_000 });
      const setting = await volume.setting();
      expect(setting.volume).toBe('vol3');
      const { live, storedBytes } = await wasteOf(volume, { geometry: setting, top: 1, order: 'waste' });
      expect({ files: live.files, storedBytes }).toEqual({ files: 2, storedBytes: 2_000 });
      await volume.close();
    }
  });

  it('is changed in the slot of its number, by the scripts and beside a list that grows', async () => {
    const raw = new RawVolume(redis, '{5}');
    await raw.format('vol5');
    await redis.set('{5}nextchunk', '100');
    const list = [wholeSlice(1, 0, 1_000), wholeSlice(2, 500, 1_000)];
    await raw.list(7, 0, list);
    const env = { METADATA_URL: `juicefs+redis://${new URL(server.url).host}/5` };
    const { volume, commits } = await openVolumeToChange(loadSettings({ flags: {}, env }), { connectMs: 60_000 });
    await commits.tryRights();
    expect(await commits.takeIds(1, 2n)).toMatchObject({ first: null });
    const fence = { attempt: 5n, inodeId: 7n, chunkIndex: 0, deadlineMs: Date.now() + 3_600_000 };
    expect(await commits.begin(fence)).toBe('begun');
    const replaced = await volume.list(7n, 0);
    const replacement = [{ offset: 0, len: 1_500, id: 90n, size: 1_500, from: 0 }];
    const request = { fence, replaced, replacement, ids: { first: 89n, count: 2 }, delayMs: 0 };
    expect(await commits.commit(request)).toEqual({ outcome: 'committed' });
    expect(await commits.clear(5n)).toEqual({ state: 'committed' });
    expect(await commits.release(5n)).toMatchObject({ state: 'deleting', slices: [{ id: 1n }, { id: 2n }] });
    await commits.forget(
      5n,
      list.map(({ id, size }) => ({ id: BigInt(id), size })),
    );
    expect(await volume.list(7n, 0)).toEqual(replacement);
    expect(await commits.confirmPrimary()).toBe(await commits.incarnation());
    expect(await redis.exists('{5}sliceRef', '{5}delSlices')).toBe(0);
    await volume.close();
    await raw.volume.close();
  });
});
