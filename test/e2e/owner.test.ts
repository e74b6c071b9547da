/**
 * A copy of production's metadata (same uuid, same bucket) in another Redis database, with a queue of its own: nothing that
 * its worker, its gc or its reap records do takes a byte from production, until an operator adopts (docs/adr/0019).
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import { createLogger } from '../../src/observe/log.ts';
import type { Clients } from '../../src/wiring/clients.ts';
import { compactorOfBlocks, runInode } from '../../src/wiring/run-inode.ts';
import { drainReapQueue } from '../../workers/drain-reap.ts';
import { clientsOf, E2eWorld } from './world.ts';

const INODE = 10n;
const OTHER = 11n;
const STAGING_DB = 1;
let world: E2eWorld;
let staging: Record<string, string>;
let clone: Clients;

beforeAll(async () => {
  world = await E2eWorld.open('owner');
  for (const inodeId of [INODE, OTHER]) {
    await world.writer.createInode(inodeId);
    for (let n = 0; n < 30; n++) await world.writer.write(inodeId, n * 1_000, 1_500);
  }
  await world.compactFully(OTHER);
  await world.reapAll();
  const { redis, prefix } = world.writer.options;
  for (const key of await redis.keys(`${prefix}:*`)) await redis.copy(key, key, 'DB', STAGING_DB);
  const url = `${inject('redisUrl').replace(/\/\d*$/, '')}/${STAGING_DB}`;
  staging = { METADATA_URL: url, QUEUE_PREFIX: `${world.env['QUEUE_PREFIX']}-staging` };
  clone = await clientsOf({ ...world.env, ...staging });
});
afterAll(async () => {
  await clone.close();
  const redis = new Redis(staging['METADATA_URL'] ?? '');
  const keys = await redis.keys(`${world.writer.options.prefix}:*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
  await world.close();
});

async function expectProductionWhole(): Promise<void> {
  for (const inodeId of [INODE, OTHER]) expect(await world.writer.readFault(inodeId)).toBeNull();
}

it('its runs end before anything is written, and say what an operator may do', async () => {
  const before = await world.writer.bucketNames();
  const { exitCode, stdout } = await world.command(['inode', '1', `${INODE}`, '--inline', '--json'], staging);
  expect(exitCode).toBe(4);
  expect(JSON.parse(stdout)).toMatchObject({ code: 'bucket-owned', message: expect.stringContaining('adopt 1') });
  expect(await world.writer.bucketNames()).toEqual(before);
});

it('doctor says whose the bucket is, from either side', async () => {
  const ours = await world.command(['doctor', '1']);
  expect(ours.stdout).toMatch(/owner +ok +the objects in the bucket are those of this metadata store/);
  const theirs = await world.command(['doctor', '1'], staging);
  expect(theirs.exitCode).toBe(4);
  expect(theirs.stdout).toMatch(
    /owner +FAILED +the objects in the bucket belong to an installation with another queue/,
  );
});

it('reap records that it made before there were owners delete nothing', async () => {
  const { metadata, objects, ledger, run } = clone;
  const compact = compactorOfBlocks({
    metadata,
    objects,
    ledger,
    clock: systemClock,
    attemptIds: new AttemptIds(),
    memory: new MemoryBudget(64 * 1024 * 1024),
  });
  expect(await runInode({ fsId: 1, inodeId: INODE }, { ...run, compact })).toMatchObject({
    ending: 'done',
    outcome: 'compacted',
  });
  const summary = await drainReapQueue(clone, createLogger({ level: 'silent' }));
  expect(summary).toMatchObject({ deleted: 0, doubts: [expect.stringContaining('adopt 1')] });
  await expectProductionWhole();
});

it('its gc refuses, with and without --delete', async () => {
  for (const flags of [[], ['--delete']]) {
    const { exitCode, stderr } = await world.command(['gc', '1', ...flags], staging);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('adopt 1');
  }
});

it('gc --delete where nobody has claimed anything refuses, too', async () => {
  const nobody = await E2eWorld.open('owner-none');
  try {
    expect((await nobody.command(['gc', '1'])).exitCode).toBe(0);
    const { exitCode, stderr } = await nobody.command(['gc', '1', '--delete']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('nobody has claimed');
  } finally {
    await nobody.close();
  }
});

it('adopt turns it round: the copy is the one that works now, and production is refused', async () => {
  await world.compactInline(INODE);
  const adopted = await world.command(['adopt', '1'], staging);
  expect(adopted.exitCode).toBe(0);
  expect(adopted.stdout).toMatch(/is ours now; it belonged to an installation with another queue/);
  expect((await world.command(['adopt', '1'], staging)).stdout).toContain('is ours already');
  const refused = await world.command(['gc', '1', '--delete']);
  expect(refused.exitCode).toBe(4);
  // And back: the reap records of the time before are good again.
  expect((await world.command(['adopt', '1', '--json'])).stdout).toContain('"before": "other"');
  await world.reapAll();
  await expectProductionWhole();
});
