/**
 * gc: what it takes for an orphan, what it leaves alone, and the doubts that delete nothing (I7, I10, I12). The seeded
 * world (test/sim/seeded) runs it among clients, compactors and faults; here each rule stands alone.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { collectGarbage, type GcOptions } from '../../src/gc/gc.ts';
import type { GcReport } from '../../src/gc/report.ts';
import { type ReapRecord, SUSPECTS_MAX } from '../../src/ledger.ts';
import { ledgerMs } from '../../src/time.ts';
import { storeFault } from '../objects/memory-store.ts';
import { Boundary } from '../sim/boundary.ts';
import { GcBookState, MemoryGcBook } from '../sim/memory-gc-book.ts';
import { MemoryLedger } from '../sim/memory-ledger.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { fragmentedWorld } from '../sim/scenes.ts';
import { KEY, LIMITS, type World } from '../sim/world.ts';

const BUCKET = 'world';
const MIN_AGE_MS = 72 * 3_600_000;
/** The looks of an object must be the minimum age apart, since the store's clock may be wrong. */
const BETWEEN_LOOKS_MS = MIN_AGE_MS;
/** An object that a client wrote and never referenced. */
const ORPHAN = `${KEY.fsId}_${KEY.inodeId}_77_1_0`;
let world: World;
let book: GcBookState;
let quarantined: ReadonlySet<string>;

beforeEach(() => {
  world = fragmentedWorld();
  book = new GcBookState();
  quarantined = new Set();
  world.stores.nowMs = () => world.ledger.nowMs;
  for (const [name, { bytes }] of world.stores.bucket(BUCKET)) world.stores.write(BUCKET, name, bytes);
  world.stores.write(BUCKET, ORPHAN, Buffer.alloc(10));
});

function gc(options: Partial<GcOptions> = {}, boundary = new Boundary()): Promise<GcReport> {
  const records = new MemoryLedger(world.ledger, boundary);
  const deps = {
    metadata: new MemoryMetadata(world.metadata, boundary),
    objects: world.stores,
    records,
    book: new MemoryGcBook(book, boundary),
    nowMs: () => records.nowMs(),
    quarantined: async () => quarantined,
  };
  const { leaseMs, graceMs } = LIMITS;
  const all = { leaseMs, graceMs, minAgeMs: MIN_AGE_MS, delete: true, deletesMax: 1_000, ...options };
  return collectGarbage(KEY.fsId, deps, all);
}

/** A first look at an orphan that is old enough, and the time until a second one counts. */
async function afterFirstLook(): Promise<void> {
  world.ledger.nowMs += MIN_AGE_MS;
  expect(await gc()).toMatchObject({ counts: { leaked: { objects: 1, bytes: 10 } }, deleted: { objects: 0 } });
  world.ledger.nowMs += BETWEEN_LOOKS_MS;
}

async function afterFirstLookAt(orphans: number): Promise<void> {
  world.ledger.nowMs += MIN_AGE_MS;
  expect(await gc()).toMatchObject({ counts: { leaked: { objects: orphans } }, deleted: { objects: 0 } });
  world.ledger.nowMs += BETWEEN_LOOKS_MS;
}

function hasOrphan(): boolean {
  return world.stores.bucket(BUCKET).has(ORPHAN);
}

function record(changes: Partial<ReapRecord>): ReapRecord {
  return {
    storeId: 'memory:fs',
    fsUuid: 'uuid-1',
    bucket: BUCKET,
    key: KEY,
    chunkIndex: 0,
    attempt: 4096n,
    retired: [],
    merged: [],
    dueMs: ledgerMs(Number.MAX_SAFE_INTEGER),
    ...changes,
  };
}

describe('an orphan', () => {
  it('goes at the second look, and everything that a list references stays', async () => {
    const before = world.objectNames();
    await afterFirstLook();
    expect(await gc()).toMatchObject({ ripe: 1, deleted: { objects: 1, bytes: 10 } });
    expect(world.objectNames()).toEqual(before.filter((name) => name !== ORPHAN));
    expect(book.suspects.size).toBe(0);
    expect(world.readFault(world.snapshot())).toBeNull();
  });

  it('is only told when nothing is to be deleted', async () => {
    await afterFirstLook();
    expect(await gc({ delete: false })).toMatchObject({ ripe: 1, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('stays while it is younger than the minimum age, and is not even noted', async () => {
    world.ledger.nowMs += MIN_AGE_MS - 1;
    expect(await gc()).toMatchObject({ counts: { young: { objects: 1 }, leaked: { objects: 0 } } });
    expect(book.suspects.size).toBe(0);
  });

  it('stays when the looks are less than lease and grace apart', async () => {
    world.ledger.nowMs += MIN_AGE_MS;
    await gc({ minAgeMs: 1 });
    world.ledger.nowMs += LIMITS.leaseMs + LIMITS.graceMs - 1;
    expect(await gc({ minAgeMs: 1 })).toMatchObject({ ripe: 0, deleted: { objects: 0 } });
    world.ledger.nowMs += 1;
    expect(await gc({ minAgeMs: 1 })).toMatchObject({ deleted: { objects: 1 } });
  });

  it("that the store says is of 1970 stays until it is old enough by the ledger's clock", async () => {
    world.stores.nowMs = () => 0;
    world.stores.write(BUCKET, ORPHAN, Buffer.alloc(10));
    world.ledger.nowMs += 100 * MIN_AGE_MS;
    expect(await gc()).toMatchObject({ counts: { leaked: { objects: 1 } } });
    world.ledger.nowMs += MIN_AGE_MS - 1;
    expect(await gc()).toMatchObject({ ripe: 0, deleted: { objects: 0 } });
    world.ledger.nowMs += 1;
    expect(await gc()).toMatchObject({ ripe: 1, deleted: { objects: 1 } });
  });

  it("that the store says was written a moment ago stays, however long the ledger's clock has known it", async () => {
    await afterFirstLook();
    world.stores.write(BUCKET, ORPHAN, Buffer.alloc(10));
    expect(await gc()).toMatchObject({ counts: { young: { objects: 1 } }, deleted: { objects: 0 } });
  });

  it.each([{ merged: [ORPHAN] }, { retired: [ORPHAN] }])('stays while a record covers it: %j', async (names) => {
    await afterFirstLook();
    world.ledger.set('r', record(names));
    expect(await gc()).toMatchObject({ counts: { pending: { objects: 1 } }, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('that a list references by the second look is forgotten, and has its two looks again later', async () => {
    await afterFirstLook();
    const list = world.lists().get(0) ?? [];
    const version = { chunkId: 77n, compaction: 0n, offset: 22, len: 10, size: 10, zero: false };
    world.metadata.at(KEY)?.lists.set(0, [...list, version]);
    expect(await gc()).toMatchObject({ counts: { leaked: { objects: 0 } }, deleted: { objects: 0 } });
    world.metadata.at(KEY)?.lists.set(0, [...list]);
    expect(await gc()).toMatchObject({ counts: { leaked: { objects: 1 } }, ripe: 0, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('that is referenced between the listing and the delete stays', async () => {
    await afterFirstLook();
    let pendings = 0;
    const boundary = new Boundary(undefined, (name) => {
      // The records are read to judge, and again right before the delete: the lists have been read by then.
      if (name !== 'metadata.getFilesystem' || ++pendings !== 2) return;
      const version = { chunkId: 77n, compaction: 0n, offset: 22, len: 10, size: 10, zero: false };
      world.metadata.at(KEY)?.lists.set(0, [...(world.lists().get(0) ?? []), version]);
    });
    expect(await gc({}, boundary)).toMatchObject({ ripe: 1, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('that a record covers between the judgement and the delete stays', async () => {
    await afterFirstLook();
    let pendings = 0;
    const boundary = new Boundary(undefined, (name) => {
      if (name === 'ledger.pending' && ++pendings === 2) world.ledger.set('r', record({ merged: [ORPHAN] }));
    });
    expect(await gc({}, boundary)).toMatchObject({ ripe: 1, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('has its first look again at a server that has come back (docs/adr/0004)', async () => {
    await afterFirstLook();
    world.metadata.incarnation = 2;
    expect(await gc()).toMatchObject({ ripe: 0, deleted: { objects: 0 } });
    // Its age counts on: only the looks are made anew.
    world.ledger.nowMs += LIMITS.leaseMs + LIMITS.graceMs - 1;
    expect(await gc()).toMatchObject({ ripe: 0, deleted: { objects: 0 } });
    world.ledger.nowMs += 1;
    expect(await gc()).toMatchObject({ deleted: { objects: 1 } });
  });

  it('stays at a server that came back between the judgement and the delete', async () => {
    await afterFirstLook();
    let reads = 0;
    const boundary = new Boundary(undefined, (name) => {
      if (name === 'metadata.getFilesystem' && ++reads === 3) world.metadata.incarnation = 2;
    });
    expect(await gc({}, boundary)).toMatchObject({ ripe: 1, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('whose chunkId will be given out again is not noted (docs/adr/0004)', async () => {
    world.metadata.filesystems.set(KEY.fsId, { ...world.filesystem, lastChunkId: 76n });
    world.ledger.nowMs += MIN_AGE_MS;
    expect(await gc()).toMatchObject({ counts: { leaked: { objects: 1 } } });
    expect(book.suspects.size).toBe(0);
  });

  it('whose chunkId turns out to be given out again is forgotten at the second look (docs/adr/0004)', async () => {
    await afterFirstLook();
    world.metadata.filesystems.set(KEY.fsId, { ...world.filesystem, lastChunkId: 76n });
    expect(await gc()).toMatchObject({ ripe: 0, deleted: { objects: 0 } });
    expect(book.suspects.size).toBe(0);
  });

  it('whose chunkId is given out again by the time of the delete stays (docs/adr/0004)', async () => {
    await afterFirstLook();
    let reads = 0;
    const boundary = new Boundary(undefined, (name) => {
      if (name !== 'metadata.getFilesystem' || ++reads !== 2) return;
      world.metadata.filesystems.set(KEY.fsId, { ...world.filesystem, lastChunkId: 76n });
    });
    expect(await gc({}, boundary)).toMatchObject({ ripe: 1, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('of an inode that the metadata does not have is a class of its own, and needs a flag of its own', async () => {
    const stranger = `${KEY.fsId}_4711_1_0_0`;
    world.stores.write(BUCKET, stranger, Buffer.alloc(3));
    world.ledger.nowMs += MIN_AGE_MS;
    const counts = { leaked: { objects: 1 }, inodeless: { objects: 1, bytes: 3 } };
    expect(await gc()).toMatchObject({ counts });
    world.ledger.nowMs += BETWEEN_LOOKS_MS;
    expect(await gc()).toMatchObject({ counts, ripe: 1, deleted: { objects: 1 } });
    expect(world.stores.bucket(BUCKET).has(stranger)).toBe(true);
    expect(await gc({ inodeless: true })).toMatchObject({ ripe: 0, deleted: { objects: 0 } });
    world.ledger.nowMs += BETWEEN_LOOKS_MS;
    expect(await gc({ inodeless: true })).toMatchObject({ ripe: 1, deleted: { objects: 1, bytes: 3 } });
  });

  it('of an inode that the metadata does not have takes no place in the book without that flag', async () => {
    const stranger = `${KEY.fsId}_4711_1_0_0`;
    world.stores.write(BUCKET, stranger, Buffer.alloc(3));
    world.ledger.nowMs += MIN_AGE_MS;
    // A book with one place left, in which an older version has noted it, and strangers that are gone.
    for (let n = 0; n < SUSPECTS_MAX - 1; n++) book.suspects.set(`${n}`, { sinceMs: ledgerMs(0), incarnation: '' });
    book.suspects.set(stranger, { sinceMs: ledgerMs(0), incarnation: '' });
    expect(await gc()).toMatchObject({ counts: { inodeless: { objects: 1 }, leaked: { objects: 1 } } });
    expect(await gc()).toMatchObject({ bookFull: false });
    expect([...book.suspects.keys()]).toEqual([ORPHAN]);
  });

  it.each(['blockSize', 'chunkSize', 'objectPrefix'] as const)(
    'stays where the file system has another %s by the judgement, or by the delete',
    async (field) => {
      await afterFirstLook();
      for (const changedAt of [2, 3]) {
        let reads = 0;
        const boundary = new Boundary(undefined, (name) => {
          if (name !== 'metadata.getFilesystem' || ++reads !== changedAt) return;
          const changed = { ...world.filesystem, [field]: field === 'objectPrefix' ? 1 : 2 * world.filesystem[field] };
          world.metadata.filesystems.set(KEY.fsId, changed);
        });
        const told = await gc({}, boundary).then(
          ({ stopped = '' }) => stopped,
          (error: Error) => error.message,
        );
        expect(told).toContain(`had ${field}`);
        expect(hasOrphan()).toBe(true);
        world.metadata.filesystems.set(KEY.fsId, world.filesystem);
        book.position = null;
      }
      expect(await gc()).toMatchObject({ deleted: { objects: 1 } });
    },
  );

  it('stays as long as any record says that its writer keeps what is unreferenced', async () => {
    world.ledger.nowMs += MIN_AGE_MS;
    world.ledger.set('r', record({ graceMs: 5 * LIMITS.graceMs }));
    await gc({ minAgeMs: 1 });
    world.ledger.nowMs += LIMITS.leaseMs + 5 * LIMITS.graceMs - 1;
    expect(await gc({ minAgeMs: 1 })).toMatchObject({ ripe: 0, deleted: { objects: 0 } });
    world.ledger.nowMs += 1;
    expect(await gc({ minAgeMs: 1 })).toMatchObject({ deleted: { objects: 1 } });
  });

  it('whose inode is gone by the time of the delete stays without that flag', async () => {
    await afterFirstLook();
    let reads = 0;
    const boundary = new Boundary(undefined, (name) => {
      if (name === 'metadata.getFilesystem' && ++reads === 3) world.metadata.inodes.clear();
    });
    expect(await gc({}, boundary)).toMatchObject({ ripe: 1, deleted: { objects: 0 } });
    expect(hasOrphan()).toBe(true);
  });

  it('of an inode in quarantine stays, and is counted', async () => {
    await afterFirstLook();
    quarantined = new Set([`${KEY.fsId}/${KEY.inodeId}`]);
    expect(await gc()).toMatchObject({ ripe: 1, quarantined: 1, deleted: { objects: 0 } });
    quarantined = new Set();
    expect(await gc()).toMatchObject({ quarantined: 0, deleted: { objects: 1 } });
  });
});

describe('what a pass costs, and leaves behind', () => {
  it('a note whose object is gone by other hands is forgotten by a whole pass, so that the book cannot fill with them', async () => {
    await afterFirstLook();
    world.stores.bucket(BUCKET).delete(ORPHAN);
    expect(await gc()).toMatchObject({ counts: { leaked: { objects: 0 } } });
    expect(book.suspects.size).toBe(0);
  });

  it('the rest of an interrupted pass forgets nothing: it has not seen the whole bucket', async () => {
    await afterFirstLook();
    book.position = { after: '2', objects: 50, leaked: 1, failures: 0 };
    expect(await gc()).toMatchObject({ resumed: true });
    expect([...book.suspects.keys()]).toEqual([ORPHAN]);
  });

  it('the records are not read for every page that has an orphan', async () => {
    for (let n = 0; n < 100; n++) world.stores.write(BUCKET, `${KEY.fsId}_${5_000 + n}_1_0_0`, Buffer.alloc(1));
    world.stores.pageMax = 1;
    world.ledger.nowMs += MIN_AGE_MS;
    const probe = new Boundary();
    expect(await gc({ delete: false }, probe)).toMatchObject({ counts: { inodeless: { objects: 100 } } });
    expect(probe.crossings.filter((name) => name === 'ledger.pending').length).toBeLessThan(10);
  });

  it('a delete that is refused ends the deletes and not the report', async () => {
    await afterFirstLook();
    world.stores.refuseDelete = (_bucket, name) => (name === ORPHAN ? 'AccessDenied' : undefined);
    const report = await gc();
    expect(report).toMatchObject({ ripe: 1, deleted: { objects: 0 }, counts: { leaked: { objects: 1 } } });
    expect(report.stopped).toContain('AccessDenied');
    expect(book.suspects.size).toBe(0);
  });

  it('a stop before the deletes leaves them to the next pass, and the report is made', async () => {
    await afterFirstLook();
    const stop = new AbortController();
    const atTheEnd = new Boundary(undefined, (name) => {
      if (name === 'book.setPosition') stop.abort();
    });
    const report = await gc({ signal: stop.signal }, atTheEnd);
    expect(report).toMatchObject({ ripe: 1, deleted: { objects: 0 } });
    expect(report.stopped).toContain('asked to stop');
    expect(await gc()).toMatchObject({ ripe: 1, deleted: { objects: 1 } });
  });

  it("orphans that the store will not delete stand in nobody's way, in this pass and in the next", async () => {
    const orphan = (n: number) => `${KEY.fsId}_${KEY.inodeId}_${1_000 + n}_0_0`;
    const orphans = Array.from({ length: 1_500 }, (_, n) => orphan(n));
    // More that are referenced than not: this is no wrong bucket.
    const referenced = Array.from({ length: 2_000 }, (_, n) => BigInt(100_000 + n));
    const byte = { compaction: 0n, offset: 0, len: 1, size: 1, zero: false };
    const key = { ...KEY, inodeId: 3n };
    world.metadata.put({ key, length: 1, nlink: 1, mtimeMs: 0, type: 's3' });
    world.metadata.at(key)?.lists.set(
      0,
      referenced.map((chunkId) => ({ ...byte, chunkId })),
    );
    for (const chunkId of referenced) world.stores.write(BUCKET, `${KEY.fsId}_3_${chunkId}_0_0`, Buffer.alloc(1));
    for (const name of orphans) world.stores.write(BUCKET, name, Buffer.alloc(1));
    const stuck = new Set(orphans.slice(0, 1_100));
    world.stores.refuseDelete = (_bucket, name) => (stuck.has(name) ? 'AccessDenied' : undefined);
    await afterFirstLookAt(1_501);
    const whole = await gc({ deletesMax: 300 });
    expect(whole).toMatchObject({ ripe: 1_501, deleted: { objects: 300 } });
    expect(whole.stopped).toMatch(/could not be deleted \(AccessDenied\), nor 1099 others/);
    // Those that it would not delete are noted anew, behind the others.
    expect(await gc({ deletesMax: 300 })).toMatchObject({ ripe: 101, deleted: { objects: 101 } });
    expect(new Set(world.objectNames().filter((name) => orphans.includes(name)))).toEqual(stuck);
  });
});

describe('what it does not understand is never touched', () => {
  it.each([
    ['unknown', 'readme.txt'],
    ['unknown', `${KEY.fsId}_${KEY.inodeId}_77_1`],
    ['unknown', `${KEY.fsId}/9007199254/9007199254740/${KEY.fsId}_${KEY.inodeId}_77_1_0`],
    ['own', `s3compact-owner-${KEY.fsId}`],
    ['other', `2_${KEY.inodeId}_77_1_0`],
  ])('%s: %s', async (reason, name) => {
    world.stores.write(BUCKET, name, Buffer.alloc(5));
    await afterFirstLook();
    expect(await gc()).toMatchObject({ counts: { [reason]: { objects: 1, bytes: 5 } }, deleted: { objects: 1 } });
    expect(world.stores.bucket(BUCKET).has(name)).toBe(true);
  });
});

describe('doubt deletes nothing (I10)', () => {
  /** An inode whose list breaks the format, with an object. */
  function damage(inodeId: bigint): string {
    const key = { fsId: KEY.fsId, inodeId };
    world.metadata.put({ key, length: 64, nlink: 1, mtimeMs: 0, type: 's3' });
    const version = { chunkId: 1n, compaction: 0n, offset: 60, len: 10, size: 10, zero: false };
    world.metadata.at(key)?.lists.set(0, [version]);
    return `${KEY.fsId}_${inodeId}_9_0_0`;
  }

  it('a list that breaks the format: what belongs to its inode stays, everything else goes, both are reported', async () => {
    const kept = damage(5n);
    world.stores.write(BUCKET, kept, Buffer.alloc(1));
    await afterFirstLook();
    const report = await gc();
    expect(report).toMatchObject({
      counts: { unjudged: { objects: 1 } },
      failures: 1,
      deleted: { objects: 1 },
      failureExamples: [expect.stringContaining('1/5')],
    });
    expect(report.refused).toBeUndefined();
    expect(world.stores.bucket(BUCKET).has(kept)).toBe(true);
    expect(hasOrphan()).toBe(false);
  });

  it('an inode that breaks between the judgement and the delete: the same', async () => {
    const key = { fsId: KEY.fsId, inodeId: 5n };
    world.metadata.put({ key, length: 64, nlink: 1, mtimeMs: 0, type: 's3' });
    const kept = `${KEY.fsId}_5_9_0_0`;
    world.stores.write(BUCKET, kept, Buffer.alloc(1));
    await afterFirstLookAt(2);
    let reads = 0;
    const boundary = new Boundary(undefined, (name) => {
      if (name === 'metadata.getFilesystem' && ++reads === 3) damage(5n);
    });
    const report = await gc({}, boundary);
    expect(report).toMatchObject({ ripe: 2, failures: 1, deleted: { objects: 1 } });
    expect(report.stopped).toBeUndefined();
    expect(world.stores.bucket(BUCKET).has(kept)).toBe(true);
  });

  it('any metadata call of the pass that fails', async () => {
    await afterFirstLook();
    const probe = new Boundary();
    await gc({ delete: false }, probe);
    const calls = probe.crossings.flatMap((name, at) => (name.startsWith('metadata') ? [at] : []));
    expect(calls.length).toBeGreaterThan(4);
    for (const at of calls) {
      await gc({}, new Boundary({ at, ending: 'fails-before' })).catch(() => undefined);
      expect(hasOrphan(), probe.crossings[at]).toBe(true);
      book.position = null;
    }
  });

  it('a listing that fails, and the records that cannot be read', async () => {
    await afterFirstLook();
    await expect(
      gc(
        {},
        new Boundary(undefined, (name) => {
          if (name === 'ledger.pending') throw storeFault('store-unavailable', 'injected');
        }),
      ),
    ).rejects.toThrow('injected');
    world.stores.before = (call) => {
      if (call.op === 'list') throw storeFault('store-unavailable');
    };
    await expect(gc()).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(hasOrphan()).toBe(true);
  });

  it('a bucket in which everything looks like an orphan', async () => {
    world.metadata.inodes.clear();
    world.ledger.nowMs += MIN_AGE_MS;
    await gc();
    world.ledger.nowMs += BETWEEN_LOOKS_MS;
    const report = await gc();
    expect(report.refused).toContain('wrong metadata store');
    expect(report.deleted.objects).toBe(0);
  });

  it('most of a bucket, from 100 objects on', async () => {
    for (let n = 0; n < 200; n++) world.stores.write(BUCKET, `${KEY.fsId}_${n}_1_0_0`, Buffer.alloc(1));
    world.ledger.nowMs += MIN_AGE_MS;
    await gc();
    world.ledger.nowMs += BETWEEN_LOOKS_MS;
    expect((await gc()).refused).toContain('of the');
    expect(hasOrphan()).toBe(true);
  });

  it('a file system that does not exist', async () => {
    world.metadata.filesystems.clear();
    await expect(gc()).rejects.toMatchObject({ code: 'filesystem-missing' });
  });
});

it('tells missing and short objects, and only those that stay so', async () => {
  const [missing = '', short = ''] = [...world.visibleNames()].sort();
  world.stores.bucket(BUCKET).delete(missing);
  world.stores.write(BUCKET, short, Buffer.alloc(1));
  const report = await gc();
  expect(report.faults).toMatchObject([
    { object: missing, reason: 'missing', inodeId: `${KEY.inodeId}` },
    { object: short, reason: 'short', bytes: 1 },
  ]);
});

it('a compaction and a reap at any step of a pass give no false alarm, and lose nothing', async () => {
  for (let step = 0; ; step++) {
    world = fragmentedWorld();
    world.stores.pageMax = 5;
    book = new GcBookState();
    let acted = false;
    const boundary = new Boundary(undefined, async (_name, n) => {
      if (n !== step) return;
      acted = true;
      await world.compact();
      await world.reapAll();
    });
    expect((await gc({ minAgeMs: 1 }, boundary)).faults, `step ${step}`).toEqual([]);
    expect(world.readFault(world.snapshot())).toBeNull();
    if (!acted) break;
  }
});

it('a pass that was stopped anywhere is gone on with, and finds all that a whole one finds', async () => {
  world.stores.pageMax = 3;
  world.ledger.nowMs += MIN_AGE_MS;
  const whole = await gc({ delete: false });
  for (let at = 0; ; at++) {
    book = new GcBookState();
    const boundary = new Boundary({ at, ending: 'gone-before' });
    const stopped = await gc({}, boundary).then(
      () => false,
      () => true,
    );
    const rest = await gc({ delete: false });
    expect([...book.suspects.keys()], `stopped at ${at}`).toEqual([ORPHAN]);
    if (!stopped) break;
    expect(rest.counts.referenced.objects).toBeLessThanOrEqual(whole.counts.referenced.objects);
  }
});

it('deletes in batches, at most as many as it may', async () => {
  // Referenced objects enough that the orphans are not the most.
  for (let n = 0; n < 700; n++) {
    const key = { fsId: KEY.fsId, inodeId: BigInt(10_000 + n) };
    world.metadata.put({ key, length: 1, nlink: 1, mtimeMs: 0, type: 's3' });
    const version = { chunkId: 1n, compaction: 0n, offset: 0, len: 1, size: 1, zero: false };
    world.metadata.at(key)?.lists.set(0, [version]);
    world.stores.write(BUCKET, `${key.fsId}_${key.inodeId}_1_0_0`, Buffer.alloc(1));
    world.stores.write(BUCKET, `${key.fsId}_${key.inodeId}_2_0_0`, Buffer.alloc(1));
    world.stores.write(BUCKET, `${key.fsId}_${key.inodeId}_1_1_0`, Buffer.alloc(1));
    world.metadata.at(key)?.lists.set(0, [version, { ...version, chunkId: 2n }]);
  }
  world.ledger.nowMs += MIN_AGE_MS;
  await gc();
  world.ledger.nowMs += BETWEEN_LOOKS_MS;
  const batches: number[] = [];
  world.stores.before = (call) => {
    if (call.op === 'delete') batches.push(call.names.length);
  };
  expect(await gc({ deletesMax: 300 })).toMatchObject({ ripe: 701, deleted: { objects: 300 } });
  expect(await gc()).toMatchObject({ ripe: 401, deleted: { objects: 401 } });
  expect(batches).toEqual([300, 401]);
});

it('an object that is missing or short where nothing of it is visible is no fault', async () => {
  // The last blocks lie beyond the length.
  world.truncate(90);
  expect((await gc()).faults).toEqual([]);
  const visible = world.visibleNames();
  const hidden = world.referencedNames().filter((name) => !visible.has(name));
  expect(hidden.length).toBeGreaterThan(1);
  for (const [n, name] of hidden.entries()) {
    if (n % 2 === 0) world.stores.bucket(BUCKET).delete(name);
    else world.stores.write(BUCKET, name, Buffer.alloc(0));
  }
  expect((await gc()).faults).toEqual([]);
});
