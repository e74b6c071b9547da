/**
 * What gc asks, of a bucket and lists that exist only as a rule: what is measured over them is gc, and no server. Whatever
 * gc does not call throws.
 */
import type { GcDeps } from '../../src/gc/gc.ts';
import type { GcBook } from '../../src/ledger.ts';
import type { MetadataStore } from '../../src/metadata/port.ts';
import type { Filesystem } from '../../src/model.ts';
import type { ListedObject, ObjectStore } from '../../src/objects/port.ts';
import { ledgerMs } from '../../src/time.ts';

/** Of a page of a listing. */
const PAGE = 1_000;

export interface Rule {
  /** How many there are. */
  readonly objects: number;
  /** The object of a number; names ascend with it. */
  readonly object: (n: number) => ListedObject;
  readonly numberOf: (name: string) => number;
  readonly filesystem: Filesystem;
  readonly lists: Pick<MetadataStore, 'chunkIndexes' | 'readChunk'>;
  readonly note?: GcBook['note'];
}

const unused = (): never => {
  throw new Error('gc does not call this');
};

export function depsByRule({ objects, object, numberOf, filesystem, lists, note }: Rule): GcDeps {
  const store: ObjectStore = {
    getRange: unused,
    getWhole: unused,
    putIfAbsent: unused,
    head: unused,
    delete: unused,
    list: async (after) => {
      const from = after === undefined ? 0 : numberOf(after) + 1;
      const until = Math.min(objects, from + PAGE);
      return { objects: Array.from({ length: until - from }, (_, n) => object(from + n)), more: until < objects };
    },
  };
  const metadata: MetadataStore = {
    commitForm: 'fenced',
    storeId: 'rule',
    begin: unused,
    commit: unused,
    clearFence: unused,
    inodePages: unused,
    readLists: unused,
    getInode: async (key) => ({ key, length: filesystem.chunkSize, nlink: 1, mtimeMs: 0, type: 's3' }),
    getFilesystem: async () => filesystem,
    incarnation: async () => 'one',
    confirmPrimary: async () => undefined,
    close: async () => undefined,
    ...lists,
  };
  const book: GcBook = {
    position: async () => null,
    setPosition: async () => undefined,
    suspects: async () => new Map(),
    note: note ?? (async () => undefined),
    forget: async () => undefined,
  };
  const records = { pending: async function* () {} };
  const stores = { forFilesystem: () => store, close: () => undefined };
  return { metadata, objects: stores, records, book, nowMs: async () => ledgerMs(1e12) };
}
