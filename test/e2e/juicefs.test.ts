/**
 * Volumes that the real JuiceFS program has written: every byte that lists and objects give is the one that it reads, every
 * count is the one that it counts, the least rights suffice, and nothing is ever changed by looking.
 */
import { createHash } from 'node:crypto';
import {
  DeleteBucketPolicyCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  clientRewrite,
  piecesOf,
  readsOf,
  type SliceGeometry,
  type SliceRecord,
  sliceObject,
} from '../../src/layout/slices/index.ts';
import type { SliceFile, SliceVolume } from '../../src/metadata/slice-volume.ts';
import type { WasteReport } from '../../src/waste/waste.ts';
import { listObjects } from '../kit/juicefs/looks.ts';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { hashOf } from './juicefs-judge.ts';
import { JuicefsWorld, VOLUME, writeByAllWays } from './juicefs-world.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

/** The file as lists and objects give it. */
async function assembled(world: JuicefsWorld, volume: SliceVolume, file: SliceFile): Promise<Buffer> {
  const geometry = await volume.setting();
  const content = Buffer.alloc(file.length);
  for (const chunkIndex of await volume.chunkIndexes(file)) {
    const pieces = piecesOf(await volume.list(file.inodeId, chunkIndex));
    for (const { begin, end, id, size, from } of pieces) {
      for (let at = from; at < from + end - begin; ) {
        const n = Math.floor(at / geometry.blockSize);
        const object = await objectBytes(world, sliceObject(id, size, n, geometry).name);
        const until = Math.min(from + end - begin, (n + 1) * geometry.blockSize);
        const to = chunkIndex * 64 * 1024 * 1024 + begin + at - from;
        object.copy(content, to, at - n * geometry.blockSize, until - n * geometry.blockSize);
        at = until;
      }
    }
  }
  return content;
}

async function objectBytes({ s3, bucket }: JuicefsWorld, name: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: name }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

const sha = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

async function listsOf(volume: SliceVolume): Promise<ReadonlyMap<string, readonly SliceRecord[]>> {
  const lists = new Map<string, readonly SliceRecord[]>();
  for await (const { parts } of volume.walk()) {
    for (const part of parts) {
      if (part.kind !== 'file') continue;
      for (const list of part.lists) lists.set(`${part.file.inodeId}_${list.chunkIndex}`, list.records);
    }
  }
  return lists;
}

async function everyRecord(volume: SliceVolume): Promise<readonly SliceRecord[]> {
  const found: SliceRecord[] = [];
  for await (const { parts } of volume.walk()) {
    for (const part of parts) {
      if (part.kind === 'gone') found.push(...part.list.records);
      if (part.kind === 'file') found.push(...part.lists.flatMap(({ records }) => records));
    }
  }
  return found;
}

/** The list as a client leaves it that compacts lists of any length; `null` where it does nothing. */
function mergedByClient(records: readonly SliceRecord[]): readonly SliceRecord[] | null {
  // Records that show nothing make the list long enough for the rule of five.
  const padding = Array.from({ length: 5 }, () => ({ offset: 0, len: 0, id: 0n, size: 0, from: 0 }));
  const rewrite = clientRewrite([...records, ...padding]);
  const merged = rewrite === null ? 0 : rewrite.records - padding.length;
  if (rewrite === null || merged < 2) return null;
  const kept = records.slice(0, records.length - merged);
  const pieces = piecesOf(records.slice(kept.length));
  const [begin, size] = [pieces[0]?.begin ?? 0, Math.max(1, rewrite.bytes)];
  return [...kept, { offset: begin, len: size, id: 1n, size, from: 0 }];
}

async function filesOf(volume: SliceVolume): Promise<ReadonlyMap<string, SliceFile>> {
  const files = new Map<string, SliceFile>();
  for await (const { parts } of volume.walk()) {
    for (const part of parts) {
      if (part.kind !== 'file' || !part.first || part.file.state !== 'live') continue;
      files.set((await volume.pathOf(part.file.inodeId)) ?? `?${part.file.inodeId}`, part.file);
    }
  }
  return files;
}

describe.runIf(isReal)('a volume of the real program', () => {
  let world: JuicefsWorld;
  let volume: SliceVolume;

  beforeAll(async () => {
    world = await JuicefsWorld.open('juicefs');
    await writeByAllWays(world);
    volume = await world.volume();
  });

  afterAll(async () => {
    await volume.close();
    await world.close();
  });

  it('is read byte for byte as the real program reads it', async () => {
    const files = await filesOf(volume);
    expect(files.size).toBeGreaterThanOrEqual(canMount() ? 16 : 7);
    // Read-only: it would compact what it reads.
    const served = await world.real.serve('webdav', ['--read-only']);
    try {
      for (const [path, file] of files) {
        const ours = await assembled(world, volume, file);
        expect(sha(ours), path).toBe(await hashOf(`${served.url}${path}`));
        expect(await volume.find(path), path).toBe(file.inodeId);
      }
    } finally {
      await served.stop();
    }
  });

  it('is counted as the real program counts it', async () => {
    const report = await world.json<WasteReport>(['waste', '1']);
    const objects = (await listObjects(world.s3, world.bucket)).filter(({ name }) =>
      name.startsWith(`${VOLUME}/chunks/`),
    );
    expect(report.storedBytes).toBe(objects.reduce((sum, { bytes }) => sum + bytes, 0));
    const kept = report.live.objects + report.trash.objects + report.unlinked.objects + report.gone.objects;
    expect(kept).toBe(objects.length);
    // The age that gc leaves alone is not of interest here.
    const gc = await world.real.run(['gc', world.real.metaUrl], { JFS_GC_SKIPPEDTIME: '0' });
    const [, scanned, , leaked] = /scanned (\d+) objects, (\d+) valid.* (\d+) leaked/.exec(gc) ?? [];
    expect(Number(scanned), gc).toBe(objects.length);
    expect(Number(leaked), gc).toBe(0);
    const fsck = await world.real.run(['fsck', world.real.metaUrl]);
    expect(fsck).toContain(`Found ${kept} blocks (${report.storedBytes} bytes)`);
    // It counts each record with its whole slice.
    const records = (await everyRecord(volume)).filter(({ id }) => id !== 0n);
    const recordBytes = records.reduce((sum, { size }) => sum + size, 0);
    expect(fsck).toContain(`Used by ${records.length} slices (${recordBytes} bytes)`);
    const status = await world.real.run(['status', '--more', world.real.metaUrl]);
    const figure = (name: string) => Number(new RegExp(`"${name}": (\\d+)`).exec(status)?.[1] ?? 0);
    expect(report.trash.files).toBe(figure('TrashFileCount'));
    expect(report.trash.length).toBe(figure('TrashFileSize'));
    expect(report.waiting.delayed.slices).toBe(figure('TrashSliceCount'));
    expect(report.waiting.pending.slices).toBe(figure('PendingDeletedSliceCount'));
    expect(report.waiting.files.count).toBe(figure('PendingDeletedFileCount'));
  });

  it('has all that its lists name, says fsck as the real one does', async () => {
    await world.real.run(['fsck', world.real.metaUrl]);
    const { summary } = await world.json<{ summary: { faults: number; objects: number } }>(['fsck', '1']);
    expect(summary).toMatchObject({ faults: 0 });
    expect(summary.objects).toBeGreaterThan(40);
  });

  it('is not changed by any command', async () => {
    const before = await world.everything();
    const commands = [
      ['waste', '1'],
      ['waste', '1', '--sort', 'gets', '--json'],
      ['scan', '1', '--top', '5'],
      ['scan', '1', '--dry-run'],
      ['inspect', '1', '/dav-large.bin'],
      ['plan', '1', '/dav-large.bin'],
      ['fsck', '1'],
      ['fsck', '1', '/dav-large.bin'],
      ['doctor', '1'],
      ['doctor', '1', '--write'],
      ['status'],
      ['inode', '1', '/dav-large.bin', '--dry-run'],
      ['inode', '1', '/dav-large.bin', '--inline'],
    ];
    for (const argv of commands) {
      const { exitCode, stderr } = await world.command(argv);
      expect({ argv, exitCode, stderr }).toEqual({
        argv,
        exitCode: 0,
        stderr: expect.not.stringContaining('s3compact'),
      });
      expect(await world.everything(), argv.join(' ')).toEqual(before);
    }
    for (const argv of [
      ['gc', '1'],
      ['repair', '1', '2'],
      ['adopt', '1'],
    ]) {
      const { exitCode, stderr } = await world.command(argv);
      expect({ argv, exitCode }).toEqual({ argv, exitCode: 2 });
      expect(stderr).toContain('does not work on a JuiceFS volume');
    }
    expect(await world.everything()).toEqual(before);
  });

  it('needs a Redis user and an S3 policy that only read', async () => {
    await world.redis.call(
      'ACL',
      ...'SETUSER reader on >readerpw ~* resetchannels -@all +@read +@connection +info'.split(' '),
    );
    const statement = (Effect: string, Action: readonly string[]) => ({
      Effect,
      Principal: '*',
      Action,
      Resource: [`arn:aws:s3:::${world.bucket}`, `arn:aws:s3:::${world.bucket}/*`],
    });
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [statement('Deny', ['s3:PutObject', 's3:DeleteObject'])],
    });
    await world.s3.send(new PutBucketPolicyCommand({ Bucket: world.bucket, Policy }));
    const put = world.s3.send(new PutObjectCommand({ Bucket: world.bucket, Key: 'x', Body: 'x' }));
    await expect(put).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    const options = { url: world.url('reader:readerpw') };
    for (const argv of [
      ['waste', '1'],
      ['inspect', '1', '/dav-large.bin'],
      ['fsck', '1'],
      ['doctor', '1'],
    ]) {
      const { exitCode, stderr } = await world.command(argv, options);
      expect({ argv, exitCode, stderr }).toEqual({
        argv,
        exitCode: 0,
        stderr: expect.not.stringContaining('s3compact'),
      });
    }
    // What it is fit for: only whoever may write compacts.
    const reader = await world.command(['doctor', '1'], options);
    expect(reader.stdout).toMatch(/^file system 1 is fit for reading/);
    expect((await world.command(['doctor', '1'])).stdout).toMatch(/^file system 1 is fit for compaction/);
    await world.s3.send(new DeleteBucketPolicyCommand({ Bucket: world.bucket }));
  });

  it.runIf(canMount())('shows what was overwritten, cut and copied', async () => {
    const report = await world.json<Omit<WasteReport, 'top'> & { top: { path: string }[] }>(['waste', '1']);
    expect(report.top.map(({ path }) => path)).toEqual(expect.arrayContaining(['/holes.bin', '/cut.bin']));
    expect(report.behindEnd).toMatchObject({ storedBytes: 3 * 1024 * 1024, hiddenBytes: 3 * 1024 * 1024 });
    expect(report.live.sharedBytes).toBeGreaterThan(9 * 1024 * 1024);
    expect(report.trash.files).toBeGreaterThanOrEqual(2);
    const inspected = await world.json<{ total: { gets: number; records: number } }>([
      'inspect',
      '1',
      '/deep/er/append.log',
    ]);
    expect(inspected.total).toMatchObject({ records: 31, gets: 31 });
  });

  // The last: the real program changes lists here.
  it.runIf(canMount())('is compacted by the real program as it was said', async () => {
    const before = await listsOf(volume);
    // Every list of two records or more, again and again until nothing is left to merge.
    await world.real.run(['gc', '--compact', world.real.metaUrl]);
    const after = await listsOf(volume);
    let rewritten = 0;
    for (const [place, records] of before) {
      let expected = records;
      for (let rewrite = mergedByClient(expected); rewrite !== null; rewrite = mergedByClient(expected)) {
        expected = rewrite;
        rewritten++;
      }
      const shape = (list: readonly SliceRecord[]) => list.map(({ offset, len, size }) => ({ offset, len, size }));
      expect(shape(after.get(place) ?? []), place).toEqual(shape(expected));
    }
    expect(rewritten).toBeGreaterThan(3);
    const report = await world.json<WasteReport>(['waste', '1']);
    expect(report.waiting.delayed.slices).toBeGreaterThan(40);
    const objects = (await listObjects(world.s3, world.bucket)).filter(({ name }) =>
      name.startsWith(`${VOLUME}/chunks/`),
    );
    expect(report.storedBytes).toBe(objects.reduce((sum, { bytes }) => sum + bytes, 0));
  });
});

describe.runIf(isReal)('a volume with hashed names and compression', () => {
  it('has all that its lists name', async () => {
    const world = await JuicefsWorld.open('juicefs-lz4', ['--hash-prefix', '--compress', 'lz4', '--block-size', '1M']);
    try {
      const served = await world.real.serve('webdav');
      await fetch(`${served.url}/one.bin`, { method: 'PUT', body: new Uint8Array(5_000_000) });
      await served.stop();
      const { exitCode, stdout } = await world.command(['fsck', '1']);
      expect(stdout).toContain('in 5 objects');
      expect(exitCode).toBe(0);
      const volume = await world.volume();
      const geometry: SliceGeometry = await volume.setting();
      expect(geometry).toMatchObject({ wholeObjects: true, hashPrefix: true, blockSize: 1024 * 1024 });
      const inodeId = (await volume.find('/one.bin')) ?? 0n;
      expect(readsOf(piecesOf(await volume.list(inodeId, 0)), geometry).gets).toBe(5);
      await volume.close();
    } finally {
      await world.close();
    }
  });
});
