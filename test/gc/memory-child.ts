/**
 * One pass of gc over a bucket that exists only as a rule, in a process of its own: prints objects, orphans and the
 * peak of its memory as JSON. Ten objects an inode; of each hundredth inode one that nothing references.
 */

import { collectGarbage } from '../../src/gc/gc.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import type { ListedObject } from '../../src/objects/port.ts';
import { depsByRule } from './by-rule.ts';

const OBJECTS = Number(process.argv[2]);
const PER_INODE = 10;
/** All ids of one width, so that the order of names is the order of numbers. */
const FIRST_INODE = 1_000_000_000;
const GEOMETRY = { blockSize: 16, chunkSize: 160 };
const IDS = { fsId: 1, uuid: 'u', lastChunkId: 2n ** 63n };
const FILESYSTEM = { ...IDS, name: 'f', bucket: 'b', objectPrefix: 0 as const, ...GEOMETRY };

const hasOrphan = (inode: number): boolean => inode % 100 === 0;

function object(n: number): ListedObject {
  const inode = Math.floor(n / PER_INODE);
  const block = n % PER_INODE;
  const chunkId = hasOrphan(inode) && block === PER_INODE - 1 ? 2 : 1;
  return { name: `1_${FIRST_INODE + inode}_${chunkId}_${block}_0`, bytes: 16, modifiedMs: 0 };
}

function numberOf(name: string): number {
  const [, inode = '0', , block = '0'] = name.split('_');
  return (Number(inode) - FIRST_INODE) * PER_INODE + Number(block);
}

let noted = 0;
const deps = depsByRule({
  objects: OBJECTS,
  object,
  numberOf,
  filesystem: FILESYSTEM,
  lists: {
    chunkIndexes: async function* () {
      yield 0;
    },
    readChunk: async (key) => {
      const len = hasOrphan(Number(key.inodeId) - FIRST_INODE) ? 144 : 160;
      const versions: S3ChunkInfo[] = [{ chunkId: 1n, compaction: 0n, offset: 0, len, size: len, zero: false }];
      return { inode: null, versions, versionsTotal: 1 };
    },
  },
  note: async (suspects) => {
    noted += suspects.size;
  },
});
const options = { graceMs: 1, leaseMs: 1, minAgeMs: 10, delete: false, deletesMax: 1_000 };
const startedMs = performance.now();
const { counts, faultsTotal } = await collectGarbage(1, deps, options);
console.log(
  JSON.stringify({
    referenced: counts.referenced.objects,
    leaked: counts.leaked.objects,
    faultsTotal,
    noted,
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
  }),
);
