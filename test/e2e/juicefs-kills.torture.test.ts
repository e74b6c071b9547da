/**
 * Workers that are killed in the middle, again and again, over a volume of the real JuiceFS program, beside its own
 * compaction: in the end every byte is there, fsck is clean, nothing is leaked, references are exact.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { CommandProcess } from '../kit/support/command-process.ts';
import { eventually } from '../queue/world.ts';
import { everyByte, expectWhole, filesOf, wearOut } from './juicefs-judge.ts';
import { JuicefsWorld } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';
const KILLS = 10;
/** Short, so that what a dead worker leaves is soon looked at. */
const QUICK = {
  S3COMPACT_MAX_SECONDS: '2s',
  S3COMPACT_S3_TIMEOUT: '4s',
  S3COMPACT_S3_PATIENCE: '2s',
  S3COMPACT_LEASE: '20s',
  S3COMPACT_REDIS_TIMEOUT: '2s',
  S3COMPACT_LOCK_DURATION: '5s',
  S3COMPACT_LOG_LEVEL: 'debug',
};

describe.runIf(isReal && canMount()).each([1, 0])('workers that are killed, %i days of trash', (days) => {
  it('lose no byte and leave nothing', async () => {
    const world = await JuicefsWorld.open(`juicefs-kills-${days}`, ['--trash-days', `${days}`]);
    try {
      for (const directory of ['one', 'two', 'three']) await wearOut(world, directory);
      const files = [...(await filesOf(world)).keys()];
      const before = await everyByte(world, files);
      await world.ageIds();
      /** Attempts that were in the middle when their worker died. */
      const open = new Set<string>();
      for (let kill = 0; kill < KILLS; kill++) {
        // Further files, so that there is work until the last kill.
        await wearOut(world, `four-${kill}`);
        const found = await world.json<{ queued: number }>(['scan', '1']);
        expect(found.queued).toBeGreaterThan(0);
        const env = { ...world.env, ...QUICK };
        const worker = new CommandProcess({ args: ['worker'], env });
        const held = async () =>
          (await world.redis.hvals('~s3compact')).find((fence) => fence.startsWith('open ') && !open.has(fence));
        await eventually('an attempt is under way', async () => (await held()) ?? worker.child.exitCode !== null);
        // A little further into it each time.
        await delay(kill * 17);
        worker.child.kill('SIGKILL');
        await worker.ended;
        const fence = await held();
        if (fence !== undefined) open.add(fence);
        if (kill === KILLS / 2) await world.real.run(['gc', '--compact', world.real.metaUrl]);
        expect(await everyByte(world, files.slice(kill % 3, (kill % 3) + 4))).toEqual(
          Object.fromEntries(files.slice(kill % 3, (kill % 3) + 4).map((path) => [path, before[path]])),
        );
      }
      expect(open.size).toBeGreaterThan(0);
      const { exitCode, stdout } = await world.command(['run', '1', '--json']);
      expect(exitCode, stdout).toBe(0);
      for (let pending = 1; pending > 0; await delay(1_000))
        ({ pending } = await world.json<{ pending: number }>(['reap']));
      expect(await everyByte(world, files)).toEqual(before);
      await expectWhole(world);
      expect((await world.redis.hkeys('~s3compact')).toSorted()).toEqual(['ids']);
    } finally {
      await world.close();
    }
  });
});
