/**
 * Everybody at once on one volume with real servers, each in a process of its own: the model of a client writes, workers of
 * s3compact compact and are killed, and the real program compacts the same files (`gc --compact`). At the end every byte is
 * there by the real program's own reading, its fsck is clean, its gc leaks nothing, and references, space and inodes add up.
 */
import { createHash } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import { recount } from '../kit/juicefs-client/check.ts';
import { ModelClient } from '../kit/juicefs-client/client.ts';
import { hourlyJobs } from '../kit/juicefs-client/jobs.ts';
import { BucketObjects } from '../kit/juicefs-client/objects.ts';
import { Play } from '../kit/juicefs-client/play.ts';
import { ModelVolume } from '../kit/juicefs-client/volume.ts';
import { juicefsVersion } from '../kit/servers/juicefs.ts';
import { CommandProcess } from '../kit/support/command-process.ts';
import { Random } from '../sim/seeded/random.ts';
import { hashOf } from './juicefs-judge.ts';
import { HASTY_ENV, JuicefsWorld, VOLUME } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';
const KILLS = 8;
/** On a busy machine there are more kills before so many runs have compacted. */
const COMPACTED_MIN = 4;
const KILLS_MAX = 40;
/** Operations between two kills: until the worker has ended a run, within these bounds. */
const STEPS_MIN = 20;
const STEPS_MAX = 400;
const BLOCK = 64 * 1024;
const DAY_SECONDS = 86_400;
const sha = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

/** A worker that is killed and started again. */
class Worker {
  runs = 0;
  compacted = 0;
  kills = 0;
  readonly #env: Readonly<Record<string, string>>;
  #process: CommandProcess;

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
    this.#process = this.#start();
  }

  #start(): CommandProcess {
    const onLine = ({ outcome }: { readonly outcome?: string }) => {
      if (outcome !== undefined) this.runs++;
      if (outcome === 'compacted') this.compacted++;
    };
    return new CommandProcess({ args: ['worker'], env: { ...this.#env, S3COMPACT_LOG_LEVEL: 'info' }, onLine });
  }

  async kill(): Promise<void> {
    this.#process.child.kill('SIGKILL');
    await this.#process.ended;
    this.kills++;
    this.#process = this.#start();
  }

  stop(): Promise<void> {
    return this.#process.stop(60_000);
  }
}

describe.runIf(isReal).each([0, 1])('with %i days of trash', (trashDays) => {
  it('every byte and every count stays, whoever compacts and whoever is killed', async () => {
    const world = await JuicefsWorld.open('beside', ['--trash-days', `${trashDays}`, '--block-size', '64K']);
    const redis = world.redis.duplicate();
    const env = { ...world.env, ...HASTY_ENV };
    const command = (argv: readonly string[]) => {
      const ended = new CommandProcess({ args: argv, env });
      return ended.ended.then(() => ended);
    };
    let nowSeconds = Math.floor(Date.now() / 1000);
    const objects = new BucketObjects(world.s3, world.bucket, VOLUME);
    const options = { redis, objects, name: VOLUME, blockSize: BLOCK, trashDays, now: () => nowSeconds };
    const client = new ModelClient(new ModelVolume(options));
    // Without a trash a client deletes at once what another may be copying.
    const play = new Play(client, new Random(71 + trashDays), { reads: true, far: false, copies: trashDays > 0 });
    await world.ageIds();
    const worker = new Worker(env);
    let done = false;
    const programs = async () => {
      try {
        while (worker.kills < KILLS || (worker.compacted < COMPACTED_MIN && worker.kills < KILLS_MAX)) {
          const { runs } = worker;
          for (let n = 0; n < STEPS_MIN || (n < STEPS_MAX && worker.runs === runs); n++) await play.step();
          await worker.kill();
        }
      } finally {
        done = true;
      }
    };
    const untilDone = async (act: () => Promise<unknown>) => {
      for (let last = false; !last; ) {
        last = done;
        await act();
      }
    };
    try {
      await Promise.all([
        programs(),
        untilDone(() => command(['scan', '1'])),
        untilDone(() => world.real.run(['gc', '--compact', world.real.metaUrl])),
      ]);
      await worker.stop();
      const told = play.trace.join('\n');
      const rest = await command(['run', '1']);
      expect({ exit: rest.exit, lines: rest.lines }).toMatchObject({ exit: '0' });
      for (let pending = 1; pending > 0; ) {
        const { stdout } = await command(['reap', '--json']);
        const reaped = JSON.parse(stdout) as { readonly pending: number; readonly doubts: readonly string[] };
        expect(reaped.doubts).toEqual([]);
        ({ pending } = reaped);
      }
      console.log(`${worker.compacted} runs compacted, ${worker.kills} workers killed`);
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
      expect(await world.redis.hkeys('~s3compact')).toEqual(['ids']);
      const served = await world.real.serve('webdav', ['--read-only']);
      for (const file of play.files) {
        const read = await hashOf(`${served.url}/${file.name}`);
        expect(read, `${file.name}\n${told}`).toBe(sha(play.bytesOf(file)));
      }
      await served.stop();
      expect(worker.compacted).toBeGreaterThanOrEqual(COMPACTED_MIN);
    } finally {
      done = true;
      await worker.stop();
      redis.disconnect();
      await world.close();
    }
  });
});
