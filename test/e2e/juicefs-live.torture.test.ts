/**
 * Real clients on a mounted volume (FUSE) beside everybody else: they write, truncate and read, and hold files open, while
 * workers of s3compact compact and are killed and the real program runs `gc --compact`. Every read of theirs must be right; at
 * the end the real program reads every byte, its fsck is clean, its gc leaks nothing, and the references add up.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { CommandProcess, type LogLine } from '../kit/support/command-process.ts';
import { everyByte, expectWhole, wearOut } from './juicefs-judge.ts';
import { HASTY_ENV, JuicefsWorld } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && canMount() && inject('s3').kind === 'radosgw';
const COMPACTED_MIN = 12;
const COMPACTED_BETWEEN_KILLS = 3;
/** The real program compacts all that it sees, and leaves nothing to others where it never rests. */
const SCANS_BETWEEN_GC = 4;
const WORN = ['base.db', 'image.bin', 'over.db', 'small.log'];
const ENV = { ...HASTY_ENV, S3COMPACT_LOG_LEVEL: 'info', S3COMPACT_GRACE: '2s' };

/** What live-program.ts prints. */
interface Lived {
  /** Each with a check of a file that is held open. */
  readonly steps: number;
  readonly hashes: Readonly<Record<string, string>>;
}

describe.runIf(isReal).each([0, 1])('with %i days of trash', (trashDays) => {
  it('clients read what was written last, whoever compacts and whoever is killed', async () => {
    const world = await JuicefsWorld.open('live', ['--trash-days', `${trashDays}`, '--block-size', '256K']);
    const directory = mkdtempSync(join(tmpdir(), 's3compact-live-'));
    const stopFile = join(directory, 'stop');
    const env = { ...world.env, ...ENV };
    let compacted = 0;
    let kills = 0;
    const onLine = ({ outcome }: LogLine) => {
      if (outcome === 'compacted' && ++compacted % COMPACTED_BETWEEN_KILLS === 0) worker.child.kill('SIGKILL');
    };
    const start = () => new CommandProcess({ args: ['worker'], env, onLine });
    const command = async (...args: string[]) => {
      const one = new CommandProcess({ args, env });
      await one.ended;
      return one;
    };
    const live = async (seed: number): Promise<Lived> => {
      const program = join(import.meta.dirname, 'live-program.ts');
      const args = [process.execPath, program, stopFile, `${seed}`, 'worn'];
      return JSON.parse(await world.real.mounted('"$2" "$3" "$1" "$4" "$5" "$6"', args)) as Lived;
    };
    await wearOut(world);
    await world.ageIds();
    const paths = WORN.map((name) => `/worn/${name}`);
    const before = await everyByte(world, paths);
    let worker = start();
    let done = false;
    const clients = Promise.all([live(1), live(2)]).finally(() => (done = true));
    const workers = async () => {
      for (;;) {
        await worker.ended;
        if (done) return;
        kills++;
        worker = start();
      }
    };
    const others = async () => {
      for (let scans = 1; !done && compacted < COMPACTED_MIN; scans++) {
        await command('scan', '1');
        if (scans % SCANS_BETWEEN_GC === 0) await world.real.run(['gc', '--compact', world.real.metaUrl]);
      }
      writeFileSync(stopFile, '');
    };
    try {
      const [lived] = await Promise.all([clients.finally(() => worker.stop(60_000)), workers(), others()]);
      console.log(`${compacted} runs compacted, ${kills} workers killed`, lived);
      const rest = await command('run', '1');
      expect({ exit: rest.exit, lines: rest.lines }).toMatchObject({ exit: '0' });
      const expected = Object.assign(before, ...lived.map(({ hashes }) => hashes)) as Record<string, string>;
      expect(await everyByte(world, Object.keys(expected))).toEqual(expected);
      await expectWhole(world);
      expect(Math.min(...lived.map(({ steps }) => steps))).toBeGreaterThan(100);
    } finally {
      done = true;
      writeFileSync(stopFile, '');
      await worker.stop(60_000);
      rmSync(directory, { recursive: true });
      await world.close();
    }
  });
});
