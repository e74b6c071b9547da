/** One step of the reap bench in a process of its own: makes records one by one, looks at each, prints figures as JSON. */

import { systemClock } from '../../src/clock.ts';
import { objectName } from '../../src/format.ts';
import type { ReapRecord } from '../../src/ledger.ts';
import type { Filesystem, InodeKey } from '../../src/model.ts';
import type { ObjectPage, ObjectStores } from '../../src/objects/port.ts';
import { storesWithRetries } from '../../src/objects/retrying-store.ts';
import { S3ObjectStores } from '../../src/objects/s3/stores.ts';
import { Holds } from '../../src/reap/holds.ts';
import { type ReapDeps, reapRecord } from '../../src/reap/reap-record.ts';
import { SharedLists } from '../../src/reap/referenced-objects.ts';
import { StoredObjects } from '../../src/reap/stored-objects.ts';
import { ledgerMs } from '../../src/time.ts';
import { Boundary } from '../../test/sim/boundary.ts';
import { MemoryMetadata, MetadataState } from '../../test/sim/memory-metadata.ts';

export interface ReapOrder {
  readonly endpoint: string;
  readonly objects: number;
  readonly namesPerRecord: number;
}

export interface ReapFigures {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly listReads: number;
  readonly deleteRequests: number;
  readonly headRequests: number;
  readonly listRequests: number;
  /** Listings that ask for holds, before deletes. */
  readonly holdListings: number;
  readonly aboveIdleBytes: number;
}

const MIB = 1024 * 1024;
/** As the setting of that name. */
const REAP_CONCURRENCY = 2;
const PAGE_OBJECTS = 1_000;
const key: InodeKey = { fsId: 1, inodeId: 1n };
const filesystem: Filesystem = {
  fsId: 1,
  uuid: 'bench',
  name: 'bench',
  bucket: 'bench',
  objectPrefix: 0,
  lastChunkId: 2n ** 63n,
  blockSize: 4 * MIB,
  chunkSize: 64 * MIB,
};

const order = JSON.parse(process.argv[2] ?? '') as ReapOrder;
const records = Math.ceil(order.objects / order.namesPerRecord);

/** The file as it is after compaction: one version for each chunk. */
function metadata(listReads: () => void): MemoryMetadata {
  const state = new MetadataState();
  state.filesystems.set(1, filesystem);
  state.put({ key, length: records * filesystem.chunkSize, nlink: 1, mtimeMs: 0, type: 's3' });
  for (let chunkIndex = 0; chunkIndex < records; chunkIndex++) {
    const { chunkSize } = filesystem;
    const whole = { chunkId: BigInt(chunkIndex + 1), compaction: 4096n, offset: chunkIndex * chunkSize };
    state.at(key)?.lists.set(chunkIndex, [{ ...whole, len: chunkSize, size: chunkSize, zero: false }]);
  }
  const boundary = new Boundary(undefined, (name) => {
    if (name === 'metadata.readChunk') listReads();
  });
  return new MemoryMetadata(state, boundary);
}

function recordOf(chunkIndex: number, dueMs: number): ReapRecord {
  const count = Math.min(order.namesPerRecord, order.objects - chunkIndex * order.namesPerRecord);
  const retired = Array.from({ length: count }, (_, n) => {
    const chunkId = BigInt(records + 1 + chunkIndex * order.namesPerRecord + n);
    return objectName(key, { chunkId, compaction: 0n, blockIndex: n % 16 }, filesystem.objectPrefix);
  });
  const attempt = { attempt: 4096n, incarnation: 'life-1', merged: [], stampMs: ledgerMs(dueMs) };
  return {
    storeId: 'memory:fs',
    fsUuid: 'bench',
    bucket: 'bench',
    key,
    chunkIndex,
    ...attempt,
    retired,
    dueMs: ledgerMs(dueMs),
  };
}

const figures = { listReads: 0, deleteRequests: 0, headRequests: 0, listRequests: 0, holdListings: 0 };
const s3 = storesWithRetries(
  new S3ObjectStores({
    endpoint: order.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIABENCH', secretAccessKey: 'secret' },
  }),
  {
    clock: systemClock,
    observer: {
      request: (op) => {
        if (op === 'delete') figures.deleteRequests++;
        if (op === 'head') figures.headRequests++;
      },
    },
  },
);
/** Names of the objects that the lists reference, as a bucket lists them; made when they are first asked for. */
let listed: string[] | undefined;

/** A listing of the inode, made up here; a page has as few of the referenced objects as it would have beside the replaced ones. */
async function list(after = '', _?: AbortSignal, prefix?: string): Promise<ObjectPage> {
  if (prefix !== undefined) {
    figures.holdListings++;
    return { objects: [{ name: prefix, bytes: 1, modifiedMs: 0 }], more: false };
  }
  figures.listRequests++;
  listed ??= liveNames().sort();
  const pageMax = Math.max(1, Math.floor((PAGE_OBJECTS * listed.length) / (listed.length + order.objects)));
  const from = listed.findIndex((name) => name > after);
  const page = from === -1 ? [] : listed.slice(from, from + pageMax);
  const objects = page.map((name) => ({ name, bytes: filesystem.blockSize, modifiedMs: 0 }));
  return { objects, more: from !== -1 && from + pageMax < listed.length };
}

function liveNames(): string[] {
  const blocks = filesystem.chunkSize / filesystem.blockSize;
  return Array.from({ length: records * blocks }, (_, n) => {
    const object = { chunkId: BigInt(Math.floor(n / blocks) + 1), compaction: 4096n, blockIndex: n % blocks };
    return objectName(key, object, filesystem.objectPrefix);
  });
}

const stores: ObjectStores = {
  forFilesystem: (of) => {
    const store = s3.forFilesystem(of);
    return {
      getRange: store.getRange.bind(store),
      getWhole: store.getWhole.bind(store),
      putIfAbsent: store.putIfAbsent.bind(store),
      head: store.head.bind(store),
      delete: store.delete.bind(store),
      list,
    };
  },
  close: () => s3.close(),
};
const holds = new Holds({
  objects: stores,
  clock: systemClock,
  nowMs: async () => ledgerMs(Date.now()),
  hostNowMs: () => Date.now(),
  newId: () => 'bench',
});
const deps: ReapDeps = {
  metadata: metadata(() => figures.listReads++),
  objects: stores,
  nowMs: async () => ledgerMs(Date.now()),
  graceMs: 1,
  lists: new SharedLists(),
  stored: new StoredObjects(),
  guards: [holds.guard],
};
const dueMs = Date.now() - 1_000;
const idleBytes = process.memoryUsage.rss();
const beganMs = performance.now();
const cpuBegan = process.cpuUsage();
let next = 0;
let deleted = 0;
const worker = async (): Promise<void> => {
  for (let n = next++; n < records; n = next++) {
    const verdict = await reapRecord(recordOf(n, dueMs), deps);
    if (verdict.kind !== 'done') throw new Error(verdict.doubt ?? 'not done');
    deleted += verdict.deleted;
  }
};
await Promise.all(Array.from({ length: REAP_CONCURRENCY }, worker));
if (deleted !== order.objects) throw new Error(`${deleted} of ${order.objects} were deleted`);
const { user, system } = process.cpuUsage(cpuBegan);
const result: ReapFigures = {
  ...figures,
  wallMs: performance.now() - beganMs,
  cpuMs: (user + system) / 1000,
  aboveIdleBytes: process.resourceUsage().maxRSS * 1024 - idleBytes,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit();
