/**
 * The model of a JuiceFS client against the real program, in both directions: what the model wrote the real one reads byte
 * for byte, finds nothing wrong with and compacts; what the real one wrote and compacted the model reads.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { recount } from '../kit/juicefs-client/check.ts';
import { ModelClient } from '../kit/juicefs-client/client.ts';
import { BucketObjects } from '../kit/juicefs-client/objects.ts';
import { Play } from '../kit/juicefs-client/play.ts';
import { ModelVolume } from '../kit/juicefs-client/volume.ts';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { Random } from '../sim/seeded/random.ts';
import { hashOf } from './juicefs-judge.ts';
import { JuicefsWorld, VOLUME, writeByAllWays } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';
const ROUNDS = 2;
const STEPS = 40;
const sha = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

describe.runIf(isReal).each([0, 1])('with %i days of trash', (trashDays) => {
  let world: JuicefsWorld;
  let redis: Redis;

  beforeEach(async () => {
    world = await JuicefsWorld.open('model', ['--trash-days', `${trashDays}`, '--block-size', '64K']);
    redis = world.redis.duplicate();
  });

  afterEach(async () => {
    redis.disconnect();
    await world.close();
  });

  function modelOf(blockSize: number): ModelClient {
    const objects = new BucketObjects(world.s3, world.bucket, VOLUME);
    return new ModelClient(new ModelVolume({ redis, objects, name: VOLUME, blockSize, trashDays }));
  }

  /** No object without a name, no name without an object, by the real program's own count. */
  async function expectClean(): Promise<void> {
    await world.real.run(['fsck', world.real.metaUrl]);
    const gc = await world.real.run(['gc', world.real.metaUrl], { JFS_GC_SKIPPEDTIME: '0' });
    expect(Number(/ (\d+) leaked/.exec(gc)?.[1]), gc).toBe(0);
  }

  it('what the model wrote is read, checked and compacted by the real program', async () => {
    const client = modelOf(64 * 1024);
    const play = new Play(client, new Random(17 + trashDays));
    for (let round = 0; round < ROUNDS; round++) {
      for (let step = 0; step < STEPS; step++) {
        await play.step();
        if (step % 4 === 0) await play.behind();
      }
      const told = play.trace.join('\n');
      expect((await recount(client.volume)).faults, told).toEqual([]);
      await expectClean();
      const served = await world.real.serve('webdav', ['--read-only']);
      try {
        for (const file of play.files) {
          const theirs = await hashOf(`${served.url}/${file.name}`);
          expect(theirs, `${file.name}, inode ${file.inode}\n${told}`).toBe(sha(play.bytesOf(file)));
        }
      } finally {
        await served.stop();
      }
      await world.real.run(['gc', '--compact', world.real.metaUrl]);
      for (const file of play.files)
        expect(sha(await client.read(file.inode)), `compacted: ${file.inode}\n${told}`).toBe(sha(play.bytesOf(file)));
      expect((await recount(client.volume)).faults, `compacted\n${told}`).toEqual([]);
      await expectClean();
    }
  });
});

describe.runIf(isReal)('a volume of the real program', () => {
  it('is read and counted by the model, before and after the real program has compacted it', async () => {
    const world = await JuicefsWorld.open('model-reads');
    try {
      await writeByAllWays(world);
      const objects = new BucketObjects(world.s3, world.bucket, VOLUME);
      const options = { redis: world.redis, objects, name: VOLUME, blockSize: 4 * 1024 * 1024, trashDays: 1 };
      const client = new ModelClient(new ModelVolume(options));
      const files = await filesBelow(world.redis);
      expect(files.size).toBeGreaterThanOrEqual(canMount() ? 16 : 7);
      const shas = new Map<string, string>();
      const served = await world.real.serve('webdav', ['--read-only']);
      for (const path of files.keys()) shas.set(path, await hashOf(`${served.url}${path}`));
      await served.stop();
      for (const compacts of [false, true]) {
        if (compacts) await world.real.run(['gc', '--compact', world.real.metaUrl]);
        for (const [path, inode] of files)
          expect(sha(await client.read(inode)), `${path}, compacted: ${compacts}`).toBe(shas.get(path));
        expect((await recount(client.volume)).faults).toEqual([]);
      }
    } finally {
      await world.close();
    }
  });
});

/** Paths and inodes of all files, from directory to directory. */
async function filesBelow(redis: Redis, directory = 1n, path = ''): Promise<ReadonlyMap<string, bigint>> {
  const found = new Map<string, bigint>();
  for (const [name, value] of Object.entries(await redis.hgetallBuffer(`d${directory}`))) {
    const inode = value.readBigUInt64BE(1);
    if (value[0] === 1) found.set(`${path}/${name}`, inode);
    if (value[0] === 2) for (const below of await filesBelow(redis, inode, `${path}/${name}`)) found.set(...below);
  }
  return found;
}
