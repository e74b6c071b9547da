/** What the real JuiceFS program says of a volume: every byte, fsck, gc; and the references, recounted. Files to be compacted. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { expect } from 'vitest';
import { listObjects } from '../kit/juicefs/looks.ts';
import { type JuicefsWorld, VOLUME } from './juicefs-world.ts';

/** Every file, by its path, as the real program reads it. It would compact what it reads if it could write. */
export async function everyByte(world: JuicefsWorld, paths: readonly string[]): Promise<Record<string, string>> {
  const served = await world.real.serve('webdav', ['--read-only']);
  try {
    const read: Record<string, string> = {};
    for (const path of paths) read[path] = await hashOf(`${served.url}${path}`);
    return read;
  } finally {
    await served.stop();
  }
}

/** SHA-256 of what is served there, part by part: `fetch` takes three times the processor time for files of this size. */
export async function hashOf(url: string): Promise<string> {
  const hash = createHash('sha256');
  const [response]: IncomingMessage[] = await once(get(url), 'response');
  expect(response?.statusCode, url).toBe(200);
  for await (const part of response ?? []) hash.update(part);
  return hash.digest('hex');
}

export async function filesOf(world: JuicefsWorld): Promise<ReadonlyMap<string, bigint>> {
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
export async function expectExactReferences({ redis }: JuicefsWorld): Promise<void> {
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
export async function expectWhole(world: JuicefsWorld): Promise<void> {
  await world.real.run(['fsck', world.real.metaUrl]);
  // The age that gc leaves alone is not of interest here.
  const gc = await world.real.run(['gc', world.real.metaUrl], { JFS_GC_SKIPPEDTIME: '0' });
  expect(gc).toMatch(/ 0 leaked/);
  await expectExactReferences(world);
}

export async function chunkObjects({ s3, bucket }: JuicefsWorld): Promise<number> {
  return (await listObjects(s3, bucket)).filter(({ name }) => name.startsWith(`${VOLUME}/chunks/`)).length;
}

/** Files that nobody shares: a log of small appends, a disk image with holes, a database that is written over and over. */
export async function wearOut({ real }: JuicefsWorld, directory = 'worn'): Promise<void> {
  await real.mounted(
    `
    w() { dd if=/dev/urandom of="$1" bs="$3" seek="$2" count=1 oflag=seek_bytes conv=notrunc,fsync status=none; }
    mkdir "$1/$2"; cd "$1/$2"
    for n in $(seq 0 60); do w small.log $(( n * 3000 )) 3000; done
    for n in $(seq 1 25); do w image.bin $(( (n * 7919 * 1031) % 80000000 )) $(( 4000 + n * 900 )); done
    w base.db 0 20M; for n in $(seq 1 70); do w base.db $(( (n * 7919 * 1031) % 20000000 )) $(( 4096 * (1 + n % 7) )); done
    w over.db 0 5M; w over.db 1M 3M; w over.db 0 2M; w over.db 100K 4M; truncate -s 3M over.db; w over.db 6M 1M
    fallocate --punch-hole -o 500000 -l 1500000 base.db; sync`,
    [directory],
  );
}
