/** reap: what each kind of doubt does (nothing), and the waits that the protocol asks for (I7, I10). */

import { beforeEach, describe, expect, it } from 'vitest';
import { objectName } from '../../src/format.ts';
import type { ReapRecord } from '../../src/ledger.ts';
import { MISSING_INODE_WAIT_MS, type ReapDeps, reapRecord } from '../../src/reap/reap-record.ts';
import { ledgerMs, wallMs } from '../../src/time.ts';
import { storeFault } from '../objects/memory-store.ts';
import { Boundary } from '../sim/boundary.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';
import { reapDeps, recordIn } from './record.ts';

const ATTEMPT = 4096n;
let world: World;
let deps: ReapDeps;

beforeEach(() => {
  world = new World();
  world.write(0, 20);
  for (const name of ['old', 'new']) world.stores.write('world', name, Buffer.from(name));
  deps = reapDeps(world);
});

function record(changes: Partial<ReapRecord> = {}): ReapRecord {
  return recordIn(world, { attempt: ATTEMPT, retired: ['old'], merged: ['new'], ...changes });
}

/** Looks until the record is done, waiting for each due time; returns the due times. */
async function waits(first: ReapRecord): Promise<number[]> {
  const seen: number[] = [];
  let current = first;
  for (let looks = 0; looks < 10; looks++) {
    const verdict = await reapRecord(current, deps);
    if (verdict.kind === 'done') return seen;
    current = verdict.record;
    seen.push(wallMs(current.dueMs) - world.ledger.nowMs);
    world.ledger.nowMs = wallMs(current.dueMs);
  }
  throw new Error('never done');
}

describe('a record that is in doubt deletes nothing and comes back (I10)', () => {
  const doubts: readonly [string, () => ReapRecord][] = [
    ['another metadata store', () => record({ storeId: 'redis:other' })],
    ['another file system under the number', () => record({ fsUuid: 'uuid-2' })],
    ['another bucket', () => record({ bucket: 'elsewhere' })],
    [
      'a missing file system',
      () => {
        world.metadata.filesystems.clear();
        return record();
      },
    ],
    [
      'a list that breaks the format',
      () => {
        const version = { chunkId: 1n, compaction: 0n, offset: 60, len: 10, size: 10, zero: false };
        // Of another chunk: any list may reference the object.
        world.metadata.at(KEY)?.lists.set(1, [version]);
        return record({ stampMs: ledgerMs(1) });
      },
    ],
    [
      'a list that is longer than what could be read of it',
      () => {
        const readChunk = deps.metadata.readChunk.bind(deps.metadata);
        deps.metadata.readChunk = async (...args) => ({ ...(await readChunk(...args)), versionsTotal: 5_000_001 });
        return record({ stampMs: ledgerMs(1) });
      },
    ],
    [
      'a store that refuses',
      () => {
        world.stores.before = () => {
          throw storeFault('access-denied');
        };
        return record({ stampMs: ledgerMs(1) });
      },
    ],
    [
      'a name that cannot be deleted',
      () => {
        world.stores.refuseDelete = () => 'AccessDenied';
        return record({ stampMs: ledgerMs(1) });
      },
    ],
  ];

  it.each(doubts)('%s', async (_name, make) => {
    const verdict = await reapRecord(make(), deps);
    expect(verdict).toMatchObject({ kind: 'again', record: { doubts: 1 } });
    expect(world.objectNames()).toEqual(expect.arrayContaining(['new', 'old']));
    expect(verdict.kind === 'again' && wallMs(verdict.record.dueMs) - world.ledger.nowMs).toBeGreaterThanOrEqual(
      30_000,
    );
  });

  it('backs off up to an hour and never gives up', async () => {
    let current = record({ bucket: 'elsewhere' });
    const delays: number[] = [];
    for (let n = 0; n < 30; n++) {
      const verdict = await reapRecord(current, deps);
      if (verdict.kind !== 'again') throw new Error('gave up');
      delays.push(wallMs(verdict.record.dueMs) - world.ledger.nowMs);
      world.ledger.nowMs = wallMs(verdict.record.dueMs);
      current = verdict.record;
    }
    expect(delays.slice(0, 3)).toEqual([30_000, 60_000, 120_000]);
    expect(Math.max(...delays)).toBe(3_600_000);
  });
});

describe('when records are looked at', () => {
  it('an early look changes nothing: only the ledger clock counts', async () => {
    const early = record({ dueMs: ledgerMs(world.ledger.nowMs + 1), stampMs: ledgerMs(1) });
    expect(await reapRecord(early, deps)).toEqual({ kind: 'again', record: early });
  });

  it('stamped: deletes only retired names, at once when due, and touches no fence', async () => {
    await deps.metadata.begin(KEY, ATTEMPT);
    expect(await waits(record({ stampMs: ledgerMs(1) }))).toEqual([]);
    expect(world.objectNames()).toContain('new');
    expect(world.objectNames()).not.toContain('old');
    expect((await deps.metadata.getInode(KEY))?.attempt).toBe(ATTEMPT);
  });

  it('unstamped: two looks one grace apart, and the first takes the fence away', async () => {
    await deps.metadata.begin(KEY, ATTEMPT);
    expect(await waits(record())).toEqual([LIMITS.graceMs]);
    expect((await deps.metadata.getInode(KEY))?.attempt).toBeUndefined();
    expect(world.objectNames()).toEqual(world.referencedNames());
  });

  it('a fence found standing at the second look makes it a first look again', async () => {
    const first = await reapRecord(record(), deps);
    if (first.kind !== 'again') throw new Error('done too early');
    await deps.metadata.begin(KEY, ATTEMPT);
    world.ledger.nowMs = wallMs(first.record.dueMs);
    const second = await reapRecord(first.record, deps);
    expect(second).toMatchObject({ kind: 'again', record: { dueMs: world.ledger.nowMs + LIMITS.graceMs } });
    expect(world.objectNames()).toEqual(expect.arrayContaining(['new', 'old']));
  });

  it('I7: the grace period counts from after the lists were read, however slow the look was', async () => {
    const slow = new Boundary(undefined, (name) => {
      if (name === 'metadata.readChunk') world.ledger.nowMs += LIMITS.graceMs - 1;
    });
    const metadata = new MemoryMetadata(world.metadata, slow);
    const verdict = await reapRecord(record(), { ...deps, metadata });
    // A name that lost its last version while the look stood still has one whole grace period from now.
    expect(verdict).toMatchObject({ kind: 'again', record: { dueMs: world.ledger.nowMs + LIMITS.graceMs } });
  });

  it('I7: stamped, but the server has come back since: two looks one grace apart, for what was retired and merged', async () => {
    world.metadata.incarnation = 2;
    expect(await waits(record({ stampMs: ledgerMs(1) }))).toEqual([LIMITS.graceMs]);
    expect(world.objectNames()).toEqual(world.referencedNames());
  });

  it('I7: a server that comes back between the two looks makes the second a first one again', async () => {
    const first = await reapRecord(record(), deps);
    if (first.kind !== 'again') throw new Error('done too early');
    world.metadata.incarnation = 2;
    world.ledger.nowMs = wallMs(first.record.dueMs);
    const second = await reapRecord(first.record, deps);
    expect(second).toMatchObject({ kind: 'again', record: { dueMs: world.ledger.nowMs + LIMITS.graceMs } });
    expect(world.objectNames()).toEqual(expect.arrayContaining(['new', 'old']));
  });

  it('I7: an object whose chunkId will be given out again waits until the ids have passed it', async () => {
    const retired = [`${KEY.fsId}_${KEY.inodeId}_7_0_0`];
    world.stores.write('world', retired[0] ?? '', Buffer.from('old'));
    world.metadata.filesystems.set(KEY.fsId, { ...world.filesystem, lastChunkId: 6n });
    const forgotten = await reapRecord(record({ retired }), deps);
    expect(forgotten).toMatchObject({ kind: 'again', doubt: expect.stringContaining('give it out again') });
    if (forgotten.kind !== 'again') throw new Error('done too early');
    expect(forgotten.record.unreferenced).toBeUndefined();
    world.metadata.filesystems.set(KEY.fsId, { ...world.filesystem, lastChunkId: 7n });
    world.ledger.nowMs = wallMs(forgotten.record.dueMs);
    expect(await waits(forgotten.record)).toEqual([LIMITS.graceMs]);
    expect(world.objectNames()).not.toContain(retired[0]);
  });

  it("leaves another attempt's fence alone", async () => {
    await deps.metadata.begin(KEY, 8192n);
    await waits(record());
    expect((await deps.metadata.getInode(KEY))?.attempt).toBe(8192n);
  });

  it('a missing inode counts only when it is missing at two looks a day apart', async () => {
    world.metadata.inodes.clear();
    expect(await waits(record())).toEqual([LIMITS.graceMs, MISSING_INODE_WAIT_MS - LIMITS.graceMs, LIMITS.graceMs]);
    expect(world.stores.bucket('world').has('old')).toBe(false);
    expect(world.stores.bucket('world').has('new')).toBe(false);
  });

  it('an inode that comes back within the day is looked at as ever', async () => {
    const inode = world.metadata.at(KEY);
    if (inode === undefined) throw new Error('no inode');
    world.metadata.inodes.clear();
    const first = await reapRecord(record(), deps);
    if (first.kind !== 'again') throw new Error('done too early');
    world.metadata.inodes.set(`${KEY.fsId}/${KEY.inodeId}`, inode);
    world.ledger.nowMs = wallMs(first.record.dueMs);
    const second = await reapRecord(first.record, deps);
    expect(second.kind === 'again' && second.record.missingSinceMs).toBe(undefined);
  });

  it('deletes in batches of at most 1,000 and looks again before it does', async () => {
    const names = Array.from({ length: 2_500 }, (_, n) => `old-${n}`);
    for (const name of names) world.stores.write('world', name, Buffer.from('x'));
    const batches: number[] = [];
    world.stores.before = (call) => {
      if (call.op === 'delete') batches.push(call.names.length);
    };
    expect(await reapRecord(record({ stampMs: ledgerMs(1), retired: names }), deps)).toMatchObject({
      kind: 'done',
      deleted: 2_500,
    });
    expect(batches).toEqual([1_000, 1_000, 500]);
  });

  it('keeps a name that any of the lists references, not only that of its chunk', async () => {
    world.write(70, 4);
    const [referenced = ''] = world.referencedNames().filter((name) => name.includes('_2_'));
    const verdict = await reapRecord(record({ stampMs: ledgerMs(1), retired: [referenced, 'old'] }), deps);
    expect(verdict).toEqual({ kind: 'done', deleted: 1, stillReferenced: 1 });
    expect(world.objectNames()).toContain(referenced);
  });
});

describe('without a fence a commit may come after the first look', () => {
  const old = objectName(KEY, { chunkId: 1n, compaction: 0n, blockIndex: 0 }, 0);

  beforeEach(() => {
    // A file whose lists are all gone is another matter.
    world.write(70, 4);
    deps = {
      ...deps,
      metadata: Object.assign(new MemoryMetadata(world.metadata), { commitForm: 'time-bound' as const }),
    };
  });

  it('what it retires gets two looks of its own', async () => {
    world.stores.write('world', old, Buffer.alloc(16));
    const first = await reapRecord(record({ retired: [old] }), deps);
    if (first.kind !== 'again') throw new Error('done too early');
    expect(first.record.unreferenced).toEqual(['new']);
    // The commit comes: the list does not name the old object any more.
    world.metadata.at(KEY)?.lists.delete(0);
    world.ledger.nowMs = wallMs(first.record.dueMs);
    const second = await reapRecord(first.record, deps);
    if (second.kind !== 'again') throw new Error('the retired object leaked');
    expect(second.record).toMatchObject({ retired: [old], merged: [], unreferenced: [old] });
    expect(second.record.dueMs).toBe(world.ledger.nowMs + LIMITS.graceMs);
    expect(world.stores.bucket('world').has('new')).toBe(false);
    expect(world.stores.bucket('world').has(old)).toBe(true);
    world.ledger.nowMs = wallMs(second.record.dueMs);
    expect(await reapRecord(second.record, deps)).toMatchObject({ kind: 'done', deleted: 1 });
    expect(world.stores.bucket('world').has(old)).toBe(false);
  });

  it('what another attempt puts back is kept', async () => {
    world.stores.write('world', old, Buffer.alloc(16));
    const lists = world.metadata.at(KEY)?.lists;
    const versions = lists?.get(0) ?? [];
    lists?.delete(0);
    const first = await reapRecord(record({ retired: [old], merged: [] }), deps);
    if (first.kind !== 'again') throw new Error('done too early');
    lists?.set(0, versions);
    world.ledger.nowMs = wallMs(first.record.dueMs);
    expect(await reapRecord(first.record, deps)).toMatchObject({ kind: 'done', deleted: 0, stillReferenced: 1 });
    expect(world.stores.bucket('world').has(old)).toBe(true);
  });

  it('a record all of whose names are referenced is looked at once more', async () => {
    const looks = await waits(record({ retired: [old], merged: [] }));
    expect(looks).toEqual([LIMITS.graceMs]);
  });
});
