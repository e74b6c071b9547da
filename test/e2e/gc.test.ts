/** gc on the run's servers: planted orphans go after two looks, everything else stays; the command tells and deletes nothing. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { collectGarbage } from '../../src/gc/gc.ts';
import type { GcReport } from '../../src/gc/report.ts';
import { later } from '../../src/time.ts';
import { eventually } from '../queue/world.ts';
import { E2eWorld } from './world.ts';

const INODE = 10n;
const ORPHANS = [`1_${INODE}_7000_0_0`, `1_${INODE}_1_3_99`, '1_4711_5_0_0'];
const FOREIGN = ['readme.txt', `2_${INODE}_1_0_0`, `1/0/0/1_${INODE}_1_0_0`];
const COVERED = `1_${INODE}_7001_0_0`;
let world: E2eWorld;
let uuid: string;

beforeAll(async () => {
  world = await E2eWorld.open('gc');
  await world.writer.createInode(INODE);
  for (let n = 0; n < 30; n++) await world.writer.write(INODE, n * 1_000, 1_500);
  await world.compactFully(INODE);
  await world.reapAll();
  const filesystem = await world.clients.metadata.getFilesystem(1);
  if (filesystem === null) throw new Error('no file system');
  uuid = filesystem.uuid;
  for (const name of [...ORPHANS, ...FOREIGN, COVERED]) await world.writer.putObject(name, Buffer.alloc(10));
  // Ids that a client has taken and never used.
  await world.writer.options.redis.hset(`${world.env['METADATA_PREFIX']}:{1}`, 'nextChunkId', '8000');
  await world.clients.ledger.add({
    storeId: world.clients.metadata.storeId,
    fsUuid: uuid,
    bucket: filesystem.bucket,
    chunkIndex: 0,
    key: { fsId: 1, inodeId: INODE },
    attempt: 4096n,
    retired: [COVERED],
    merged: [],
    dueMs: later(await world.clients.ledger.nowMs(), 3_600_000),
  });
});
afterAll(() => world.close());

/** With periods that are over at once: the relations between real ones are checked where settings are read. */
function gc(remove: boolean): Promise<GcReport> {
  const periods = { leaseMs: 1, graceMs: 1, minAgeMs: 3 };
  return collectGarbage(1, world.clients.gc(uuid), {
    ...periods,
    delete: remove,
    inodeless: true,
    deletesMax: 100,
  });
}

it('the command tells by reason, and with --delete it deletes nothing that is young', async () => {
  const before = await world.writer.bucketNames();
  const { stdout, exitCode } = await world.command(['gc', '1', '--delete', '--json']);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    counts: { young: { objects: 3 }, pending: { objects: 1 }, unknown: { objects: 2 }, other: { objects: 1 } },
    deleted: { objects: 0 },
  });
  const shown = await world.command(['gc', '1']);
  expect(shown.stdout).toContain('never touched');
  expect(shown.stdout).toContain('no orphans');
  expect(shown.stdout).toContain('files without any object here were not looked at: see "s3compact fsck 1"');
  expect(await world.writer.bucketNames()).toEqual(before);
});

it('two looks: exactly the orphans go', async () => {
  const before = await world.writer.bucketNames();
  const first = await eventually('they are old enough', async () => {
    const report = await gc(false);
    const { leaked, inodeless } = report.counts;
    return leaked.objects + inodeless.objects === ORPHANS.length && report;
  });
  expect(first).toMatchObject({
    counts: { pending: { objects: 1 }, inodeless: { objects: 1 } },
    faultsTotal: 0,
    failures: 0,
  });
  await eventually('the second look deletes', async () => {
    await gc(true);
    return (await world.writer.bucketNames()).length === before.length - ORPHANS.length;
  });
  expect(await world.writer.bucketNames()).toEqual(before.filter((name) => !ORPHANS.includes(name)));
  expect(await world.writer.readFault(INODE)).toBeNull();
});

it('missing and short objects: exit code 4, each with its inode', async () => {
  const [missing = '', short = ''] = await world.writer.referencedNames([INODE]);
  await world.writer.deleteObjects([missing, short]);
  await world.writer.putObject(short, Buffer.alloc(1));
  const { stdout, exitCode } = await world.command(['gc', '1']);
  expect(exitCode).toBe(4);
  expect(stdout).toContain(missing);
  expect(await gc(false)).toMatchObject({
    faults: expect.arrayContaining([
      expect.objectContaining({ object: missing, reason: 'missing', inodeId: `${INODE}` }),
      expect.objectContaining({ object: short, reason: 'short', bytes: 1 }),
    ]),
    faultsTotal: 2,
  });
});

it('a file system that does not exist', async () => {
  expect((await world.command(['gc', '99'])).exitCode).toBe(4);
});
