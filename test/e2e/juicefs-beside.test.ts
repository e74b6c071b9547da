/**
 * Everybody at once on one volume with real servers: the model of a client writes, s3compact compacts, and the real program
 * compacts the same files (`gc --compact`). At the end every byte is there by the real program's own reading, its fsck is
 * clean, its gc leaks nothing, and references, space and inodes add up.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { compactSlices, type SliceDeps } from '../../src/compact/compact-slices.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import type { CompactLimits } from '../../src/compact/types.ts';
import { loadSettings } from '../../src/config/index.ts';
import { CompactError } from '../../src/errors.ts';
import { JuicefsCommits } from '../../src/metadata/juicefs/commits.ts';
import { createLogger } from '../../src/observe/log.ts';
import { reapSlices, type SliceReapDeps } from '../../src/reap/reap-slices.ts';
import { openVolumeObjects, volumeFilesystem } from '../../src/wiring/open-volume.ts';
import { recount } from '../kit/juicefs-client/check.ts';
import { ModelClient } from '../kit/juicefs-client/client.ts';
import { hourlyJobs } from '../kit/juicefs-client/jobs.ts';
import { BucketObjects } from '../kit/juicefs-client/objects.ts';
import { Play } from '../kit/juicefs-client/play.ts';
import { ModelVolume } from '../kit/juicefs-client/volume.ts';
import { juicefsVersion } from '../kit/servers/juicefs.ts';
import { LedgerState, MemoryLedger } from '../sim/memory-ledger.ts';
import { Random } from '../sim/seeded/random.ts';
import { hashOf } from './juicefs-judge.ts';
import { JuicefsWorld, VOLUME } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';
const STEPS = 150;
const BLOCK = 64 * 1024;
const DAY_SECONDS = 86_400;
const LIMITS: CompactLimits = {
  policy: { fragmentThreshold: 2, readGapBytes: 4096, bytesPerGet: 16 * BLOCK, storagePrice: 2 },
  chunksMax: 10,
  bytesMax: 1e9,
  requestsMax: 1e6,
  durationMaxMs: 600_000,
  leaseMs: 600_000,
  graceMs: 0,
  commitTimeoutMs: 60_000,
  blocksInFlight: 2,
  getsInFlight: 4,
};
const sha = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

/** A process of s3compact in this one, but for its queue. */
async function openCompactor(world: JuicefsWorld, redis: Redis) {
  const settings = loadSettings({ flags: {}, env: { METADATA_URL: world.url() } });
  const volume = await world.volume();
  const setting = await volume.setting();
  const objects = await openVolumeObjects(settings, createLogger({ level: 'error' }), { volume, setting });
  const commits = new JuicefsCommits({ redis, prefix: '', timeoutMs: 60_000, idsAgeMs: 0 });
  const state = new LedgerState();
  state.clock = Date.now;
  const ledger = new MemoryLedger(state);
  const deps: SliceDeps & SliceReapDeps = {
    volume,
    commits,
    ledger,
    clock: systemClock,
    memory: new MemoryBudget(1 << 26),
    attemptIds: new AttemptIds(),
    objectsOf: () => objects.store,
    graceMs: 0,
    codecOf: async () => undefined,
    filesystemOf: () => volumeFilesystem(setting, settings),
    nowMs: () => ledger.nowMs(),
  };
  const close = async () => {
    objects.close();
    commits.close();
    await volume.close();
  };
  return { deps, state, close };
}

describe.runIf(isReal).each([0, 1])('with %i days of trash', (trashDays) => {
  it('every byte and every count stays, whoever compacts', async () => {
    const world = await JuicefsWorld.open('beside', ['--trash-days', `${trashDays}`, '--block-size', '64K']);
    const [redis, ours] = [world.redis.duplicate(), world.redis.duplicate()];
    const { deps, state, close } = await openCompactor(world, ours);
    let nowSeconds = Math.floor(Date.now() / 1000);
    const objects = new BucketObjects(world.s3, world.bucket, VOLUME);
    const options = { redis, objects, name: VOLUME, blockSize: BLOCK, trashDays, now: () => nowSeconds };
    const client = new ModelClient(new ModelVolume(options));
    // Without a trash a client deletes at once what another may be copying.
    const play = new Play(client, new Random(71 + trashDays), { reads: true, far: false, copies: trashDays > 0 });
    let done = false;
    const counts = { compacted: 0, looks: 0, theirs: 0 };
    const programs = async () => {
      try {
        for (let step = 0; step < STEPS; step++) await play.step();
      } finally {
        done = true;
      }
    };
    const compactors = async () => {
      for (let last = false; !last; ) {
        last = done;
        // There may be no file yet.
        await setImmediate();
        for (const { inode } of [...play.files]) {
          const result = await compactSlices({ fsId: 1, inodeId: BigInt(inode) }, deps, { limits: LIMITS }).catch(
            (error: unknown) => {
              // Deleted meanwhile, or an object of a list that is replaced already.
              if (error instanceof CompactError && /^(?:inode|object)-/.test(error.code)) return null;
              throw error;
            },
          );
          if (result?.outcome === 'compacted') counts.compacted++;
        }
      }
    };
    const theirs = async () => {
      for (let last = false; !last; counts.theirs++) {
        last = done;
        await world.real.run(['gc', '--compact', world.real.metaUrl]);
      }
    };
    try {
      await Promise.all([programs(), compactors(), theirs()]);
      const told = play.trace.join('\n');
      for (let next = state.first(); next !== undefined; next = state.first()) {
        const verdict = await reapSlices(next.record, deps);
        counts.looks++;
        expect('doubt' in verdict ? verdict.doubt : undefined).toBeUndefined();
        if (verdict.kind === 'done') state.delete(next.id);
        else state.set(next.id, verdict.record);
      }
      console.log(JSON.stringify(counts));
      expect(counts.compacted).toBeGreaterThan(0);
      expect((await recount(client.volume)).faults, told).toEqual([]);
      // The trash and the delayed deletes are over: nothing but what is read is left.
      for (let day = 0; day < 2; day++) {
        nowSeconds += 2 * DAY_SECONDS;
        await hourlyJobs(client);
      }
      expect((await recount(client.volume)).faults, told).toEqual([]);
      await world.real.run(['fsck', world.real.metaUrl]);
      const gc = await world.real.run(['gc', world.real.metaUrl], { JFS_GC_SKIPPEDTIME: '0' });
      expect(Number(/ (\d+) leaked/.exec(gc)?.[1]), gc).toBe(0);
      const served = await world.real.serve('webdav', ['--read-only']);
      for (const file of play.files) {
        const read = await hashOf(`${served.url}/${file.name}`);
        expect(read, `${file.name}\n${told}`).toBe(sha(play.bytesOf(file)));
      }
      await served.stop();
    } finally {
      await close();
      redis.disconnect();
      ours.disconnect();
      await world.close();
    }
  });
});
