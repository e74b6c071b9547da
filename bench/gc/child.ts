/**
 * One pass of gc over a bucket and lists that exist only as a rule, in a process of its own: prints figures as JSON. So
 * what is measured is gc, not a server; one object in a thousand is referenced by nothing.
 */

import { collectGarbage } from '../../src/gc/gc.ts';
import type { InodeKey, S3ChunkInfo } from '../../src/model.ts';
import type { ListedObject } from '../../src/objects/port.ts';
import { depsByRule } from '../../test/gc/by-rule.ts';

export interface GcOrder {
  readonly objects: number;
  readonly objectsPerInode: number;
}

export interface GcFigures {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly listReads: number;
  readonly peakRssBytes: number;
}

const order = JSON.parse(process.argv[2] ?? '') as GcOrder;
/** Objects, each a version of one block, of a chunk. */
const PER_CHUNK = 10;
const BLOCK = 16;
/** All ids of one width, so that the order of names is the order of numbers. */
const FIRST_ID = 1_000_000_000;
const ORPHAN_EACH = 1_000;
const filesystem = {
  fsId: 1,
  uuid: 'u',
  name: 'f',
  bucket: 'b',
  objectPrefix: 0 as const,
  lastChunkId: 2n ** 63n,
  blockSize: BLOCK,
  chunkSize: BLOCK * PER_CHUNK,
};

/** Every object has a chunkId of its own; its inode, chunk and block follow from its number. */
function object(n: number): ListedObject {
  const inode = FIRST_ID + Math.floor(n / order.objectsPerInode);
  return { name: `1_${inode}_${FIRST_ID + n}_${n % PER_CHUNK}_0`, bytes: BLOCK, modifiedMs: 0 };
}

function numberOf(name: string): number {
  const [, , chunkId = '0'] = name.split('_');
  return Number(chunkId) - FIRST_ID;
}

function listOf(key: InodeKey, chunkIndex: number): S3ChunkInfo[] {
  const inChunk = chunkIndex * PER_CHUNK;
  const first = (Number(key.inodeId) - FIRST_ID) * order.objectsPerInode + inChunk;
  const versions: S3ChunkInfo[] = [];
  for (let n = first; n < first + PER_CHUNK; n++) {
    if (n % ORPHAN_EACH === ORPHAN_EACH - 1) continue;
    const offset = (inChunk + (n - first)) * BLOCK;
    versions.push({ chunkId: BigInt(FIRST_ID + n), compaction: 0n, offset, len: BLOCK, size: BLOCK, zero: false });
  }
  return versions;
}

let listReads = 0;
const deps = depsByRule({
  objects: order.objects,
  object,
  numberOf,
  filesystem,
  lists: {
    chunkIndexes: async function* () {
      for (let chunkIndex = 0; chunkIndex < order.objectsPerInode / PER_CHUNK; chunkIndex++) yield chunkIndex;
    },
    readChunk: async (key, chunkIndex) => {
      listReads++;
      const versions = listOf(key, chunkIndex);
      return { inode: null, versions, versionsTotal: versions.length };
    },
  },
});
const beganMs = performance.now();
const cpuBegan = process.cpuUsage();
const { counts } = await collectGarbage(1, deps, {
  graceMs: 1,
  leaseMs: 1,
  minAgeMs: 10,
  delete: false,
  deletesMax: 1_000,
});
if (counts.leaked.objects !== order.objects / ORPHAN_EACH) throw new Error(`${counts.leaked.objects} orphans`);
const { user, system } = process.cpuUsage(cpuBegan);
const figures: GcFigures = {
  wallMs: performance.now() - beganMs,
  cpuMs: (user + system) / 1000,
  listReads,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
