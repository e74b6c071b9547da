/**
 * The part of the metadata contract in which the two kinds of store differ: a fence that keeps late commits out, or, where
 * the service has none and compares nothing, what the time-bound form promises instead. And what the tests
 * of commits begin with.
 */
import { expect, test } from 'vitest';
import { UINT64_MAX } from '../../src/model.ts';
import { ATTEMPT, collect, INODE, KEY, type MetadataWorld, mergedOf, REQUEST, version, versions } from './world.ts';

/** A list of six versions of which REQUEST replaces four, and the fence. */
export async function prepare(world: MetadataWorld): Promise<void> {
  await world.putInode(INODE);
  await world.append(KEY, 3, versions(0, 6));
  expect(await world.store.begin(KEY, ATTEMPT)).toBe('begun');
}

export async function expectUntouched(world: MetadataWorld): Promise<void> {
  expect(await world.list(KEY, 3)).toEqual(versions(0, 6));
  expect(await collect(world.store.chunkIndexes(KEY))).toEqual([3]);
}

export function fenceTests(world: () => MetadataWorld): void {
  test('begin stores the fence, and the next begin replaces it', async () => {
    await prepare(world());
    expect(await world().store.getInode(KEY)).toEqual({ ...INODE, attempt: ATTEMPT });
    expect(await world().store.begin(KEY, UINT64_MAX)).toBe('begun');
    expect((await world().store.readChunk(KEY, 3, 1)).inode).toEqual({ ...INODE, attempt: UINT64_MAX });
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'stale', reason: 'fence' });
    await expectUntouched(world());
    // I3: a number that stands there is another attempt's, however it came to be drawn twice.
    expect(await world().store.begin(KEY, UINT64_MAX)).toBe('taken');
    const later = { ...REQUEST, attempt: UINT64_MAX };
    expect(await world().store.commit(later)).toEqual({ outcome: 'committed' });
  });

  test('a fence that differs in its last digit beyond 2^53 is another one', async () => {
    await prepare(world());
    await world().store.begin(KEY, UINT64_MAX);
    const near = { ...REQUEST, attempt: UINT64_MAX - 1n };
    expect(await world().store.commit(near)).toEqual({ outcome: 'stale', reason: 'fence' });
    expect(await world().store.clearFence(KEY, UINT64_MAX - 1n)).toBe(false);
    expect((await world().store.getInode(KEY))?.attempt).toBe(UINT64_MAX);
  });

  test('clearFence takes away its own fence once, and nobody else’s', async () => {
    await prepare(world());
    expect(await world().store.clearFence(KEY, ATTEMPT + 1n)).toBe(false);
    expect((await world().store.getInode(KEY))?.attempt).toBe(ATTEMPT);
    expect(await world().store.clearFence(KEY, ATTEMPT)).toBe(true);
    expect(await world().store.clearFence(KEY, ATTEMPT)).toBe(false);
    expect(await world().store.getInode(KEY)).toEqual(INODE);
    expect(await world().store.clearFence({ fsId: 7, inodeId: 999n }, ATTEMPT)).toBe(false);
  });

  test('without its fence a commit is stale, also where the list would fit', async () => {
    await prepare(world());
    await world().store.clearFence(KEY, ATTEMPT);
    expect(await world().store.commit(REQUEST)).toEqual({ outcome: 'stale', reason: 'fence' });
    await expectUntouched(world());
  });

  test('an unlinked inode keeps its fence until it is cleared', async () => {
    await prepare(world());
    await world().setLinks(KEY, 0);
    expect(await world().store.clearFence(KEY, ATTEMPT)).toBe(true);
  });
}

/** What holds where the service neither compares nor keeps a fence, as long as nothing takes longer than it may. */
export function timeBoundTests(world: () => MetadataWorld): void {
  test('the store says so; begin only looks, and there is no fence to clear', async () => {
    const { store } = world();
    expect(store.commitForm).toBe('time-bound');
    await prepare(world());
    expect(await store.begin(KEY, ATTEMPT)).toBe('begun');
    expect(await store.begin(KEY, UINT64_MAX)).toBe('begun');
    expect(await store.getInode(KEY)).toEqual(INODE);
    expect(await store.clearFence(KEY, ATTEMPT)).toBe(false);
    expect(await store.commit(REQUEST)).toEqual({ outcome: 'committed' });
  });

  test('I9: of commits at the same moment some may lose; the list is as one of them leaves it, and nothing else goes', async () => {
    await prepare(world());
    const requests = Array.from({ length: 8 }, (_, n) => ({
      ...REQUEST,
      attempt: ATTEMPT + BigInt(n),
      replacement: [mergedOf(100 + n, REQUEST.replaced), version(3)],
    }));
    const outcomes = await Promise.all(requests.map((request) => world().store.commit(request)));
    const won = requests.filter((_, n) => outcomes[n]?.outcome === 'committed');
    expect(won.length).toBeGreaterThan(0);
    for (const { outcome } of outcomes) expect(['committed', 'conflict', 'unknown']).toContain(outcome);
    const [merged, ...rest] = await world().list(KEY, 3);
    expect(requests.map(({ replacement }) => replacement[0])).toContainEqual(merged);
    expect(rest).toEqual([version(3), version(4), version(5)]);
  });

  test('I5: what would put the record out of its place is refused before anything is sent', async () => {
    await prepare(world());
    for (const replacement of [[version(90)], [mergedOf(90, REQUEST.replaced), version(90)]]) {
      const thrown = await world()
        .store.commit({ ...REQUEST, replacement })
        .catch((error: unknown) => error);
      expect(thrown).toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    }
    await expectUntouched(world());
  });
}
