/** The in-memory stores keep the contract, with and without If-None-Match, bare and under the retry decorator. */
import { systemClock } from '../../src/clock.ts';
import type { ObjectStore } from '../../src/objects/port.ts';
import { withRetries } from '../../src/objects/retrying-store.ts';
import { objectStoreContract, type StoreBench } from './contract.ts';
import { MemoryObjectStores } from './memory-store.ts';

interface BenchOptions {
  readonly ifNoneMatch: boolean;
  readonly wrap: (store: ObjectStore) => ObjectStore;
}

async function memoryBench({ ifNoneMatch, wrap }: BenchOptions): Promise<StoreBench> {
  const stores = new MemoryObjectStores();
  stores.honoursIfNoneMatch = ifNoneMatch;
  const objects = stores.bucket('bkt');
  return {
    store: wrap(stores.forFilesystem({ bucket: 'bkt' })),
    bucketless: wrap(stores.forFilesystem({ bucket: 'no-such-bucket' })),
    features: { ifNoneMatch, emptyRange: true },
    write: async (name, bytes) => stores.write('bkt', name, bytes),
    read: async (name) => objects.get(name)?.bytes ?? new Uint8Array(0),
    names: async () => [...objects.keys()].sort(),
    close: async () => stores.close(),
  };
}

const bare = (store: ObjectStore): ObjectStore => store;
const retried = (store: ObjectStore): ObjectStore => withRetries(store, { clock: systemClock });

objectStoreContract('memory', () => memoryBench({ ifNoneMatch: true, wrap: bare }));
objectStoreContract('memory without If-None-Match', () => memoryBench({ ifNoneMatch: false, wrap: bare }));
objectStoreContract('memory under retries', () => memoryBench({ ifNoneMatch: true, wrap: retried }));
