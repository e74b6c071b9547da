/**
 * Random chunk lists, policies and budgets for the property tests, tiny so that a few bytes meet every border. Names are
 * unique, as writers make them; ids ascend or not, and reach 2^64-1. It makes inputs only and judges nothing.
 */
import fc from 'fast-check';
import type { OracleGeometry, OracleVersion } from '../kit/oracle/types.ts';

const UINT64_MAX = 2n ** 64n - 1n;

/** Replayable: `FC_SEED=… npx vitest run …` repeats a run that failed. */
export function seedOf(suite: string): number {
  const seed = process.env['FC_SEED'] === undefined ? Date.now() % 2 ** 31 : Number(process.env['FC_SEED']);
  console.log(`${suite}: FC_SEED=${seed}`);
  return seed;
}

/** Runs of a property; `FC_SCALE=20` looks longer. */
export function runs(count: number): number {
  return count * Number(process.env['FC_SCALE'] ?? 1);
}

export const geometries: fc.Arbitrary<OracleGeometry> = fc
  .record({ blockSize: fc.constantFrom(1, 2, 3, 4, 7, 16), blocks: fc.integer({ min: 1, max: 6 }) })
  .map(({ blockSize, blocks }) => ({ blockSize, chunkSize: blockSize * blocks }));

/** A piece of a chunk, in fractions, so that it shrinks well and fits any geometry. */
export interface Piece {
  readonly at: number;
  readonly len: number;
  readonly zero: boolean;
  readonly id: bigint;
}

export const pieces: fc.Arbitrary<Piece> = fc.record({
  at: fc.nat(95),
  len: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 96 })),
  zero: fc.oneof({ arbitrary: fc.constant(false), weight: 4 }, { arbitrary: fc.constant(true), weight: 1 }),
  id: fc.oneof(fc.bigInt({ min: 1n, max: 40n }), fc.bigInt({ min: 0n, max: UINT64_MAX })),
});

/** Turns pieces into versions of one chunk; ids that are taken move on to the next free one. */
export class VersionMaker {
  readonly #taken = new Set<bigint>();

  make(piece: Piece, chunkIndex: number, geometry: OracleGeometry): OracleVersion {
    const at = piece.at % geometry.chunkSize;
    const len = Math.min(piece.len, geometry.chunkSize - at);
    const offset = chunkIndex * geometry.chunkSize + at;
    return { chunkId: this.#free(piece.id), compaction: 0n, offset, len, size: len, zero: piece.zero };
  }

  #free(wanted: bigint): bigint {
    let id = wanted;
    while (this.#taken.has(id)) id = id === UINT64_MAX ? 0n : id + 1n;
    this.#taken.add(id);
    return id;
  }
}

export interface ListCase {
  readonly geometry: OracleGeometry;
  readonly chunkIndex: number;
  readonly versions: readonly OracleVersion[];
  readonly length: number;
}

/** One chunk list and a length that ends before, in or behind the chunk. */
export const listCases: fc.Arbitrary<ListCase> = fc
  .record({
    geometry: geometries,
    chunkIndex: fc.oneof(fc.nat(3), fc.constantFrom(2 ** 20, 2 ** 40)),
    pieces: fc.array(pieces, { maxLength: 24 }),
    cut: fc.oneof(
      { arbitrary: fc.constant(200), weight: 2 },
      { arbitrary: fc.integer({ min: -1, max: 97 }), weight: 1 },
    ),
  })
  .map(({ geometry, chunkIndex, pieces: list, cut }) => {
    const maker = new VersionMaker();
    const versions = list.map((piece) => maker.make(piece, chunkIndex, geometry));
    return { geometry, chunkIndex, versions, length: Math.max(0, chunkIndex * geometry.chunkSize + cut) };
  });

export const policies = fc.record(
  {
    fragmentThreshold: fc.constantFrom(0, 0, 3, 20),
    readGapBytes: fc.constantFrom(0, 1, 2, 64),
    /** From nothing to all the way up, for blocks of 1 to 16 bytes. */
    bytesPerGet: fc.constantFrom(0, 1, 2, 3, 5, 8, 13, 24, 1000),
    storagePrice: fc.constantFrom(0, 1, 2, 5, 40),
    mergedFirst: fc.constant(true),
    /** Chunks at rest and new ones; what a plan of a test merges is new, as it is in life. */
    rest: fc.record({
      chunkId: fc.oneof(fc.bigInt({ min: 0n, max: 41n }), fc.constant(UINT64_MAX)),
      compaction: fc.constant(1n),
    }),
  },
  { requiredKeys: ['fragmentThreshold', 'readGapBytes'] },
);

export const budgets = fc.record({
  bytes: fc.oneof(fc.nat(64), fc.constant(Number.POSITIVE_INFINITY)),
  requests: fc.oneof(fc.nat(12), fc.constant(Number.POSITIVE_INFINITY)),
  mergedVersions: fc.oneof(fc.nat(3), fc.constant(2048)),
});
