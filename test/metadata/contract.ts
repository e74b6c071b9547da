/**
 * What every MetadataStore must do, whatever is behind it: run by each adapter's test file, and by the fake that the
 * simulation uses. It must use the port only; the world plays writers and owners by other means. Reading is here,
 * walking in contract-walk.ts, fence and commit in contract-commit.ts, random histories in contract-model.ts.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CompactError, type ErrorCode } from '../../src/errors.ts';
import { inodeKeys } from '../../src/metadata/port.ts';
import { type Filesystem, UINT64_MAX } from '../../src/model.ts';
import { commitContract } from './contract-commit.ts';
import { modelContract } from './contract-model.ts';
import { walkContract } from './contract-walk.ts';
import {
  ALL_TRAITS,
  ATTEMPT,
  collect,
  FILESYSTEM,
  INODE,
  KEY,
  type MetadataDamage,
  type MetadataTraits,
  type MetadataWorld,
  version,
  versions,
} from './world.ts';

/** Registers the whole contract for the adapter `name`; every test gets a world of its own. */
export function metadataContract(
  name: string,
  makeWorld: () => Promise<MetadataWorld>,
  traits: MetadataTraits = ALL_TRAITS,
): void {
  describe(`${name}: metadata contract`, () => {
    let world: MetadataWorld;
    beforeEach(async () => {
      world = await makeWorld();
    });
    afterEach(() => world.close());

    describe('reading', () => readContract(() => world, traits));
    describe('walking', () => walkContract(() => world, traits));
    if (traits.damage) describe('what breaks the format is refused', () => damageContract(() => world));
    describe('fence and commit', () => commitContract(() => world, traits));
    describe('random histories', () => modelContract(() => world, traits));
  });
}

function readContract(world: () => MetadataWorld, traits: MetadataTraits): void {
  const told = (filesystem: Filesystem): Filesystem => world().told?.(filesystem) ?? filesystem;

  test('a file system comes back whole, and null where there is none', async () => {
    const full = { ...FILESYSTEM, fsId: 8, objectPrefix: 2 as const, endpoint: 'http://127.0.0.1:7480', region: 'eu' };
    await world().putFilesystem(FILESYSTEM);
    await world().putFilesystem(full);
    expect(await world().store.getFilesystem(7)).toEqual(told(FILESYSTEM));
    expect(await world().store.getFilesystem(8)).toEqual(told(full));
    expect(await world().store.getFilesystem(9)).toBeNull();
  });

  test('the incarnation is the same text for as long as the server lives', async () => {
    await world().putFilesystem(FILESYSTEM);
    const incarnation = await world().store.incarnation(KEY);
    expect(incarnation).not.toBe('');
    await world().putInode(INODE);
    expect(await world().store.incarnation(KEY)).toBe(incarnation);
  });

  test('an inode comes back whole, whatever its type, and null where there is none', async () => {
    const directory = { ...INODE, key: { fsId: 7, inodeId: 43n }, type: 'directory', nlink: 0 };
    await world().putInode(INODE);
    await world().putInode(directory);
    expect(await world().store.getInode(KEY)).toEqual(INODE);
    expect(await world().store.getInode(directory.key)).toEqual(directory);
    expect(await world().store.getInode({ fsId: 7, inodeId: 44n })).toBeNull();
    expect(await world().store.getInode({ fsId: 8, inodeId: 42n })).toBeNull();
  });

  test('ids up to 2^64-1 and numbers up to 2^53-1 are kept to the last digit', async () => {
    const key = { fsId: 2 ** 32 - 1, inodeId: UINT64_MAX };
    const most = Number.MAX_SAFE_INTEGER;
    const inode = { key, length: most, nlink: 2 ** 32 - 1, mtimeMs: most, type: 's3' };
    const largest = {
      chunkId: UINT64_MAX,
      compaction: UINT64_MAX - 1n,
      offset: most - 1,
      len: 1,
      size: 1,
      zero: false,
    };
    await world().putInode(inode);
    await world().append(key, 134_217_727, [largest]);
    expect(await world().store.readChunk(key, 134_217_727, 10)).toEqual({
      inode,
      versions: [largest],
      versionsTotal: 1,
    });
    expect(await collect(world().store.chunkIndexes(key))).toEqual([134_217_727]);
  });

  test('a chunk is read oldest first, at most as many as asked for, and all are counted', async () => {
    await world().putInode(INODE);
    await world().append(KEY, 3, versions(0, 10));
    for (const versionsMax of [1, 9, 10, 11]) {
      const snapshot = await world().store.readChunk(KEY, 3, versionsMax);
      expect(snapshot).toEqual({ inode: INODE, versions: versions(0, Math.min(10, versionsMax)), versionsTotal: 10 });
    }
  });

  test('a part of a chunk is read from any position', async () => {
    await world().putInode(INODE);
    await world().append(KEY, 3, versions(0, 10));
    for (const [from, versionsMax] of [
      [0, 10],
      [1, 9],
      [4, 3],
      [9, 5],
      [10, 1],
      [30, 2],
    ] as const) {
      const snapshot = await world().store.readChunk(KEY, 3, versionsMax, from);
      const part = versions(0, 10).slice(from, from + versionsMax);
      expect(snapshot).toEqual({ inode: INODE, versions: part, versionsTotal: 10 });
    }
  });

  test('a chunk without a list is empty; an inode that is missing is null', async () => {
    await world().putInode(INODE);
    expect(await world().store.readChunk(KEY, 0, 10)).toEqual({ inode: INODE, versions: [], versionsTotal: 0 });
    const nobody = { fsId: 7, inodeId: 43n };
    expect(await world().store.readChunk(nobody, 0, 10)).toEqual({ inode: null, versions: [], versionsTotal: 0 });
    expect(await collect(world().store.chunkIndexes(nobody))).toEqual([]);
  });

  const which = traits.everyInode ? 'every inode of the file system comes, of any type' : 'every linked S3 file comes';
  test(`${which}, and nothing else`, async () => {
    const ids = Array.from({ length: 2500 }, (_, n) => BigInt(n) * 1_000_003n);
    await Promise.all(ids.map((inodeId) => world().putInode({ ...INODE, key: { fsId: 7, inodeId } })));
    await world().putInode({ ...INODE, key: { fsId: 7, inodeId: UINT64_MAX }, type: 'directory', nlink: 0 });
    for (const fsId of [71, 1]) await world().putInode({ ...INODE, key: { fsId, inodeId: 5n } });
    await world().append({ fsId: 7, inodeId: 0n }, 3, [version(1)]);
    const found = await collect(inodeKeys(world().store, 7));
    expect(new Set(found.map(({ fsId }) => fsId))).toEqual(new Set([7]));
    expect(new Set(found.map(({ inodeId }) => inodeId))).toEqual(
      new Set(traits.everyInode ? [...ids, UINT64_MAX] : ids),
    );
    expect(await collect(inodeKeys(world().store, 8))).toEqual([]);
  });

  test('every chunk index comes once, however many there are', async () => {
    await world().putInode(INODE);
    const indexes = Array.from({ length: 3000 }, (_, n) => n * 3);
    for (const chunkIndex of indexes) await world().append(KEY, chunkIndex, [version(chunkIndex)]);
    await world().append(KEY, 0, [version(1)]);
    const found = await collect(world().store.chunkIndexes(KEY));
    expect(found.toSorted((a, b) => a - b)).toEqual(indexes);
  });
}

/** The damage, what it is called, and what the message must name. */
function damageContract(world: () => MetadataWorld): void {
  const damage = (): MetadataDamage => {
    const { damage } = world();
    if (damage === undefined) throw new TypeError('the trait `damage` is set, but the world has none');
    return damage;
  };

  test.each([
    ['blockSize', '0'],
    ['blockSize', '-16'],
    ['blockSize', '16.0'],
    ['blockSize', null],
    ['chunkSize', '63'],
    ['chunkSize', '0'],
    ['chunkSize', String(2 ** 32 + 16)],
    ['chunkSize', null],
    ['objectPrefix', '3'],
    ['objectPrefix', 'true'],
    ['objectPrefix', null],
    ['uuid', ''],
    ['uuid', null],
    ['name', null],
    ['bucket', ''],
    ['bucket', null],
    ['endpoint', ''],
    ['region', ''],
  ])('file system with %s = %j', async (field, value) => {
    await world().putFilesystem(FILESYSTEM);
    await damage().filesystem(7, field, value);
    await expectRefusal(world().store.getFilesystem(7), 'filesystem-malformed', [field]);
  });

  test.each([
    ['length', '-1'],
    ['length', '9007199254740992'],
    ['length', '1e3'],
    ['length', '007'],
    ['length', null],
    ['nlink', 'one'],
    ['nlink', ''],
    ['nlink', null],
    ['mtimeMs', '12.5'],
    ['mtimeMs', null],
    ['type', ''],
    ['type', null],
    ['attempt', '0x10'],
    ['attempt', '18446744073709551616'],
    ['attempt', ''],
  ])('inode with %s = %j', async (field, value) => {
    await world().putInode(INODE);
    await damage().inode(KEY, field, value);
    await expectRefusal(world().store.getInode(KEY), 'inode-malformed', [field, '42']);
    await expectRefusal(world().store.readChunk(KEY, 0, 10), 'inode-malformed', [field, '42']);
  });

  test.each([
    '',
    '1,2,3,4,5',
    '1,2,3,4,5,0,0',
    '1,2,3,4,5,2',
    '1,2,3,4,5,true',
    '-1,2,3,4,5,0',
    '18446744073709551616,0,0,1,1,0',
    '1,0,9007199254740992,1,1,0',
    '01,0,0,1,1,0',
    ' 1,0,0,1,1,0',
    '1,0,0,1,1,0\n',
    'ÿ,0,0,1,1,0',
  ])('record %j', async (text) => {
    await world().putInode(INODE);
    await world().append(KEY, 5, versions(0, 4));
    await damage().record(KEY, 5, 2, text);
    await expectRefusal(world().store.readChunk(KEY, 5, 10), 'record-malformed', ['chunk 5', 'position 2', '7/42']);
    // What is read before the damage is not concerned.
    expect((await world().store.readChunk(KEY, 5, 2)).versions).toEqual(versions(0, 2));
  });

  test.each(['x', '-1', '1.5', '', '9007199254740992'])('chunk index %j', async (text) => {
    await world().putInode(INODE);
    await world().append(KEY, 5, [version(0)]);
    await damage().chunkIndex(KEY, text);
    await expectRefusal(collect(world().store.chunkIndexes(KEY)), 'inode-malformed', ['7/42']);
  });

  test.each([
    ['nlink', 'many'],
    ['nlink', null],
    ['type', null],
  ])('an inode with %s = %j is neither fenced nor committed to', async (field, value) => {
    await world().putInode({ ...INODE, attempt: ATTEMPT });
    await world().append(KEY, 0, versions(0, 2));
    await damage().inode(KEY, field, value);
    const request = { key: KEY, chunkIndex: 0, attempt: ATTEMPT, replaced: versions(0, 2), replacement: [] };
    await expectRefusal(world().store.begin(KEY, 9n), 'inode-malformed', [field, '42']);
    await expectRefusal(world().store.commit(request), 'inode-malformed', [field, '42']);
    expect(await world().list(KEY, 0)).toEqual(versions(0, 2));
  });
}

/** Expects a halt with this code whose message names all of `named`. */
export async function expectRefusal(
  call: Promise<unknown>,
  code: ErrorCode,
  named: readonly string[] = [],
): Promise<CompactError> {
  const thrown = await call.then(
    (value) => expect.unreachable(`it answered ${String(value)}`),
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(CompactError);
  const failure = thrown as CompactError;
  expect({ kind: failure.kind, code: failure.code, message: failure.message }).toMatchObject({ kind: 'halt', code });
  for (const name of named) expect(failure.message).toContain(name);
  return failure;
}
