/**
 * The model of a JuiceFS client in itself: random programs, compactions and hourly jobs, from seeds that can be repeated. Every
 * byte is the one that was written, and every reference, object and counter adds up. The adapter reads the same.
 */
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { piecesOf } from '../../../src/layout/slices/index.ts';
import { JuicefsVolume } from '../../../src/metadata/juicefs/volume.ts';
import { recount } from '../../kit/juicefs-client/check.ts';
import { ModelClient } from '../../kit/juicefs-client/client.ts';
import { hourlyJobs } from '../../kit/juicefs-client/jobs.ts';
import { MemoryObjects } from '../../kit/juicefs-client/objects.ts';
import { Play } from '../../kit/juicefs-client/play.ts';
import { ModelVolume, overlay } from '../../kit/juicefs-client/volume.ts';
import { uniquePrefix } from '../../setup/isolation.ts';
import { Random } from '../../sim/seeded/random.ts';

const SEEDS = 6;
const STEPS = 60;
const DAYS = 3 * 24 * 3600;

describe.each([0, 1])('with %i days of trash', (trashDays) => {
  it.each(Array.from({ length: SEEDS }, (_, n) => n + 1))(
    'seed %i: all bytes are there, all counts are right',
    async (seed) => {
      const redis = new Redis(inject('redisUrl'));
      const prefix = `{${uniquePrefix('model')}}`;
      let nowSeconds = 1_800_000_000;
      const options = { redis, objects: new MemoryObjects(), name: 'vol', blockSize: 64 * 1024, trashDays, prefix };
      const volume = new ModelVolume({ ...options, now: () => nowSeconds });
      const adapter = new JuicefsVolume({ redis: redis.duplicate(), prefix, timeoutMs: 60_000 });
      try {
        await volume.format();
        const client = new ModelClient(volume);
        const play = new Play(client, new Random(seed));
        for (let step = 0; step < STEPS; step++) {
          await play.step();
          if (step % 3 === 0) await play.behind();
          nowSeconds += 1200;
          if (step % 10 === 9) expect((await recount(volume)).faults, play.trace.join('\n')).toEqual([]);
        }
        for (const file of play.files) {
          const read = await client.read(file.inode);
          expect(read.equals(play.bytesOf(file)), `inode ${file.inode}\n${play.trace.join('\n')}`).toBe(true);
          for (const chunk of [0, 1]) {
            const ours = piecesOf(await adapter.list(BigInt(file.inode), chunk));
            const theirs = overlay(await volume.list(file.inode, chunk)).filter(({ id }) => id > 0);
            expect(ours.map(({ begin, end, id, from }) => [begin, end - begin, Number(id), from])).toEqual(
              theirs.map(({ pos, len, id, off }) => [pos, len, id, off]),
            );
          }
        }
        // All goes that the trash and the delayed deletes have kept.
        for (let round = 0; round < 2; round++) {
          nowSeconds += DAYS;
          await hourlyJobs(client);
        }
        expect((await redis.hlen(volume.key('delSlices'))) + (await redis.zcard(volume.key('delfiles')))).toBe(0);
        expect((await recount(volume)).faults, play.trace.join('\n')).toEqual([]);
      } finally {
        await adapter.close();
        redis.disconnect();
      }
    },
  );
});
