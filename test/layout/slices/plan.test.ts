/** The planner of slices: what must hold of every plan, over random lists and over a small space that is tried whole. */
import { isDeepStrictEqual } from 'node:util';
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
  sliceTasks,
} from '../../../src/layout/slices/index.ts';
import { SliceFile } from './slice-file.ts';

const SPAN = 200;
const GEOMETRY: SliceGeometry = { volume: 'vol', blockSize: 16, hashPrefix: false, wholeObjects: false };

type Input = Omit<Parameters<typeof planSlices>[1], 'referencesOf'>;

/** Everything that must hold of a plan, whatever the list; whether there is one. `others`: how often other lists name a slice. */
function expectSound(records: readonly SliceRecord[], input: Input, others: (id: bigint) => number): boolean {
  const before = new SliceFile(records, SPAN);
  const referencesOf = ({ id }: SliceRecord) => before.named(id) + others(id);
  const plan = planSlices(records, { ...input, referencesOf });
  if (plan === null) return false;
  const after = before.carriedOut(plan);
  // What no plan may change, and what every plan must keep.
  mustBe(after.content(), before.content());
  mustBe(after.overlaps(), false);
  const { gain, cost } = plan;
  const isFreed = (id: bigint) => others(id) === 0 && after.named(id) === 0;
  const freed = before.bytes((id) => isFreed(id));
  const written = after.bytes((id) => before.named(id) === 0);
  if (written > freed) throw new Error(`${written} bytes are written and ${freed} freed`);
  mustBe(gain.storedBytesBefore - gain.storedBytesAfter, freed - written);
  mustBe(gain.recordsAfter, after.records.length);
  if (after.records.length > records.length) throw new Error('the list has become longer');
  mustBe(gain.getsAfter, readsOf(piecesOf(after.records), input.geometry).gets);
  const { bytesPerGet, storagePrice } = input.policy;
  const saved = (gain.getsBefore - gain.getsAfter) * bytesPerGet + (freed - written) * storagePrice;
  if (saved <= cost.readBytes + cost.writeBytes) throw new Error('it does not pay');
  if (input.geometry.wholeObjects) {
    const tasks = sliceTasks(plan.merged, { geometry: input.geometry, firstId: 1_000n, readGapBytes: 3 });
    const reads = tasks.flatMap(({ block }) => block.reads);
    for (const { source, offset, len } of reads) mustBe([offset, len], [0, Number(source.split('_').at(-1))]);
    mustBe([cost.readRequests, cost.readBytes], [reads.length, reads.reduce((sum, { len }) => sum + len, 0)]);
  }
  // Nothing is left to do: once nobody holds what was replaced, and while delayed deletes still count it.
  for (const held of [0, 1]) {
    const again = ({ id }: SliceRecord) => after.named(id) + others(id) + held * before.named(id);
    mustBe(planSlices(after.records, { ...input, referencesOf: again }), null);
  }
  return true;
}

/** As `expect`, in spaces of many cases. */
function mustBe(is: unknown, shall: unknown): void {
  if (!isDeepStrictEqual(is, shall)) expect(is).toEqual(shall);
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

const SHORT_BYTES = 4;
/** Extents in four bytes, as zeros and as two parts of a slice. */
const PLACES = 10 * 3;
/** Which records are of one slice. */
const SAME = [
  [1, 2, 3],
  [1, 1, 2],
  [1, 2, 1],
];
const LISTS = SAME.length * (PLACES + PLACES ** 2 + PLACES ** 3);

function* shortLists(): Generator<readonly SliceRecord[]> {
  const places: SliceRecord[] = [];
  for (let offset = 0; offset < SHORT_BYTES; offset++)
    for (let len = 1; offset + len <= SHORT_BYTES; len++)
      for (const from of [-1, 0, 2]) places.push({ offset, len, id: from < 0 ? 0n : 1n, size: 6, from });
  function* above(below: readonly SliceRecord[], ids: readonly number[]): Generator<readonly SliceRecord[]> {
    const [id, ...more] = ids;
    if (id === undefined) return;
    for (const place of places) {
      const list = [...below, place.id === 0n ? { ...place, size: 0, from: 0 } : { ...place, id: BigInt(id) }];
      yield list;
      yield* above(list, more);
    }
  }
  for (const ids of SAME) yield* above([], ids);
}

describe('a plan', () => {
  it('shows every byte as before, overlaps nowhere, stores no more, pays, and leaves nothing to do', () => {
    const geometry = fc.constantFrom(GEOMETRY, { ...GEOMETRY, wholeObjects: true }, { ...GEOMETRY, blockSize: 5 });
    const policy = fc.record({
      fragmentThreshold: fc.nat({ max: 4 }),
      bytesPerGet: fc.nat({ max: 100 }),
      storagePrice: fc.nat({ max: 3 }),
    });
    let plans = 0;
    fc.assert(
      fc.property(fc.array(record, { maxLength: 40 }), geometry, policy, fc.nat({ max: 2 }), (list, ...given) => {
        const [chosen, dials, share] = given;
        const others = (id: bigint) => [0, 1, Number(id % 2n)][share] ?? 0;
        plans += expectSound(list, { geometry: chosen, policy: dials }, others) ? 1 : 0;
      }),
      { numRuns: 3_000 },
    );
    expect(plans).toBeGreaterThan(300);
  });

  it('holds over all lists of up to three records over four bytes', () => {
    let plans = 0;
    let lists = 0;
    for (const records of shortLists()) {
      lists++;
      const blockSize = lists % 2 === 0 ? 2 : 4;
      const geometry = { ...GEOMETRY, blockSize, wholeObjects: lists % 3 === 0 };
      const bytesPerGet = lists % 11 < 4 ? 3 : 12;
      const policy = { fragmentThreshold: 1, bytesPerGet, storagePrice: lists % 5 === 0 ? 0 : 1 };
      const others = (id: bigint) => (lists % 7 === 0 && id === 1n ? 1 : 0);
      plans += expectSound(records, { geometry, policy }, others) ? 1 : 0;
    }
    expect(lists).toBe(LISTS);
    expect(plans).toBeGreaterThan(LISTS / 10);
  });

  it('goes on where a first round leaves something to do', () => {
    const records = [
      { offset: 30, len: 62, id: 17n, size: 89, from: 2 },
      { offset: 36, len: 2, id: 12n, size: 15, from: 8 },
    ];
    const input = {
      geometry: { ...GEOMETRY, blockSize: 64 },
      policy: { fragmentThreshold: 1, bytesPerGet: 500, storagePrice: 2 },
    };
    expect(expectSound(records, input, (id) => Number(id === 17n))).toBe(true);
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
