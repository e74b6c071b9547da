/**
 * Hold, back up the metadata, keep the backup as long as the hold: what is restored from it into another Redis reads every
 * byte, although the live system was compacted, reaped and cleaned meanwhile. And what people are told of it.
 */

import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { createLogger } from '../../src/observe/log.ts';
import { SETTLE_MS } from '../../src/reap/holds.ts';
import { ledgerMs, monotonicMs } from '../../src/time.ts';
import { openHolds } from '../../src/wiring/clients.ts';
import { standingHolds } from '../../src/wiring/holds.ts';
import { drainReapQueue } from '../../workers/drain-reap.ts';
import { clientsOf, E2eWorld } from './world.ts';

const INODE = 10n;
const OTHER = 11n;
const BACKUP_DB = 2;
const BYTES = 30_500;
let world: E2eWorld;
let backup: Redis;

beforeAll(async () => {
  world = await E2eWorld.open('hold');
  for (const inodeId of [INODE, OTHER]) {
    await world.writer.createInode(inodeId);
    for (let n = 0; n < 30; n++) await world.writer.write(inodeId, n * 1_000, 1_500);
  }
  backup = new Redis(`${inject('redisUrl').replace(/\/\d*$/, '')}/${BACKUP_DB}`);
});
afterAll(async () => {
  const keys = await backup.keys(`${world.writer.options.prefix}:*`);
  if (keys.length > 0) await backup.del(...keys);
  backup.disconnect();
  await world.close();
});

/** As `s3compact hold` makes it; nobody deletes here meanwhile, so that the wait of a minute and a half is only counted. */
async function makeHold(reason: string): Promise<{ readonly id: string; readonly waitedMs: number }> {
  const { clients } = world;
  const filesystem = await clients.metadata.getFilesystem(1);
  if (filesystem === null) throw new Error('no file system');
  let waitedMs = 0;
  const clock: Clock = {
    monotonicMs: () => monotonicMs(performance.now()),
    sleep: async (ms) => {
      waitedMs += ms;
    },
  };
  await clients.ownership.require(filesystem);
  await clients.holdBook.note(1);
  const { id } = await openHolds(clients.reap.objects, clients.ledger, clock).make(filesystem, { reason, by: 'test' });
  return { id, waitedMs };
}

async function backUp(): Promise<void> {
  const { redis, prefix } = world.writer.options;
  for (const key of await redis.keys(`${prefix}:*`)) await redis.copy(key, key, 'DB', BACKUP_DB);
}

/** The exit code of `s3compact fsck --read` over the restored metadata, against the live bucket. */
async function faultsOfBackup(): Promise<number> {
  const url = `${inject('redisUrl').replace(/\/\d*$/, '')}/${BACKUP_DB}`;
  return (await world.command(['fsck', '1', '--read', '--json'], { METADATA_URL: url })).exitCode;
}

it('metadata that was backed up under a hold reads every byte after the live system was compacted and reaped', async () => {
  const { id, waitedMs } = await makeHold('nightly backup');
  expect(waitedMs).toBeGreaterThanOrEqual(SETTLE_MS);
  await backUp();
  const before = await world.writer.bucketNames();
  for (const inodeId of [INODE, OTHER]) {
    await world.compactFully(inodeId);
    await world.writer.write(inodeId, 500, 20_000);
    await world.compactFully(inodeId);
  }
  const summary = await drainReapQueue(world.clients, createLogger({ level: 'silent' }));
  expect(summary).toMatchObject({ deleted: 0, doubts: [] });
  expect(summary.onHold).toBeGreaterThan(0);
  const names = new Set(await world.writer.bucketNames());
  expect(before.filter((name) => !names.has(name))).toEqual([]);
  expect(await faultsOfBackup()).toBe(0);
  for (const inodeId of [INODE, OTHER]) expect(await world.writer.readFault(inodeId)).toBeNull();

  const [held] = await standingHolds(world.clients);
  expect(held).toMatchObject({ fsId: 1, holds: [{ id, kind: 'stands' }] });
  expect(held?.objects).toBeGreaterThan(50);
  expect(held?.bytes).toBeGreaterThan(BYTES);
  const status = await world.command(['status']);
  expect(status.stdout).toMatch(new RegExp(`${id}.*nightly backup`));
  expect(status.stdout).toMatch(/kept +\d+ objects/);
  expect(JSON.parse((await world.command(['status', '--json'])).stdout)).toMatchObject({
    holds: { total: 1, objects: held?.objects, bytes: held?.bytes, holds: [{ fsId: 1, id, state: 'stands' }] },
  });

  // The queue is gone, its notes of holds, too: the hold stands, and is noted again by the next look.
  await world.clients.holdBook.forget(1);
  for (const job of await world.clients.ledger.queue.getDelayed()) {
    await job.updateData({ ...job.data, dueMs: ledgerMs(0) });
    await job.changeDelay(0);
  }
  expect((await drainReapQueue(world.clients, createLogger({ level: 'silent' }))).deleted).toBe(0);
  expect(await standingHolds(world.clients)).toMatchObject([{ objects: held?.objects }]);
});

it('list shows it, release ends it, and what it kept goes: the backup is good no longer', async () => {
  const listed = await world.command(['hold', 'list', '--json']);
  const { filesystems } = JSON.parse(listed.stdout) as { filesystems: { holds: { id: string; reason: string }[] }[] };
  const [hold] = filesystems[0]?.holds ?? [];
  expect(hold).toMatchObject({ reason: 'nightly backup', state: 'stands' });
  expect((await world.command(['hold', 'list', '1'])).stdout).toMatch(/stands +nightly backup/);
  expect((await world.command(['hold', 'release', '1', 'nothing'])).stdout).toContain('no hold nothing');
  const released = await world.command(['hold', 'release', '1', hold?.id ?? '']);
  expect(released.stdout).toContain(`released on file system 1: ${hold?.id}`);
  expect((await world.command(['hold', 'list'])).stdout).toContain('there is no hold');
  for (const job of await world.clients.ledger.queue.getDelayed()) {
    await job.updateData({ ...job.data, dueMs: ledgerMs(0) });
    await job.changeDelay(0);
  }
  // The process that was refused remembers it for a minute; another one never knew.
  const clients = await clientsOf(world.env);
  try {
    const summary = await drainReapQueue(clients, createLogger({ level: 'silent' }));
    expect(summary).toMatchObject({ onHold: 0, doubts: [] });
    expect(summary.deleted).toBeGreaterThan(50);
  } finally {
    await clients.close();
  }
  expect(await faultsOfBackup()).toBe(4);
  for (const inodeId of [INODE, OTHER]) expect(await world.writer.readFault(inodeId)).toBeNull();
});

it('gc --delete deletes nothing under a hold, and leaves the hold', async () => {
  const { id } = await makeHold('gc');
  const names = await world.writer.bucketNames();
  const { stdout, exitCode } = await world.command(['gc', '1', '--delete', '--json']);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ counts: { own: { objects: 2 } }, deleted: { objects: 0 } });
  expect(await world.writer.bucketNames()).toEqual(names);
  expect((await world.command(['hold', 'release', '1', '--all'])).stdout).toContain(id);
});

it('bad usage is refused before anything is written', async () => {
  const none = await world.command(['hold', '1']);
  expect(none).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--reason') });
  expect(await world.command(['hold', '1', '--reason', 'x', '--for', 'soon'])).toMatchObject({ exitCode: 2 });
  expect(await world.command(['hold', '1', '--reason', 'x', '--for', '1s'])).toMatchObject({ exitCode: 2 });
  expect((await world.command(['hold', '99', '--reason', 'x'])).stderr).toContain('there is no file system 99');
  expect(await world.command(['hold', 'release', '1'])).toMatchObject({ exitCode: 2 });
});
