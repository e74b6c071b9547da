/**
 * What every MetadataStore must do for a walk over a file system: pages that a later walk can go on behind, and many
 * inodes with their lists at a time. A part of the contract in contract.ts.
 */
import { expect, test } from 'vitest';
import type { InodePage, InodePart } from '../../src/metadata/port.ts';
import type { InodeKey } from '../../src/model.ts';
import { collect, INODE, KEY, type MetadataTraits, type MetadataWorld, version, versions } from './world.ts';

const INODES = 1_200;

export function walkContract(world: () => MetadataWorld, traits: MetadataTraits): void {
  const pages = (fsId: number, cursor?: string) => collect<InodePage>(world().store.inodePages(fsId, cursor));
  const read = (keys: readonly InodeKey[], versionsMax = 10) =>
    collect<InodePart>(world().store.readLists(keys, versionsMax));

  async function fill(): Promise<Set<bigint>> {
    const ids = Array.from({ length: INODES }, (_, n) => BigInt(n) * 1_000_003n);
    await Promise.all(ids.map((inodeId) => world().putInode({ ...INODE, key: { fsId: 7, inodeId } })));
    return new Set(ids);
  }

  test('a walk that stopped behind any page goes on there, and both have seen every inode', async () => {
    const all = await fill();
    const whole = await pages(7);
    expect(whole.length).toBeGreaterThan(1);
    expect(whole.at(-1)?.cursor).toBeNull();
    expect(whole.some(({ restarted }) => restarted)).toBe(false);
    for (const stop of new Set([0, Math.floor(whole.length / 2), whole.length - 2])) {
      const { cursor } = whole[stop] ?? {};
      if (cursor === null || cursor === undefined) throw new Error('a page before the last has a cursor');
      expect(cursor.length).toBeLessThanOrEqual(1_000);
      const rest = await pages(7, cursor);
      expect(rest[0]?.restarted).toBe(false);
      const seen = [...whole.slice(0, stop + 1), ...rest].flatMap(({ keys }) => keys.map(({ inodeId }) => inodeId));
      expect(new Set(seen)).toEqual(all);
      // It goes on, it does not begin again.
      expect(rest.length).toBeLessThan(whole.length);
    }
  });

  test('an inode that is there all the time is found, whatever comes and goes during the walk', async () => {
    const all = await fill();
    const seen = new Set<bigint>();
    let n = 0;
    for await (const { keys } of world().store.inodePages(7)) {
      for (const { inodeId } of keys) seen.add(inodeId);
      const other = { fsId: 7, inodeId: 2n ** 50n + BigInt(n) };
      await world().putInode({ ...INODE, key: other });
      if (n % 2 === 0) await world().removeInode(other);
      n++;
      if (n > 2 * INODES) throw new Error('the walk does not end');
    }
    expect([...all].filter((id) => !seen.has(id))).toEqual([]);
  });

  test.each(['', 'x', 'r1.0.0.0', `r1.${'0'.repeat(40)}.0.17`, '.'.repeat(100)])(
    'a cursor that fits nothing begins anew, and says so: %j',
    async (cursor) => {
      await world().putInode(INODE);
      const found = await pages(7, cursor);
      expect(found[0]?.restarted).toBe(true);
      expect(found.flatMap(({ keys }) => keys)).toEqual([KEY]);
    },
  );

  test('many inodes come with their lists, those that are no linked S3 files without', async () => {
    const directory = { fsId: 7, inodeId: 43n };
    const unlinked = { fsId: 7, inodeId: 44n };
    const empty = { fsId: 7, inodeId: 45n };
    const missing = { fsId: 7, inodeId: 46n };
    await world().putInode(INODE);
    await world().putInode({ ...INODE, key: directory, type: 'directory' });
    await world().putInode({ ...INODE, key: unlinked, nlink: 0 });
    await world().putInode({ ...INODE, key: empty });
    for (const key of [KEY, directory, unlinked]) await world().append(key, 3, versions(0, 6));
    await world().append(KEY, 5, versions(0, 10));
    await world().append(KEY, 9, versions(0, 11));
    const parts = await read([KEY, directory, unlinked, empty, missing]);
    expect(parts.map((part) => part.key.inodeId).toSorted()).toEqual([42n, 43n, 44n, 45n, 46n]);
    expect(parts.every(({ last }) => last)).toBe(true);
    const of = (key: InodeKey) => parts.find((part) => part.key.inodeId === key.inodeId);
    const mine = of(KEY);
    if (mine === undefined || 'error' in mine) throw new Error('the inode was not read');
    expect(mine.inode).toEqual(INODE);
    expect(mine.chunks.toSorted((a, b) => a.chunkIndex - b.chunkIndex)).toEqual([
      { chunkIndex: 3, versions: versions(0, 6) },
      { chunkIndex: 5, versions: versions(0, 10) },
      { chunkIndex: 9, versions: null },
    ]);
    for (const key of [directory, unlinked, empty]) expect(of(key)).toMatchObject({ inode: { key }, chunks: [] });
    expect(of(missing)).toEqual({ key: missing, inode: null, chunks: [], last: true });
    expect(await read([])).toEqual([]);
  });

  test('an inode with thousands of chunks comes whole, each chunk once', async () => {
    await world().putInode(INODE);
    const small = { fsId: 7, inodeId: 43n };
    await world().putInode({ ...INODE, key: small });
    await world().append(small, 0, [version(1)]);
    const indexes = Array.from({ length: 1_500 }, (_, n) => n * 3);
    for (const chunkIndex of indexes) await world().append(KEY, chunkIndex, [version(chunkIndex)]);
    const parts = await read([KEY, small], 1_000);
    const chunks = parts.flatMap((part) => ('error' in part || part.key.inodeId !== 42n ? [] : part.chunks));
    expect(chunks.map(({ chunkIndex }) => chunkIndex).toSorted((a, b) => a - b)).toEqual(indexes);
    expect(chunks.every(({ chunkIndex, versions: list }) => list?.[0]?.chunkId === BigInt(chunkIndex) + 1n)).toBe(true);
    // The parts of an inode come together, and only the last one says so.
    const order = parts.map(({ key }) => key.inodeId);
    expect(order).toEqual(order.toSorted());
    expect(parts.filter(({ last }) => last)).toHaveLength(2);
  });

  if (traits.damage) {
    test('what is wrong with one inode hears of it, and the others come', async () => {
      const good = { fsId: 7, inodeId: 40n };
      const badHash = { fsId: 7, inodeId: 41n };
      const badIndex = { fsId: 7, inodeId: 43n };
      for (const key of [good, KEY, badHash, badIndex]) {
        await world().putInode({ ...INODE, key });
        await world().append(key, 3, versions(0, 4));
      }
      const damage = world().damage;
      await damage?.inode(badHash, 'length', '-1');
      await damage?.record(KEY, 3, 2, '1,2,3');
      await damage?.chunkIndex(badIndex, 'x');
      const parts = await read([good, KEY, badHash, badIndex]);
      const told = parts.map((part) => [part.key.inodeId, 'error' in part ? part.error.code : 'read'] as const);
      expect(new Map(told)).toEqual(
        new Map([
          [40n, 'read'],
          [42n, 'record-malformed'],
          [41n, 'inode-malformed'],
          [43n, 'inode-malformed'],
        ]),
      );
      for (const part of parts) if ('error' in part) expect(part.error.message).toContain(`${part.key.inodeId}`);
    });
  }
}
