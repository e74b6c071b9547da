/** The planner of slices: what must hold of every plan, over random lists and over a small space that is tried whole. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clientRewrite,
  listAfter,
  piecesOf,
  planSlices,
  readsOf,
  type SliceGeometry,
  type SliceRecord,
} from '../../../src/layout/slices/index.ts';

const SPAN = 200;
const GEOMETRY: SliceGeometry = { volume: 'vol', blockSize: 16, hashPrefix: false, wholeObjects: false };

/** The slice and its byte that each byte of the chunk shows; `null` for zeros. Merged slices are followed to their pieces. */
function bytesOf(records: readonly SliceRecord[]): (string | null)[] {
  const shown = new Array<string | null>(SPAN).fill(null);
  for (const { offset, len, id, from } of records)
    for (let n = 0; n < len; n++) shown[offset + n] = id === 0n ? null : `${id}:${from + n}`;
  return shown;
}

/** Everything that must hold of a plan, whatever the list. */
function expectSound(records: readonly SliceRecord[], input: Parameters<typeof planSlices>[1]): number {
  const plan = planSlices(records, input);
  if (plan === null) return 0;
  const after = listAfter(plan);
  const content = bytesOf(
    plan.kept.map(({ begin, end, id, size, from }) => ({ offset: begin, len: end - begin, id, size, from })),
  );
  for (const { begin, end, pieces } of plan.merged) {
    // No hole is written: each byte of a merged slice comes from a piece.
    expect(pieces.reduce((sum, piece) => sum + piece.end - piece.begin, 0)).toBe(end - begin);
    for (const piece of pieces)
      for (let n = piece.begin; n < piece.end; n++) content[n] = `${piece.id}:${piece.from + n - piece.begin}`;
  }
  expect(content).toEqual(bytesOf(records));
  let end = 0;
  for (const record of after) {
    expect(record.offset).toBeGreaterThanOrEqual(end);
    end = record.offset + record.len;
  }
  const { gain, cost } = plan;
  expect(gain.getsAfter).toBe(readsOf(piecesOf(after), input.geometry).gets);
  expect(gain.storedBytesAfter).toBeLessThanOrEqual(gain.storedBytesBefore);
  expect(after.length).toBeLessThanOrEqual(records.length);
  const value =
    (gain.getsBefore - gain.getsAfter) * input.policy.bytesPerGet +
    (gain.storedBytesBefore - gain.storedBytesAfter) * input.policy.storagePrice -
    cost.readBytes -
    cost.writeBytes;
  expect(value).toBeGreaterThan(0);
  // A plan for what it leaves is worth less each time, so repeating it ends.
  expect(expectSound(after, { ...input, referencesOf: () => 1 })).toBeLessThan(20);
  return 1 + plan.merged.length;
}

const record: fc.Arbitrary<SliceRecord> = fc
  .tuple(fc.nat({ max: SPAN - 1 }), fc.integer({ min: 0, max: 30 }), fc.nat({ max: 60 }), fc.nat({ max: 60 }))
  .map(([offset, id, a, b]) => {
    const size = id === 0 ? 0 : 3 + ((id * 37) % 90);
    const from = id === 0 ? 0 : a % size;
    return {
      offset,
      len: Math.min(id === 0 ? b : Math.min(1 + b, size - from), SPAN - offset),
      id: BigInt(id),
      size,
      from,
    };
  });

describe('a plan', () => {
  it('shows every byte as before, overlaps nowhere, writes no hole, stores no more and pays', () => {
    const lists = fc.array(record, { maxLength: 40 });
    fc.assert(
      fc.property(lists, fc.nat({ max: 100 }), fc.nat({ max: 3 }), fc.boolean(), (records, bytesPerGet, price, own) => {
        const policy = { fragmentThreshold: 2, bytesPerGet, storagePrice: price };
        const records1 = records.filter(({ len }) => len > 0);
        const referencesOf = ({ id }: SliceRecord) => records1.filter((one) => one.id === id).length + (own ? 0 : 1);
        expectSound(records1, { geometry: GEOMETRY, policy, referencesOf });
      }),
      { numRuns: 1_500 },
    );
  });

  it('holds over all lists of three short records', () => {
    const policy = { fragmentThreshold: 1, bytesPerGet: 12, storagePrice: 1 };
    const short: SliceRecord[] = [];
    for (let offset = 0; offset < 4; offset++)
      for (const len of [1, 3, 6]) for (const id of [0n, 1n]) short.push({ offset, len, id, size: 7, from: 0 });
    let plans = 0;
    for (const a of short)
      for (const b of short)
        for (const c of short) {
          const records = [a, { ...b, id: b.id * 2n }, { ...c, id: c.id * 3n }];
          const geometry = { ...GEOMETRY, blockSize: 4 };
          plans += expectSound(records, { geometry, policy, referencesOf: () => 1 }) > 0 ? 1 : 0;
        }
    expect(plans).toBeGreaterThan(300);
  });

  it('keeps a slice that a clone names stored, and so gains nothing by dropping it', () => {
    const hidden = { offset: 0, len: 10, id: 1n, size: 10, from: 0 };
    const records = [hidden, { ...hidden, id: 2n }];
    const policy = { fragmentThreshold: 1, bytesPerGet: 0, storagePrice: 1 };
    const input = { geometry: GEOMETRY, policy };
    expect(planSlices(records, { ...input, referencesOf: () => 1 })?.gain).toMatchObject({ storedBytesAfter: 10 });
    expect(planSlices(records, { ...input, referencesOf: ({ id }) => (id === 1n ? 2 : 1) })).toBeNull();
  });

  it('of a log that grew by appending merges the small writes and leaves the large slice', () => {
    const MIB = 1024 * 1024;
    const geometry = { ...GEOMETRY, blockSize: 4 * MIB };
    const records = [{ offset: 0, len: 40 * MIB, id: 1n, size: 40 * MIB, from: 0 }];
    for (let n = 0; n < 60; n++) {
      records.push({ offset: 40 * MIB + n * 65_536, len: 65_536, id: BigInt(n + 2), size: 65_536, from: 0 });
    }
    const policy = { fragmentThreshold: 4, bytesPerGet: 786_432, storagePrice: 2 };
    const plan = planSlices(records, { geometry, policy, referencesOf: () => 1 });
    expect(plan?.kept.map(({ id }) => id)).toEqual([1n]);
    expect(plan?.gain).toMatchObject({ getsBefore: 70, getsAfter: 11, recordsBefore: 61, recordsAfter: 2 });
    expect(plan?.clientBefore).toMatchObject({ records: 60 });
    expect(plan?.clientAfter).toBeNull();
    expect(
      planSlices(listAfter(plan ?? { kept: [], merged: [] }), { geometry, policy, referencesOf: () => 1 }),
    ).toBeNull();
  });
});

describe('what a client would rewrite', () => {
  const MIB = 1024 * 1024;
  const at = (offset: number, len: number, id: number): SliceRecord => ({
    offset,
    len,
    id: BigInt(id),
    size: len,
    from: 0,
  });

  it('is nothing of four records, and everything of five small ones', () => {
    const small = [0, 1, 2, 3, 4].map((n) => at(n * 1_000, 1_000, n + 1));
    expect(clientRewrite(small.slice(0, 4))).toBeNull();
    expect(clientRewrite(small)).toEqual({ records: 5, bytes: 5_000 });
  });

  it('writes holes between, and counts them', () => {
    const apart = [at(0, 1_000, 1), at(5 * MIB, 1_000, 2), at(9 * MIB, 1_000, 3)];
    expect(clientRewrite(apart)).toEqual({ records: 3, bytes: 9 * MIB + 1_000 });
  });

  it('leaves large leading records, unless they come again or are covered', () => {
    const large = [
      at(0, 20 * MIB, 1),
      at(20 * MIB, 5 * MIB, 2),
      ...[0, 1, 2].map((n) => at((25 + n) * MIB, 1_000, n + 3)),
    ];
    expect(clientRewrite(large)).toEqual({ records: 3, bytes: 2 * MIB + 1_000 });
    // A megabyte is large, but not before ten of them.
    const short = [at(0, MIB, 1), at(MIB, 9 * MIB, 2), ...[0, 1, 2].map((n) => at((10 + n) * MIB, 1_000, n + 3))];
    expect(clientRewrite(short)).toEqual({ records: 5, bytes: 12 * MIB + 1_000 });
    const covered = [...large, at(0, 10, 9)];
    expect(clientRewrite(covered)).toMatchObject({ records: 6 });
    const again = [...large, at(0, 20 * MIB, 1)];
    expect(clientRewrite(again)).toMatchObject({ records: 6 });
    expect(clientRewrite([0, 1, 2, 3, 4].map((n) => at(n * 4 * MIB, 4 * MIB, n + 1)))).toBeNull();
  });
});
