/**
 * Files of mixed shape by a rule: inode n of a seed is always the same file, so that a hundred thousand of them need no
 * memory and every byte can be judged long after it was written. Most need nothing, some are whole in fragments. Pure; it
 * must not know what a compaction is.
 */

import type { FileState, OracleGeometry, OracleVersion } from '../kit/oracle/types.ts';
import { Random } from '../sim/seeded/random.ts';

export const GEOMETRY: OracleGeometry = { blockSize: 4096, chunkSize: 65_536 };
export const FS_ID = 1;
/** Each inode has chunk ids of its own. */
const IDS_PER_INODE = 64;

/** How many in a thousand have each shape. */
const SHARES = {
  /** Length 0, no list. */
  empty: 60,
  /** A length and no list: reads as zeros. */
  hole: 40,
  /** Written once. */
  once: 680,
  /** Two or three appends. */
  few: 140,
  /** Written over, twice or more: what lies below is dead. */
  covered: 20,
  /** Cut: versions reach beyond the length, or lie beyond it. */
  cut: 15,
  /** A log: many short appends. */
  log: 30,
  /** A database: short writes all over some blocks, zeros among them. */
  scattered: 10,
  /** Several chunks in many pieces. */
  large: 5,
} as const;
export type Shape = keyof typeof SHARES;
export const SHAPES = Object.keys(SHARES) as readonly Shape[];

/** Extents in the order in which they were written, and the length at the end. */
interface Life {
  readonly writes: readonly { readonly offset: number; readonly len: number; readonly zero?: boolean }[];
  readonly length?: number;
}

export interface SoakFile extends FileState {
  readonly shape: Shape;
}

/** The inode with this number, from 1 on. */
export function fileOf(seed: number, number: number): SoakFile {
  const random = new Random(mixed(seed, number));
  const shape = shapeOf(random);
  const { writes, length } = LIVES[shape](random);
  const lists = new Map<number, OracleVersion[]>();
  let chunkId = BigInt(number * IDS_PER_INODE);
  for (const { offset, len, zero = false } of writes) {
    chunkId++;
    const index = Math.floor(offset / GEOMETRY.chunkSize);
    const list = lists.get(index) ?? [];
    list.push({ chunkId, compaction: 0n, offset, len, size: len, zero });
    lists.set(index, list);
  }
  const end = Math.max(0, ...writes.map(({ offset, len }) => offset + len));
  return {
    fsId: FS_ID,
    inodeId: BigInt(number),
    objectPrefix: 0,
    geometry: GEOMETRY,
    lists,
    length: length ?? end,
    shape,
  };
}

/** One number of two, far from those of its neighbours: generators that begin with neighbouring seeds begin alike. */
function mixed(seed: number, number: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ number;
  for (const factor of [0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f]) hash = Math.imul(hash ^ (hash >>> 15), factor);
  return hash ^ (hash >>> 16);
}

/** Above every chunk id of so many inodes. */
export function nextChunkId(inodes: number): number {
  return (inodes + 1) * IDS_PER_INODE;
}

function shapeOf(random: Random): Shape {
  let dice = random.below(1000);
  for (const shape of SHAPES) {
    dice -= SHARES[shape];
    if (dice < 0) return shape;
  }
  return 'once';
}

const between = (random: Random, least: number, most: number): number => least + random.below(most - least + 1);

/** Appends of so many bytes each, none across the end of a chunk. */
function appends(random: Random, count: number, sizes: readonly [number, number]): Life {
  const writes = [];
  let offset = 0;
  for (let n = 0; n < count; n++) {
    const room = GEOMETRY.chunkSize - (offset % GEOMETRY.chunkSize);
    const len = Math.min(room, between(random, ...sizes));
    writes.push({ offset, len });
    offset += len;
  }
  return { writes };
}

const LIVES: Readonly<Record<Shape, (random: Random) => Life>> = {
  empty: () => ({ writes: [] }),
  hole: (random) => ({ writes: [], length: between(random, 1, 10_000) }),
  once: (random) => appends(random, 1, [1, 900]),
  few: (random) => appends(random, between(random, 2, 3), [1, 600]),
  covered: (random) => {
    const len = between(random, 10, 3_000);
    return { writes: Array.from({ length: between(random, 2, 4) }, (_, n) => ({ offset: 0, len: len + n })) };
  },
  cut: (random) => {
    const { writes } = appends(random, between(random, 2, 4), [400, 5_000]);
    const end = writes.reduce((most, { offset, len }) => Math.max(most, offset + len), 0);
    return { writes, length: between(random, 1, end - 1) };
  },
  log: (random) => appends(random, between(random, 8, 22), [20, 500]),
  scattered: (random) => {
    const size = between(random, 1, 4) * GEOMETRY.blockSize;
    const writes = [{ offset: 0, len: size }];
    for (let n = between(random, 8, 24); n > 0; n--) {
      const offset = random.below(size);
      const len = Math.min(size - offset, between(random, 1, 700));
      writes.push({ offset, len, ...(random.below(12) === 0 ? { zero: true } : {}) });
    }
    return { writes };
  },
  large: (random) => appends(random, between(random, 24, 48), [1_000, 7_000]),
};
