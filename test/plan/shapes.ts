/**
 * Long chunk lists of the kinds that occur, or that are hardest for a planner, made in linear time for the scale test and
 * `bench/plan.ts`. Deterministic: the n-th list of a shape is always the same. It knows nothing of planning.
 */
import type { PlanPolicy } from '../../src/model.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';

export const SCALE_GEOMETRY = { blockSize: 4 * 1024 * 1024, chunkSize: 64 * 1024 * 1024 };

/** A multiplicative congruential generator (Park and Miller): repeatable, and good enough to scatter offsets. */
function random(seed: number): (limit: number) => number {
  const modulus = 2 ** 31 - 1;
  let state = seed;
  return (limit) => {
    state = (state * 48271) % modulus;
    return state % limit;
  };
}

function make(count: number, extent: (n: number) => { offset: number; len: number }): OracleVersion[] {
  return Array.from({ length: count }, (_, n) => {
    const { offset, len } = extent(n);
    return { chunkId: BigInt(n + 1), compaction: 0n, offset, len, size: len, zero: false };
  });
}

const { chunkSize } = SCALE_GEOMETRY;

export const SHAPES = {
  /** A log: every write behind the last one. */
  append: (count: number) => {
    const len = Math.floor(chunkSize / count);
    return make(count, (n) => ({ offset: n * len, len }));
  },
  /** A database: small writes anywhere, many of them overwritten in part or as a whole. */
  random: (count: number) => {
    const next = random(12345);
    return make(count, () => {
      const len = 1 + next(128);
      return { offset: next(chunkSize - len), len };
    });
  },
  /** Each write inside the one before: as many ranges as there can be, and every version live at once in a sweep. */
  nested: (count: number) => {
    const step = Math.floor(chunkSize / count / 2);
    return make(count, (n) => ({ offset: n * step, len: chunkSize - 2 * n * step }));
  },
} satisfies Readonly<Record<string, (count: number) => OracleVersion[]>>;

export type Shape = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES) as Shape[];

/** As the settings have it. */
const POLICY = { fragmentThreshold: 4, readGapBytes: 64 * 1024, bytesPerGet: 768 * 1024, storagePrice: 2 };

export function planInputOf(shape: Shape, count: number, policy: PlanPolicy = POLICY) {
  return { geometry: SCALE_GEOMETRY, chunkIndex: 0, versions: SHAPES[shape](count), length: chunkSize, policy };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
