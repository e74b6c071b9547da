/**
 * What a record carries, and what the world around it may have lost: its grace period, its layout, the index of an inode's
 * chunks, its lists, ids of a server that does not tell; and what the store will not delete (I7, I10, docs/adr/0015).
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { objectName } from '../../src/format.ts';
import type { ReapRecord } from '../../src/ledger.ts';
import { MISSING_INODE_WAIT_MS, type ReapDeps, reapRecord } from '../../src/reap/reap-record.ts';
import { ledgerMs, wallMs } from '../../src/time.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';
import { reapDeps, recordIn } from './record.ts';

const HOUR_MS = 3_600_000;
let world: World;
let deps: ReapDeps;

beforeEach(() => {
  world = new World();
  world.write(0, 20);
  for (const name of ['old', 'new']) world.stores.write('world', name, Buffer.from(name));
  deps = reapDeps(world);
});

function record(changes: Partial<ReapRecord> = {}): ReapRecord {
  return recordIn(world, { retired: ['old'], merged: ['new'], ...changes });
}

function has(name: string): boolean {
  return world.stores.bucket('world').has(name);
}

/** The record after a look at the time that it is due. */
async function lookAt(current: ReapRecord): Promise<ReapRecord> {
  world.ledger.nowMs = Math.max(world.ledger.nowMs, wallMs(current.dueMs));
  const verdict = await reapRecord(current, deps);
  if (verdict.kind === 'done') throw new Error('done too early');
  return verdict.record;
}

/** Looks at it this many times; nothing may go. */
async function neverDeletes(first: ReapRecord, looks = 40): Promise<ReapRecord> {
  let current = first;
  for (let n = 0; n < looks; n++) current = await lookAt(current);
  expect([has('old'), has('new')]).toEqual([true, true]);
  return current;
}

describe('the grace period is the longer one of who wrote the record and who looks', () => {
  it('a record of pods with 6 h, looked at from a shell with 10 min', async () => {
    const first = await lookAt(record({ graceMs: 6 * HOUR_MS }));
    expect(first.dueMs).toBe(world.ledger.nowMs + 6 * HOUR_MS);
    expect(first.graceMs).toBe(6 * HOUR_MS);
  });

  it('a record of a shell with 10 min, looked at by pods with 6 h: also where it is stamped', async () => {
    const stampMs = world.ledger.nowMs;
    deps = { ...deps, graceMs: 6 * HOUR_MS };
    world.ledger.nowMs += LIMITS.graceMs;
    const early = await lookAt(
      record({ graceMs: LIMITS.graceMs, stampMs: ledgerMs(stampMs), dueMs: ledgerMs(stampMs + LIMITS.graceMs) }),
    );
    expect(early.dueMs).toBe(stampMs + 6 * HOUR_MS);
    expect(has('old')).toBe(true);
    world.ledger.nowMs = wallMs(early.dueMs);
    expect(await reapRecord(early, deps)).toMatchObject({ kind: 'done', deleted: 1 });
  });

  it('without a fence, also for the looks that follow', async () => {
    deps = {
      ...deps,
      metadata: Object.assign(new MemoryMetadata(world.metadata), { commitForm: 'time-bound' as const }),
    };
    const old = objectName(KEY, { chunkId: 1n, compaction: 0n, blockIndex: 0 }, 0);
    world.write(0, 16);
    const first = await lookAt(record({ retired: [old], graceMs: 6 * HOUR_MS }));
    const lists = world.metadata.at(KEY)?.lists;
    lists?.set(0, lists.get(0)?.slice(1) ?? []);
    const second = await lookAt(first);
    expect(second).toMatchObject({ unreferenced: [old], dueMs: world.ledger.nowMs + 6 * HOUR_MS });
  });
});

describe('lists that are not where they must be (I10)', () => {
  /** The store's view, in which the index of the chunks has only these. */
  function indexed(...chunks: number[]): void {
    const metadata = new MemoryMetadata(world.metadata);
    metadata.chunkIndexes = async function* () {
      yield* chunks;
    };
    deps = { ...deps, metadata };
  }

  it('the index of the chunks is gone, and the lists are there', async () => {
    indexed();
    await neverDeletes(record({ stampMs: ledgerMs(1) }));
    await neverDeletes(record());
  });

  it('the index lacks only the chunk of the record', async () => {
    world.write(64, 16);
    indexed(1);
    const last = await neverDeletes(record({ stampMs: ledgerMs(1) }));
    expect(last.missingSinceMs).toBeUndefined();
  });

  it('the index has a chunk, and its list is gone', async () => {
    world.write(64, 16);
    world.metadata.at(KEY)?.lists.delete(0);
    indexed(0, 1);
    await neverDeletes(record({ stampMs: ledgerMs(1) }));
  });

  it('a chunk whose list goes between two looks at the index is no doubt', async () => {
    world.write(64, 16);
    const metadata = new MemoryMetadata(world.metadata);
    let walks = 0;
    metadata.chunkIndexes = async function* () {
      if (walks++ === 0) yield 2;
      yield* [0, 1];
    };
    deps = { ...deps, metadata };
    expect(await reapRecord(record({ stampMs: ledgerMs(1) }), deps)).toMatchObject({ kind: 'done', deleted: 1 });
  });

  it('a file with a length and no list at all counts only when a day later it is still so', async () => {
    world.metadata.at(KEY)?.lists.clear();
    const since = world.ledger.nowMs;
    const first = await lookAt(record({ stampMs: ledgerMs(1) }));
    expect(first).toMatchObject({ missingSinceMs: since, dueMs: since + deps.graceMs });
    world.ledger.nowMs = wallMs(first.dueMs);
    const second = await lookAt(first);
    expect(second).toMatchObject({ missingSinceMs: since, dueMs: since + MISSING_INODE_WAIT_MS });
    world.ledger.nowMs = wallMs(second.dueMs) - 1;
    await reapRecord({ ...second, dueMs: ledgerMs(world.ledger.nowMs) }, deps);
    expect(has('old')).toBe(true);
    world.ledger.nowMs = wallMs(second.dueMs);
    expect(await reapRecord(second, deps)).toMatchObject({ kind: 'done', deleted: 1 });
  });

  it('a file that has a list again after one grace is not waited for', async () => {
    const lists = world.metadata.at(KEY)?.lists;
    const before = [...(lists ?? [])];
    lists?.clear();
    const first = await lookAt(record({ stampMs: ledgerMs(1) }));
    for (const [chunkIndex, list] of before) lists?.set(chunkIndex, list);
    world.ledger.nowMs = wallMs(first.dueMs);
    expect(await reapRecord(first, deps)).toMatchObject({ kind: 'done', deleted: 1 });
  });

  it('a list of five million versions is not read, and the record comes back ever later', async () => {
    let most = 0;
    const metadata = new MemoryMetadata(world.metadata);
    const readChunk = metadata.readChunk.bind(metadata);
    metadata.readChunk = async (key, chunkIndex, versionsMax) => {
      most = Math.max(most, versionsMax);
      return { ...(await readChunk(key, chunkIndex, versionsMax)), versionsTotal: 5_000_001 };
    };
    deps = { ...deps, metadata };
    const last = await neverDeletes(record({ stampMs: ledgerMs(1) }));
    expect(most).toBeLessThanOrEqual(100_000);
    expect(wallMs(last.dueMs) - world.ledger.nowMs).toBe(HOUR_MS);
  });
});

describe('servers and file systems that are not what they were (I10)', () => {
  it('a server that does not say which life it is', async () => {
    const metadata = new MemoryMetadata(world.metadata);
    metadata.incarnation = async () => '';
    deps = { ...deps, metadata };
    await neverDeletes(record({ stampMs: ledgerMs(1), incarnation: '' }));
    await neverDeletes(record({ incarnation: '' }));
  });

  it('a server that does not say which chunkIds are given out, for names that clients chose', async () => {
    const { lastChunkId: _, ...silent } = world.filesystem;
    world.metadata.filesystems.set(KEY.fsId, silent);
    const name = objectName(KEY, { chunkId: 9n, compaction: 0n, blockIndex: 0 }, 0);
    world.stores.write('world', name, Buffer.from('x'));
    await neverDeletes(record({ retired: ['old', name] }));
    expect(has(name)).toBe(true);
    // What an attempt wrote has a number that nobody draws again, and a commit that is known of at this server stands.
    const own = await lookAt(record({ retired: [], merged: ['new'] }));
    expect(own.unreferenced).toEqual(['new']);
    expect(await reapRecord(record({ retired: [name], stampMs: ledgerMs(1) }), deps)).toMatchObject({ kind: 'done' });
  });

  const { blockSize, chunkSize } = new World().filesystem;
  const layout = { blockSize, chunkSize, objectPrefix: 0 } as const;
  it.each([
    ['another block size', { blockSize: 2 * blockSize }],
    ['another chunk size', { chunkSize: 2 * chunkSize }],
    ['another prefix', { objectPrefix: 2 as const }],
  ])('a file system that has %s than the record was written with', async (_, change) => {
    await neverDeletes(record({ stampMs: ledgerMs(1), layout: { ...layout, ...change } }));
    await neverDeletes(record({ layout: { ...layout, ...change } }));
    expect(await reapRecord(record({ stampMs: ledgerMs(1), layout }), deps)).toMatchObject({
      kind: 'done',
      deleted: 1,
    });
  });

  it('another prefix, by the names of a record of an older version', async () => {
    const name = objectName(KEY, { chunkId: 9n, compaction: 0n, blockIndex: 0 }, 2);
    world.stores.write('world', name, Buffer.from('x'));
    await neverDeletes(record({ stampMs: ledgerMs(1), retired: ['old', name] }));
    expect(has(name)).toBe(true);
  });
});

describe('an object that the store will not delete does not keep the others', () => {
  const LOCKED = /^locked/;
  const many = Array.from({ length: 2_500 }, (_, n) => (n % 500 === 7 ? `locked-${n}` : `free-${n}`));
  const locked = many.filter((name) => LOCKED.test(name));

  beforeEach(() => {
    for (const name of many) world.stores.write('world', name, Buffer.from('x'));
    world.stores.refuseDelete = (_, name) => (LOCKED.test(name) ? 'AccessDenied' : undefined);
  });

  const forms: readonly [string, Partial<ReapRecord>, boolean][] = [
    ['stamped', { stampMs: ledgerMs(1) }, false],
    ['unstamped', {}, false],
    ['time-bound', {}, true],
  ];
  it.each(forms)(
    '%s: takes what can be taken, keeps the rest, and ends when it is let go',
    async (_, changes, timeBound) => {
      const metadata = new MemoryMetadata(world.metadata);
      deps = {
        ...deps,
        metadata: timeBound ? Object.assign(metadata, { commitForm: 'time-bound' as const }) : metadata,
      };
      let current = record({ retired: many, merged: [], ...changes });
      let deleted = 0;
      for (let looks = 0; looks < 30; looks++) {
        world.ledger.nowMs = Math.max(world.ledger.nowMs, wallMs(current.dueMs));
        const verdict = await reapRecord(current, deps);
        if (verdict.kind === 'done') throw new Error('forgot what is locked');
        deleted += verdict.deleted ?? 0;
        current = verdict.record;
      }
      expect(deleted).toBe(many.length - locked.length);
      expect(world.objectNames().filter((name) => /^(free|locked)/.test(name))).toEqual([...locked].sort());
      expect(current.retired).toEqual(locked);
      expect(current.doubts).toBeGreaterThan(5);
      expect(wallMs(current.dueMs) - world.ledger.nowMs).toBeGreaterThanOrEqual(LIMITS.graceMs);
      world.stores.refuseDelete = undefined;
      for (let looks = 0; looks < 5; looks++) {
        world.ledger.nowMs = Math.max(world.ledger.nowMs, wallMs(current.dueMs));
        const verdict = await reapRecord(current, deps);
        if (verdict.kind === 'done') break;
        current = verdict.record;
      }
      expect(world.objectNames().some((name) => LOCKED.test(name))).toBe(false);
    },
  );

  it('without a fence, what becomes unreferenced meanwhile still goes', async () => {
    deps = {
      ...deps,
      metadata: Object.assign(new MemoryMetadata(world.metadata), { commitForm: 'time-bound' as const }),
    };
    const late = objectName(KEY, { chunkId: 1n, compaction: 0n, blockIndex: 0 }, 0);
    world.write(0, 16);
    let current = await lookAt(record({ retired: ['locked-7', late], merged: [] }));
    const lists = world.metadata.at(KEY)?.lists;
    lists?.set(0, lists.get(0)?.slice(1) ?? []);
    for (let looks = 0; looks < 4; looks++) current = await lookAt(current);
    expect([has(late), has('locked-7')]).toEqual([false, true]);
  });
});
