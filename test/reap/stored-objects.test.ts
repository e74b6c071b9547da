/** What a look at the store does when the store fails under it: it asks for no more, and what failed counts for nobody else. */

import { expect, it } from 'vitest';
import { objectName } from '../../src/format.ts';
import { StoredObjects } from '../../src/reap/stored-objects.ts';
import { ledgerMs } from '../../src/time.ts';
import { MemoryObjectStores, storeFault } from '../objects/memory-store.ts';
import { FILESYSTEM } from '../sim/world.ts';

const KEY = { fsId: 1, inodeId: 100n };

function names(count: number): ReadonlyMap<string, number> {
  const name = (n: number) => objectName(KEY, { chunkId: BigInt(n + 1), compaction: 4096n, blockIndex: 0 }, 0);
  return new Map(Array.from({ length: count }, (_, n) => [name(n), 16]));
}

function lookOf(objects: number) {
  return { key: KEY, filesystem: FILESYSTEM, incarnation: 'life-1', dueMs: ledgerMs(0), atMs: ledgerMs(1), objects };
}

it('a look that has failed asks the store for nothing more', async () => {
  const stores = new MemoryObjectStores();
  let heads = 0;
  stores.before = ({ op }) => {
    if (op === 'head') heads++;
    throw storeFault('store-unavailable');
  };
  const looking = new StoredObjects().lacking(names(1_000), lookOf(500_000), stores.forFilesystem(FILESYSTEM));
  await expect(looking).rejects.toMatchObject({ code: 'store-unavailable' });
  const asked = heads;
  expect(asked).toBeLessThan(100);
  // All that was under way ends; as many turns as all of them would take.
  for (let turns = 0; turns < 20_000; turns++) await Promise.resolve();
  expect(heads).toBe(asked);
});

it('a listing that failed is not the answer to the next look', async () => {
  const stores = new MemoryObjectStores();
  const wanted = names(40);
  for (const name of wanted.keys()) stores.write('b', name, new Uint8Array(16));
  let lists = 0;
  stores.before = ({ op }) => {
    if (op === 'list' && lists++ === 0) throw storeFault('store-unavailable');
  };
  const stored = new StoredObjects();
  const store = stores.forFilesystem(FILESYSTEM);
  await expect(stored.lacking(wanted, lookOf(40), store)).rejects.toMatchObject({ code: 'store-unavailable' });
  expect(await stored.lacking(wanted, lookOf(40), store)).toEqual(new Map());
});
