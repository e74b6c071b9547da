/** The slice layout against a byte-by-byte model: every byte, every block and every GET counted one by one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addFootprint,
  blockBytes,
  CHUNK_BYTES,
  footprintOf,
  NO_FOOTPRINT,
  piecesOf,
  readsOf,
  recordFault,
  type SliceGeometry,
  type SliceRecord,
  sliceObject,
} from '../../../src/layout/slices/index.ts';

const SPAN = 160;
const GEOMETRY: SliceGeometry = { volume: 'vol', blockSize: 16, hashPrefix: false, wholeObjects: false };

/** A record of one of a few slices, whose size follows from its id, so that lists name a slice more than once. */
const record: fc.Arbitrary<SliceRecord> = fc
  .tuple(fc.nat({ max: SPAN - 1 }), fc.nat({ max: 9 }), fc.nat({ max: 70 }), fc.nat({ max: 70 }))
  .map(([offset, id, a, b]) => {
    const size = id === 0 ? 0 : 7 + 11 * id;
    const from = id === 0 ? 0 : Math.min(a, size);
    const len = Math.min(id === 0 ? b : Math.min(b, size - from), SPAN - offset);
    return { offset, len, id: BigInt(id), size, from };
  });
const list = fc.array(record, { maxLength: 25 });

/** For each byte the record that is read there, or -1 for zeros. */
function ownersOf(records: readonly SliceRecord[]): number[] {
  const owners = new Array<number>(SPAN).fill(-1);
  for (const [position, { offset, len, id }] of records.entries()) {
    for (let n = offset; n < offset + len; n++) owners[n] = id === 0n ? -1 : position;
  }
  return owners;
}

describe('pieces', () => {
  it('show each byte of the later record, zeros of slice 0 and of gaps', () => {
    fc.assert(
      fc.property(list, (records) => {
        const owners = new Array<number>(SPAN).fill(-1);
        let last = 0;
        for (const { begin, end, position, id, size, from } of piecesOf(records)) {
          expect(begin).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThan(begin);
          last = end;
          const of = records[position];
          expect({ id, size }).toEqual({ id: of?.id, size: of?.size });
          expect(from - begin).toBe((of?.from ?? 0) - (of?.offset ?? 0));
          for (let n = begin; n < end; n++) owners[n] = position;
        }
        expect(owners).toEqual(ownersOf(records));
      }),
      { numRuns: 2_000 },
    );
  });

  it('end with the chunk', () => {
    const all = { offset: 0, len: CHUNK_BYTES, id: 1n, size: CHUNK_BYTES, from: 0 };
    const [one, two] = piecesOf([all, { ...all, id: 2n, offset: CHUNK_BYTES - 1, len: 1, from: 5 }]);
    expect(one).toMatchObject({ begin: 0, end: CHUNK_BYTES - 1, position: 0 });
    expect(two).toMatchObject({ begin: CHUNK_BYTES - 1, end: CHUNK_BYTES, position: 1, from: 5 });
  });
});

/** What a client with an empty cache asks for, byte by byte in the order of the file. */
function readsOneByOne(records: readonly SliceRecord[], geometry: SliceGeometry): { gets: number; bytes: number } {
  const owners = ownersOf(records);
  const kept = new Set<string>();
  let [gets, bytes] = [0, 0];
  for (let n = 0; n < SPAN; ) {
    const position = owners[n] ?? -1;
    const of = records[position];
    if (of === undefined) {
      n++;
      continue;
    }
    const at = of.from + n - of.offset;
    const block = Math.floor(at / geometry.blockSize);
    let wanted = 0;
    while (owners[n + wanted] === position && Math.floor((at + wanted) / geometry.blockSize) === block) wanted++;
    n += wanted;
    const whole = blockBytes(of.size, block, geometry.blockSize);
    const name = sliceObject(of.id, of.size, block, geometry).name;
    if (kept.has(name)) continue;
    gets++;
    const ranged = !geometry.wholeObjects && at % geometry.blockSize > 0 && 4 * wanted <= whole;
    bytes += ranged ? wanted : whole;
    if (!ranged) kept.add(name);
  }
  return { gets, bytes };
}

describe('reads', () => {
  it('are those of a client that keeps whole blocks and takes small parts as ranges', () => {
    fc.assert(
      fc.property(list, fc.boolean(), (records, wholeObjects) => {
        const geometry = { ...GEOMETRY, wholeObjects };
        expect(readsOf(piecesOf(records), geometry)).toEqual(readsOneByOne(records, geometry));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('footprint', () => {
  it('counts each slice once over all lists, and as hidden what nobody shows', () => {
    fc.assert(
      fc.property(fc.array(list, { maxLength: 4 }), (lists) => {
        const all = lists.flat().filter(({ id }) => id !== 0n);
        const sizes = new Map(all.map(({ id, size }) => [id, size]));
        const referencesOf = ({ id }: SliceRecord) => all.filter((one) => one.id === id).length;
        const sum = lists
          .map((records) => footprintOf(records, GEOMETRY, { referencesOf }))
          .reduce(addFootprint, NO_FOOTPRINT);
        const stored = [...sizes.values()].reduce((a, b) => a + b, 0);
        const blocks = [...sizes.values()].reduce((a, b) => a + Math.ceil(b / 16), 0);
        expect(sum.storedBytes).toBeCloseTo(stored, 6);
        expect(sum.objects).toBeCloseTo(blocks, 6);
        expect(sum.visibleBytes).toBe(lists.flatMap(ownersOf).filter((owner) => owner >= 0).length);
        const inOneList = (id: bigint) => lists.filter((some) => some.some((one) => one.id === id)).length === 1;
        const shared = [...sizes].filter(([id]) => !inOneList(id)).reduce((a, [, size]) => a + size, 0);
        expect(sum.sharedBytes).toBeCloseTo(shared, 6);
        let hidden = 0;
        for (const [id, size] of sizes) {
          if (!inOneList(id)) continue;
          const shown = lists.flatMap((records) =>
            ownersOf(records).filter((owner) => records[owner]?.id === id),
          ).length;
          hidden += Math.max(0, size - shown);
        }
        expect(sum.hiddenBytes).toBeCloseTo(hidden, 6);
      }),
      { numRuns: 1_000 },
    );
  });

  it('of a list that nobody reads is all hidden', () => {
    const records = [{ offset: 0, len: 20, id: 1n, size: 20, from: 0 }];
    const footprint = footprintOf(records, GEOMETRY, { referencesOf: () => 1, shown: false });
    expect(footprint).toMatchObject({ storedBytes: 20, hiddenBytes: 20, visibleBytes: 0, gets: 0, objects: 2 });
  });
});

describe('objects', () => {
  it('have the names that the real program gave', () => {
    const geometry = { ...GEOMETRY, blockSize: 4 * 1024 * 1024 };
    expect(sliceObject(1n, 9 << 20, 2, geometry)).toEqual({ name: 'vol/chunks/0/0/1_2_1048576', bytes: 1_048_576 });
    expect(sliceObject(15n, 5_000, 0, geometry)).toEqual({ name: 'vol/chunks/0/0/15_0_5000', bytes: 5_000 });
    expect(sliceObject(1_234_567n, 4 << 20, 0, geometry).name).toBe('vol/chunks/1/1234/1234567_0_4194304');
    const hashed = { ...geometry, hashPrefix: true };
    expect(sliceObject(1_234_607n, 4 << 20, 0, hashed).name).toBe('vol/chunks/AF/1/1234607_0_4194304');
    expect(sliceObject(5n, 4 << 20, 0, hashed).name).toBe('vol/chunks/05/0/5_0_4194304');
  });
});

describe('a record', () => {
  const good = { offset: 0, len: 10, id: 1n, size: 20, from: 10 };
  it('that no client writes is refused', () => {
    expect(recordFault(good)).toBeNull();
    expect(recordFault({ ...good, from: 11 })).toBe('it shows 1 bytes beyond the end of its slice');
    expect(recordFault({ ...good, offset: CHUNK_BYTES - 9 })).toBe('it reaches 1 bytes beyond its chunk');
    expect(recordFault({ ...good, size: CHUNK_BYTES + 1 })).toContain('larger than a chunk');
    expect(recordFault({ offset: 0, len: CHUNK_BYTES, id: 0n, size: 0, from: 0 })).toBeNull();
  });
});
