/**
 * Volumes that the real JuiceFS program has written, compacted by our commands, and judged by the real program: every byte by
 * webdav, fsck, gc, and references recounted. With a trash and without, by one command and by a worker, alone and beside the
 * program's own compaction and hourly jobs.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { createLogger } from '../../src/observe/log.ts';
import type { RunReport } from '../../src/wiring/run-inode.ts';
import { openWork } from '../../src/wiring/volume-clients.ts';
import { startWorker } from '../../workers/worker.ts';
import { listObjects } from '../kit/juicefs/looks.ts';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { JuicefsWorld, VOLUME, writeByAllWays } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

/** Every file, by its path, as the real program reads it. It would compact what it reads if it could write. */
async function everyByte(world: JuicefsWorld, paths: readonly string[]): Promise<Record<string, string>> {
  const served = await world.real.serve('webdav', ['--read-only']);
  try {
    const read: Record<string, string> = {};
    for (const path of paths) {
      const response = await fetch(`${served.url}${path}`);
      expect(response.status, path).toBe(200);
      read[path] = createHash('sha256')
        .update(new Uint8Array(await response.arrayBuffer()))
        .digest('hex');
    }
    return read;
  } finally {
    await served.stop();
  }
}

async function filesOf(world: JuicefsWorld): Promise<ReadonlyMap<string, bigint>> {
  const volume = await world.volume();
  const files = new Map<string, bigint>();
  for await (const { parts } of volume.walk())
    for (const part of parts) {
      if (part.kind !== 'file' || !part.first || part.file.state !== 'live') continue;
      files.set((await volume.pathOf(part.file.inodeId)) ?? '', part.file.inodeId);
    }
  await volume.close();
  return files;
}

/** One reference for each record and each entry of a delayed delete. */
async function expectExactReferences({ redis }: JuicefsWorld): Promise<void> {
  const counts: Record<string, number> = {};
  const count = (id: bigint, size: number) => {
    if (id !== 0n) counts[`k${id}_${size}`] = (counts[`k${id}_${size}`] ?? -1) + 1;
  };
  for (const list of await redis.keys('c*_*'))
    for (const value of await redis.lrangeBuffer(list, 0, -1)) count(value.readBigUInt64BE(4), value.readUInt32BE(12));
  for (const value of Object.values(await redis.hgetallBuffer('delSlices')))
    for (let at = 0; at < value.length; at += 12) count(value.readBigUInt64BE(at), value.readUInt32BE(at + 8));
  // Below none: to be deleted by some client, and named by nothing.
  for (const [field, more] of Object.entries(await redis.hgetall('sliceRef')))
    if (Number(more) < 0) expect(counts[field], field).toBeUndefined();
  const shared = (all: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(all).flatMap(([field, more]) => (Number(more) <= 0 ? [] : [[field, Number(more)]])),
    );
  expect(shared(await redis.hgetall('sliceRef'))).toEqual(shared(counts));
}

/** fsck is clean, gc finds nothing leaked, references are exact. */
async function expectWhole(world: JuicefsWorld): Promise<void> {
  await world.real.run(['fsck', world.real.metaUrl]);
  // The age that gc leaves alone is not of interest here.
  const gc = await world.real.run(['gc', world.real.metaUrl], { JFS_GC_SKIPPEDTIME: '0' });
  expect(gc).toMatch(/ 0 leaked/);
  await expectExactReferences(world);
}

async function chunkObjects({ s3, bucket }: JuicefsWorld): Promise<number> {
  return (await listObjects(s3, bucket)).filter(({ name }) => name.startsWith(`${VOLUME}/chunks/`)).length;
}

/** Files that nobody shares: a log of small appends, a disk image with holes, a database that is written over and over. */
async function wearOut({ real }: JuicefsWorld, directory = 'worn'): Promise<void> {
  await real.mounted(
    `
    w() { dd if=/dev/urandom of="$1" bs="$3" seek="$2" count=1 oflag=seek_bytes conv=notrunc,fsync status=none; }
    mkdir "$1/$2"; cd "$1/$2"
    for n in $(seq 0 60); do w small.log $(( n * 3000 )) 3000; done
    for n in $(seq 1 25); do w image.bin $(( (n * 7919 * 1031) % 130000000 )) $(( 4000 + n * 900 )); done
    w base.db 0 20M; for n in $(seq 1 70); do w base.db $(( (n * 7919 * 1031) % 20000000 )) $(( 4096 * (1 + n % 7) )); done
    w over.db 0 5M; w over.db 1M 3M; w over.db 0 2M; w over.db 100K 4M; truncate -s 3M over.db; w over.db 6M 1M
    fallocate --punch-hole -o 500000 -l 1500000 base.db; sync`,
    [directory],
  );
}

describe.runIf(isReal && canMount()).each([1, 0])('a volume with %i days of trash', (days) => {
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

  it('is compacted by a worker beside the program, and no byte changes', async () => {
    await wearOut(world, 'again');
    const all = await filesOf(world);
    const expected = await everyByte(world, [...all.keys()]);
    const settings = loadSettings({ flags: {}, env: world.env });
    const log = createLogger({ level: 'silent' });
    const clients = await openWork(settings, log);
    const worker = startWorker(clients, log);
    try {
      const theirs = world.real.run(['gc', '--compact', world.real.metaUrl]);
      for (const path of all.keys()) {
        if (!path.startsWith('/again/')) continue;
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

  it('is compacted as a whole by run, and a scan finds nothing more', async () => {
    await wearOut(world, 'third');
    files = await filesOf(world);
    before = await everyByte(world, [...files.keys()]);
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

  it('stays an ordinary volume to the real program', async () => {
    await world.real.run(['gc', '--compact', world.real.metaUrl]);
    expect(await everyByte(world, [...files.keys()])).toEqual(before);
    if (days === 1) await expectWhole(world);
    await expectExactReferences(world);
  });
});
