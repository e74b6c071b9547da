/**
 * The part of the metadata contract that keeps I2, I5 and I9: fence, commit, and everything that can happen between
 * the read and the commit. Each test compares the whole list before and after, so "nothing was written" is checked too.
 */
import { expect, test } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import { printInodeKey } from '../../src/format.ts';
import { UINT64_MAX } from '../../src/model.ts';
import { eventually } from '../queue/world.ts';
import { expectUntouched, fenceTests, prepare, timeBoundTests } from './contract-fence.ts';
import {
  AFTER,
  ATTEMPT,
  collect,
  INODE,
  KEY,
  type MetadataTraits,
  type MetadataWorld,
  mergedOf,
  REQUEST,
  version,
  versions,
} from './world.ts';

/** As many as one commit may replace. */
const COMMIT_MAX = 100_000;

export function commitContract(world: () => MetadataWorld, traits: MetadataTraits): void {
  swapTests(world);
  conflictTests(world, traits);
  staleTests(world);
  if (traits.fence) fenceTests(world);
  else timeBoundTests(world);
  boundTests(world);
}

function swapTests(world: () => MetadataWorld): void {
  test('a commit puts the replacement before what it did not replace, and touches nothing else', async () => {
    await prepare(world());
    const other = { fsId: 7, inodeId: 4n };
    await world().putInode({ ...INODE, key: other });
    await world().append(other, 3, versions(0, 6));
    await world().append(KEY, 33, versions(0, 6));
    const before = await world().store.getInode(KEY);

    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 3)).toEqual(AFTER);
    expect(await world().list(KEY, 33)).toEqual(versions(0, 6));
    expect(await world().list(other, 3)).toEqual(versions(0, 6));
    expect(await world().store.getInode(KEY)).toEqual(before);
  });

  test('I2: versions appended between the read and the commit stay on top, in order', async () => {
    await prepare(world());
    await world().append(KEY, 3, versions(6, 9));
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 3)).toEqual([...REQUEST.replacement, ...versions(4, 9)]);
  });

  test('I2: versions appended while commits run stay on top, in order', async () => {
    await prepare(world());
    const appended = versions(6, 306);
    const writer = (async () => {
      for (const one of appended) await world().append(KEY, 3, [one]);
    })();
    let head = versions(0, 6);
    for (let n = 0; n < 100; n++) {
      const replacement = [mergedOf(1000 + n, head), mergedOf(2000 + n, head)];
      expect(await world().store.commit({ ...REQUEST, replaced: head, replacement })).toEqual({ outcome: 'committed' });
      head = replacement;
    }
    await writer;
    expect(await world().list(KEY, 3)).toEqual([...head, ...appended]);
  });

  test('a list may be replaced whole, shrink to its kept versions, or grow', async () => {
    await prepare(world());
    const whole = { ...REQUEST, replaced: versions(0, 6) };
    expect(await world().store.commit({ ...whole, replacement: versions(2, 5) })).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 3)).toEqual(versions(2, 5));
    const more = Array.from({ length: 20 }, (_, n) => mergedOf(20 + n, versions(2, 5)));
    const grown = { ...REQUEST, replaced: versions(2, 5), replacement: more };
    expect(await world().store.commit(grown)).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 3)).toEqual(more);
  });

  test('a list that is emptied is gone, and comes back with the next append', async () => {
    await prepare(world());
    const empty = { ...REQUEST, replaced: versions(0, 6), replacement: [] };
    expect(await world().store.commit(empty)).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 3)).toEqual([]);
    expect(await collect(world().store.chunkIndexes(KEY))).toEqual([]);
    expect((await world().store.readChunk(KEY, 3, 10)).versionsTotal).toBe(0);
    await world().append(KEY, 3, [version(7)]);
    expect(await collect(world().store.chunkIndexes(KEY))).toEqual([3]);
  });

  test('a list of which only the replaced part goes keeps its place in the set', async () => {
    await prepare(world());
    expect(await world().store.commit({ ...REQUEST, replacement: [] })).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 3)).toEqual(versions(4, 6));
    expect(await collect(world().store.chunkIndexes(KEY))).toEqual([3]);
  });

  test('one attempt commits several chunks', async () => {
    await prepare(world());
    await world().append(KEY, 9, versions(0, 4));
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    expect(await world().store.commit({ ...REQUEST, chunkIndex: 9 })).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 9)).toEqual(REQUEST.replacement);
  });

  test.each([1, 3, COMMIT_MAX])(
    'a list of 100,000 versions is replaced by %i, and what came later is kept',
    async (replacementCount) => {
      await prepare(world());
      const replaced = versions(0, COMMIT_MAX);
      const replacement = Array.from({ length: replacementCount }, (_, n) =>
        version(COMMIT_MAX + n, { chunkId: 1n, compaction: BigInt(COMMIT_MAX + n) }),
      );
      const later = versions(COMMIT_MAX + 5, COMMIT_MAX + 10);
      await world().append(KEY, 8, replaced);
      await world().append(KEY, 8, later);
      const { versions: read, versionsTotal } = await world().store.readChunk(KEY, 8, COMMIT_MAX);
      expect(versionsTotal).toBe(COMMIT_MAX + 5);
      expect(read).toEqual(replaced);
      const request = { ...REQUEST, chunkIndex: 8, replaced, replacement };
      // Under load the server may take longer than a call waits: the fate is unknown then, and the list shows it.
      const { outcome } = await world().store.commit(request);
      expect(['committed', 'unknown']).toContain(outcome);
      const first = async () => (await world().list(KEY, 8))[0]?.compaction;
      await eventually('the list is swapped', async () => (await first()) === replacement[0]?.compaction);
      expect(await world().list(KEY, 8)).toEqual([...replacement, ...later]);
    },
  );
}

function conflictTests(world: () => MetadataWorld, traits: MetadataTraits): void {
  test('I5: the same commit a second time is a conflict and writes nothing', async () => {
    await prepare(world());
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    const after = await world().list(KEY, 3);
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'conflict' });
    expect(await world().list(KEY, 3)).toEqual(after);
  });

  if (traits.fence)
    test('I9: of commits at the same moment exactly one wins', async () => {
      await prepare(world());
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => world().store.commit(REQUEST)));
      expect(outcomes.map(({ outcome }) => outcome).toSorted()).toEqual(['committed', ...Array(7).fill('conflict')]);
      expect(await world().list(KEY, 3)).toEqual(AFTER);
    });

  test('I5: a list that is shorter than what was read is a conflict', async () => {
    await prepare(world());
    expect(await world().store.commit({ ...REQUEST, replaced: versions(0, 7) })).toEqual({ outcome: 'conflict' });
    expect(await world().store.commit({ ...REQUEST, chunkIndex: 4 })).toEqual({ outcome: 'conflict' });
    await expectUntouched(world());
  });

  test('I5: what was seen above the replaced versions must still be there, and may have more above it', async () => {
    await prepare(world());
    await world().append(KEY, 3, versions(6, 8));
    for (const requiredAbove of [
      { position: 8, version: version(7) },
      { position: 5, version: version(5, { len: 40 }) },
      { position: 5, version: version(4) },
    ]) {
      expect(await world().store.commit({ ...REQUEST, requiredAbove })).toEqual({ outcome: 'conflict' });
      expect(await world().list(KEY, 3)).toEqual(versions(0, 8));
    }
    const requiredAbove = { position: 5, version: version(5) };
    expect(await world().store.commit({ ...REQUEST, requiredAbove })).toEqual({ outcome: 'committed' });
    expect(await world().list(KEY, 3)).toEqual([...AFTER, ...versions(6, 8)]);
  });

  if (!traits.comparesContent) return;
  test.each([
    ['another order', [version(1), version(0), version(2), version(3)]],
    ['not the head', versions(1, 5)],
    ['another first one', [version(9), version(1), version(2), version(3)]],
    ['another chunkId', [...versions(0, 3), version(3, { chunkId: 5n })]],
    ['another compaction', [...versions(0, 3), version(3, { compaction: UINT64_MAX })]],
    ['another offset', [...versions(0, 3), version(3, { offset: 4 })]],
    ['another len', [...versions(0, 3), version(3, { len: 40 })]],
    ['another size', [...versions(0, 3), version(3, { size: 40 })]],
    ['another zero', [...versions(0, 3), version(3, { zero: true })]],
  ])('I5: a list with %s is a conflict and writes nothing', async (_, replaced) => {
    await prepare(world());
    const request = { ...REQUEST, replaced, replacement: [mergedOf(90, replaced)] };
    expect(await world().store.commit(request)).toEqual({ outcome: 'conflict' });
    await expectUntouched(world());
  });
}

function staleTests(world: () => MetadataWorld): void {
  test('begin refuses an inode that is missing, unlinked or of another type, and makes none', async () => {
    const { store } = world();
    expect(await store.begin(KEY, ATTEMPT)).toBe('missing');
    expect(await store.getInode(KEY)).toBeNull();
    await world().putInode({ ...INODE, nlink: 0 });
    expect(await store.begin(KEY, ATTEMPT)).toBe('unlinked');
    await world().putInode({ ...INODE, type: 'directory' });
    expect(await store.begin(KEY, ATTEMPT)).toBe('not-s3');
    expect(await store.getInode(KEY)).toEqual({ ...INODE, type: 'directory' });
  });

  test.each([
    ['missing', (here: MetadataWorld) => here.removeInode(KEY)],
    ['unlinked', (here: MetadataWorld) => here.setLinks(KEY, 0)],
    ['not-s3', (here: MetadataWorld) => here.putInode({ ...INODE, type: 'symlink', attempt: ATTEMPT })],
  ] as const)('an inode that is %s by now makes the commit stale', async (reason, change) => {
    await prepare(world());
    await change(world());
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'stale', reason });
    expect(await world().list(KEY, 3)).toEqual(versions(0, 6));
  });

  test('I1: where the plan trimmed beyond the length, another length makes the commit stale', async () => {
    await prepare(world());
    for (const length of [639, 641, 0]) {
      await world().setLength(KEY, length);
      const outcome = await world().store.commit({ ...REQUEST, requiredLength: 640 });
      expect(outcome).toEqual({ outcome: 'stale', reason: 'length' });
    }
    await expectUntouched(world());
    expect(await world().store.commit({ ...REQUEST, requiredLength: 0 })).toEqual({ outcome: 'committed' });
  });

  test('where the plan trimmed nothing, the length does not matter', async () => {
    await prepare(world());
    await world().setLength(KEY, 10_000);
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'committed' });
  });
}

function boundTests(world: () => MetadataWorld): void {
  test.each([
    ['replaces nothing', { replaced: [] }],
    ['replaces more than 100,000', { replaced: versions(0, COMMIT_MAX + 1) }],
    ['writes more than 100,000', { replacement: versions(0, COMMIT_MAX + 1) }],
  ])('I8: a commit that %s is refused before anything is sent', async (_, changes) => {
    await prepare(world());
    const thrown = await world()
      .store.commit({ ...REQUEST, ...changes })
      .catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(CompactError);
    expect(thrown).toMatchObject({ kind: 'halt', code: 'metadata-refused', inode: KEY });
    expect(String(thrown)).toContain(`inode ${printInodeKey(KEY)}: `);
    await expectUntouched(world());
  });
}
