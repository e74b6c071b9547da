/**
 * A volume that the real JuiceFS program has written, compacted by our commands, and judged by the real program: every byte by
 * webdav, fsck, gc, and references recounted. In the suite file by file, without a trash, where what was replaced is deleted
 * at once. In the second tier with a trash too, and by a worker and by run, beside the program's own compaction and jobs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { createLogger } from '../../src/observe/log.ts';
import type { RunReport } from '../../src/wiring/run-inode.ts';
import { openWork } from '../../src/wiring/volume-clients.ts';
import { startWorker } from '../../workers/worker.ts';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { chunkObjects, everyByte, expectExactReferences, expectWhole, filesOf, wearOut } from './juicefs-judge.ts';
import { JuicefsWorld, writeByAllWays } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

export function describeVolume(days: 0 | 1, { whole }: { readonly whole: boolean }): void {
  describe.runIf(isReal && canMount())(`a volume with ${days} days of trash`, () => compactsVolume(days, whole));
}

function inDirectory(files: ReadonlyMap<string, bigint>, directory: string): string[] {
  return [...files.keys()].filter((path) => path.startsWith(`/${directory}/`));
}

function compactsVolume(days: 0 | 1, whole: boolean): void {
  let world: JuicefsWorld;
  let files: ReadonlyMap<string, bigint>;
  let before: Record<string, string>;

  beforeAll(async () => {
    world = await JuicefsWorld.open(`juicefs-compact-${days}`, ['--trash-days', `${days}`]);
    await writeByAllWays(world);
    await wearOut(world);
    files = await filesOf(world);
    before = await everyByte(world, [...files.keys()]);
    await world.ageIds();
  });

  afterAll(async () => {
    await world.close();
  });

  it('is compacted file by file, and the real program finds every byte', async () => {
    const records = async () => {
      let sum = 0;
      for (const list of await world.redis.keys('c*_*')) sum += await world.redis.llen(list);
      return sum;
    };
    const recordsBefore = await records();
    let compacted = 0;
    for (const path of files.keys()) {
      const { exitCode, stdout, stderr } = await world.command(['inode', '1', path, '--inline', '--json']);
      expect({ path, exitCode, stderr }).toEqual({ path, exitCode: 0, stderr: '' });
      const report = JSON.parse(stdout) as RunReport;
      expect(report).toMatchObject({ ending: 'done', warnings: [] });
      compacted += report.chunksCompacted;
    }
    expect(compacted).toBeGreaterThan(3);
    expect(await records()).toBeLessThan(recordsBefore - 50);
    expect(await everyByte(world, [...files.keys()])).toEqual(before);
  });

  it('has nothing leaked, and what was replaced goes when it is due', async () => {
    const objects = await chunkObjects(world);
    if (days === 1) await expectWhole(world);
    let deleted = 0;
    // Those that are not due yet are for the next.
    for (let pending = 1; pending > 0; ) {
      const reaped = await world.json<{ deleted: number; pending: number; doubts: string[] }>(['reap']);
      expect(reaped.doubts).toEqual([]);
      ({ pending } = reaped);
      deleted += reaped.deleted;
    }
    expect(deleted > 0).toBe(days === 0);
    await expectWhole(world);
    expect((await chunkObjects(world)) < objects).toBe(days === 0);
    // The program's own: with a trash nothing of it is due before its days are over.
    await world.real.run(['gc', '--delete', world.real.metaUrl], { JFS_GC_SKIPPEDTIME: '0' });
    await expectWhole(world);
    expect(await everyByte(world, [...files.keys()])).toEqual(before);
    expect((await world.redis.hkeys('~s3compact')).toSorted()).toEqual(['ids']);
  });

  it.runIf(whole)('is compacted by a worker beside the program, and no byte changes', async () => {
    await wearOut(world, 'again');
    const all = await filesOf(world);
    const expected = { ...before, ...(await everyByte(world, inDirectory(all, 'again'))) };
    const settings = loadSettings({ flags: {}, env: world.env });
    const log = createLogger({ level: 'silent' });
    const clients = await openWork(settings, log);
    const worker = startWorker(clients, log);
    try {
      const theirs = world.real.run(['gc', '--compact', world.real.metaUrl]);
      for (const path of inDirectory(all, 'again')) {
        // Where theirs was faster, the list is another one now.
        const { exitCode, stdout } = await world.command(['inode', '1', path, '--json']);
        expect([0, 3], stdout).toContain(exitCode);
      }
      await theirs;
      expect(await world.json(['status'])).toMatchObject({ quarantined: 0, workers: 1 });
    } finally {
      await worker.stop();
      await clients.close();
    }
    expect(await everyByte(world, [...all.keys()])).toEqual(expected);
    files = all;
    before = expected;
    for (let pending = 1; pending > 0; ) ({ pending } = await world.json<{ pending: number }>(['reap']));
    await world.real.run(['gc', '--delete', world.real.metaUrl]);
    await expectWhole(world);
  });

  it.runIf(whole)('is compacted as a whole by run, and a scan finds nothing more', async () => {
    await wearOut(world, 'third');
    files = await filesOf(world);
    before = { ...before, ...(await everyByte(world, inDirectory(files, 'third'))) };
    const { exitCode, stdout, stderr } = await world.command(['run', '1', '--json']);
    expect({ exitCode, stderr }, stdout).toEqual({ exitCode: 0, stderr: '' });
    expect(await world.json(['scan', '1'])).toMatchObject({ ending: 'done', queued: 0, backlog: { chunksWorthIt: 0 } });
    expect(await everyByte(world, [...files.keys()])).toEqual(before);
    await expectWhole(world);
  });

  it('is left alone when it is compacted again', async () => {
    const lists = await world.everything();
    for (const path of files.keys())
      expect(await world.json<RunReport>(['inode', '1', path, '--inline'])).toMatchObject({ outcome: 'nothing' });
    expect(await world.everything()).toEqual(lists);
  });

  it.runIf(whole)('stays an ordinary volume to the real program', async () => {
    const directory = mkdtempSync(join(tmpdir(), 's3compact-dump-'));
    for (const flags of [[], ['--binary']])
      await world.real.run(['dump', world.real.metaUrl, join(directory, 'dump'), ...flags]);
    rmSync(directory, { recursive: true });
    await world.real.run(['gc', '--compact', world.real.metaUrl]);
    expect(await everyByte(world, [...files.keys()])).toEqual(before);
    if (days === 1) await expectWhole(world);
    await expectExactReferences(world);
  });
}
