/** fsck: what cannot be read is reported with its range and reason, what can be is not, and nothing is changed. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import { checkFilesystem, checkInode, type InodeVerdict } from '../../src/fsck/fsck.ts';
import { storeFault } from '../objects/memory-store.ts';
import { Boundary } from '../sim/boundary.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { fragmentedWorld } from '../sim/scenes.ts';
import { KEY, type World } from '../sim/world.ts';

const BUCKET = 'world';
let world: World;

beforeEach(() => {
  world = fragmentedWorld();
});

function fsck(options: { read?: boolean; boundary?: Boundary } = {}) {
  const metadata = new MemoryMetadata(world.metadata, options.boundary);
  const objects = world.stores.forFilesystem(world.filesystem);
  const deps = { metadata, objects, filesystem: world.filesystem };
  return checkInode(KEY, deps, { read: options.read ?? false, requestsInFlight: 3 });
}

describe.each([false, true])('with read: %s', (read) => {
  it('a file that can be read has no faults, before and after compaction', async () => {
    const before = await fsck({ read });
    expect(before).toMatchObject({ faults: [], faultsTotal: 0, chunks: 2 });
    expect(before.objects).toBeGreaterThan(8);
    await world.compact();
    const after = await fsck({ read });
    expect(after).toMatchObject({ faults: [], dataBytes: expect.any(Number) });
    expect(after.objects).toBeLessThan(before.objects);
  });

  it('a missing object: just the ranges that are read from it', async () => {
    const whole = await fsck({ read });
    for (const name of world.objectNames()) {
      const object = world.stores.bucket(BUCKET).get(name);
      if (object === undefined) throw new Error('no object');
      world.stores.bucket(BUCKET).delete(name);
      const report = await fsck({ read });
      const unreadable = report.faults.map(({ begin, end }) => [begin, end]);
      expect(report.faults.every((fault) => fault.object === name && fault.reason === 'missing')).toBe(true);
      for (let at = 0; at < world.snapshot().length; at++) {
        const inFault = unreadable.some(([begin = 0, end = 0]) => at >= begin && at < end);
        // A whole file up to here reads, and one byte more does not.
        if (inFault) expect(world.readFault({ ...world.snapshot(), length: at + 1 })).toContain('missing');
      }
      if (report.faultsTotal === 0) expect(world.readFault(world.snapshot())).toBeNull();
      world.stores.bucket(BUCKET).set(name, object);
    }
    expect((await fsck({ read })).dataBytes).toBe(whole.dataBytes);
  });

  it('a short object: from its end on', async () => {
    // The version of [100, 128), of which [110, 114) was written anew.
    const name = `${KEY.fsId}_${KEY.inodeId}_13_2_0`;
    const object = world.stores.bucket(BUCKET).get(name);
    world.stores.write(BUCKET, name, Buffer.from(object?.bytes ?? []).subarray(0, 3));
    expect(await fsck({ read })).toMatchObject({
      faults: [{ chunkIndex: 1, begin: 103, end: 110, reason: 'short', object: name }],
      faultsTotal: 1,
    });
  });

  it('an object that is missing or short where nothing of it is visible: no fault', async () => {
    const visible = world.visibleNames();
    for (const [n, name] of world.referencedNames().entries()) {
      if (visible.has(name)) continue;
      if (n % 2 === 0) world.stores.bucket(BUCKET).delete(name);
      else world.stores.write(BUCKET, name, Buffer.alloc(0));
    }
    expect(await fsck({ read })).toMatchObject({ faults: [], faultsTotal: 0 });
  });

  it('a list that breaks the format: the whole chunk', async () => {
    const version = { chunkId: 1n, compaction: 0n, offset: 60, len: 10, size: 10, zero: false };
    world.metadata.at(KEY)?.lists.set(0, [version]);
    expect(await fsck({ read })).toMatchObject({
      faults: [{ chunkIndex: 0, begin: 0, end: 64, reason: 'list-invalid' }],
      faultBytes: 64,
    });
  });

  it('a list that breaks the format, at and beyond the length: only bytes of the file are told', async () => {
    const version = { chunkId: 1n, compaction: 0n, offset: 60, len: 10, size: 10, zero: false };
    for (const chunkIndex of [1, 5]) world.metadata.at(KEY)?.lists.set(chunkIndex, [version]);
    expect(await fsck({ read })).toMatchObject({
      faults: [
        { chunkIndex: 1, begin: 64, end: 120, reason: 'list-invalid' },
        { chunkIndex: 5, begin: 320, end: 320, reason: 'list-invalid' },
      ],
      faultBytes: 56,
    });
  });

  it('a list that changes under every look: only what it still asks for is told', async () => {
    // The first block of what was written at 48, of which [50, 52) is written anew, its old object deleted, at each look.
    const named = `${KEY.fsId}_${KEY.inodeId}_6_3_0`;
    const objects = world.stores.bucket(BUCKET);
    objects.delete(named);
    let changes = 0;
    world.stores.before = (call) => {
      if (call.op !== 'head' || call.names[0] !== named) return;
      const before = new Set(objects.keys());
      const newest = world.metadata
        .at(KEY)
        ?.lists.get(0)
        ?.findLast(({ offset }) => offset === 50);
      world.write(50, 2);
      expect(objects.size).toBe(before.size + 1);
      objects.delete(`${KEY.fsId}_${KEY.inodeId}_${newest?.chunkId}_3_0`);
      changes++;
    };
    const report = await fsck({ read });
    expect(changes).toBeGreaterThan(2);
    expect(report.faults).toMatchObject([
      { begin: 48, end: 50, reason: 'missing', object: named },
      { begin: 52, end: 64, reason: 'missing', object: named },
    ]);
  });
});

it('tells of each object that was looked at, and stops when it is told to', async () => {
  const stop = new AbortController();
  const deps = {
    metadata: new MemoryMetadata(world.metadata),
    objects: world.stores.forFilesystem(world.filesystem),
    filesystem: world.filesystem,
  };
  let looked = 0;
  const onObject = () => void looked++;
  const options = { read: false, requestsInFlight: 1, signal: stop.signal, onObject };
  expect((await checkInode(KEY, deps, options)).objects).toBe(looked);
  world.stores.before = () => stop.abort();
  await expect(checkInode(KEY, deps, options)).rejects.toMatchObject({ code: 'cancelled' });
});

it('a merged object with other bytes is seen by reading only', async () => {
  await world.compact();
  const name = world.objectNames().find((one) => !one.endsWith('_0')) ?? '';
  const object = world.stores.bucket(BUCKET).get(name);
  if (object === undefined) throw new Error('no merged object');
  const bytes = Buffer.from(object.bytes);
  bytes.writeUInt8(bytes.readUInt8(0) ^ 1);
  world.stores.bucket(BUCKET).set(name, { ...object, bytes });
  expect((await fsck()).faults).toEqual([]);
  expect((await fsck({ read: true })).faults).toMatchObject([{ object: name, reason: 'corrupt' }]);
});

it('a compaction and a reap under the look give no false alarm', async () => {
  for (let step = 0; step < 30; step++) {
    world = fragmentedWorld();
    const boundary = new Boundary(undefined, async (_name, n) => {
      if (n !== step) return;
      await world.compact();
      await world.reapAll();
    });
    const objects = world.stores.forFilesystem(world.filesystem);
    const metadata = new MemoryMetadata(world.metadata, boundary);
    let heads = 0;
    const slow: typeof objects = {
      ...objects,
      getRange: (...args) => objects.getRange(...args),
      putIfAbsent: (...args) => objects.putIfAbsent(...args),
      delete: (...args) => objects.delete(...args),
      head: (name) => boundary.cross(`head ${heads++}`, () => objects.head(name)),
    };
    const deps = { metadata, objects: slow, filesystem: world.filesystem };
    expect((await checkInode(KEY, deps, { read: true, requestsInFlight: 1 })).faults, `step ${step}`).toEqual([]);
  }
});

it.each([
  ['unlinked', () => world.unlink()],
  ['not-s3', () => world.metadata.put({ key: KEY, length: 0, nlink: 1, mtimeMs: 0, type: 'directory' })],
  ['missing', () => world.metadata.inodes.clear()],
] as const)('an inode that is %s is skipped', async (skipped, act) => {
  act();
  expect(await fsck()).toMatchObject({ skipped, objects: 0, faults: [] });
});

describe('a walk', () => {
  async function walk(
    metadata = new MemoryMetadata(world.metadata),
    verdicts: InodeVerdict[] = [],
  ): Promise<InodeVerdict[]> {
    const deps = { metadata, objects: world.stores };
    const options = { read: false, requestsInFlight: 2, inodesInFlight: 2 };
    for await (const verdict of checkFilesystem(KEY.fsId, deps, options)) verdicts.push(verdict);
    return verdicts;
  }

  it('looks at every inode, and goes on after one that cannot be looked at', async () => {
    const others = [2n, 3n, 4n].map((inodeId) => ({ fsId: KEY.fsId, inodeId }));
    for (const key of others) world.metadata.put({ key, length: 10, nlink: 1, mtimeMs: 0, type: 's3' });
    world.stores.before = (call) => {
      if (call.op === 'head') throw storeFault('store-unavailable');
    };
    const verdicts = await walk();
    expect(verdicts).toHaveLength(4);
    expect(verdicts.filter((verdict) => 'unknown' in verdict)).toMatchObject([{ key: KEY }]);
  });

  it('an inode that breaks the format is a fault of its own, and the walk goes on', async () => {
    const malformed = new CompactError('a field is not a number', { kind: 'halt', code: 'inode-malformed' });
    const broken = { fsId: KEY.fsId, inodeId: 2n };
    world.metadata.put({ key: broken, length: 77, nlink: 1, mtimeMs: 0, type: 's3' });
    for (const [at, end] of [
      ['getInode', 0],
      ['chunkIndexes', 77],
    ] as const) {
      const metadata = new MemoryMetadata(world.metadata);
      const { getInode, chunkIndexes } = metadata;
      metadata.getInode = async (key) => {
        if (at === 'getInode' && key.inodeId === broken.inodeId) throw malformed;
        return getInode.call(metadata, key);
      };
      metadata.chunkIndexes = async function* (key) {
        if (at === 'chunkIndexes' && key.inodeId === broken.inodeId) throw malformed;
        yield* chunkIndexes.call(metadata, key);
      };
      const verdicts = await walk(metadata);
      expect(verdicts).toHaveLength(2);
      expect(verdicts.find(({ key }) => key.inodeId === broken.inodeId)).toMatchObject({
        faults: [{ begin: 0, end, reason: 'inode-malformed', detail: malformed.message }],
        faultsTotal: 1,
      });
    }
  });

  it('what was found beside the failure comes before it', async () => {
    const other = { fsId: KEY.fsId, inodeId: 2n };
    world.metadata.put({ key: other, length: 0, nlink: 1, mtimeMs: 0, type: 's3' });
    world.stores.before = () => {
      throw storeFault('access-denied');
    };
    const verdicts: InodeVerdict[] = [];
    await expect(walk(undefined, verdicts)).rejects.toMatchObject({ code: 'access-denied' });
    expect(verdicts).toMatchObject([{ key: other, faultsTotal: 0 }]);
  });

  it('ends at once where nothing can be looked at', async () => {
    world.stores.before = () => {
      throw storeFault('access-denied');
    };
    await expect(walk()).rejects.toMatchObject({ code: 'access-denied' });
  });
});

it('changes nothing', async () => {
  const calls = new Set<string>();
  world.stores.before = (call) => void calls.add(call.op);
  const boundary = new Boundary();
  await fsck({ read: true, boundary });
  expect([...calls].sort()).toEqual(['get', 'head']);
  expect(new Set(boundary.crossings)).toEqual(
    new Set(['metadata.getInode', 'metadata.chunkIndexes', 'metadata.readChunk']),
  );
});
