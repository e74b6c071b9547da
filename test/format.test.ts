/**
 * Object names and record text, against CurveFS's own examples and the oracle's second spelling of both. What is printed
 * is parsed back, and whatever is not exactly what would be printed is refused: lists are compared by their text.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decimalId,
  decimalNumber,
  objectName,
  parseObjectName,
  parseRecord,
  printInodeKey,
  printRecord,
} from '../src/format.ts';
import type { InodeKey, ObjectId, ObjectPrefix } from '../src/model.ts';
import { loadVectors } from './kit/cases/load.ts';
import { oracleName, recordOf, recordText } from './kit/oracle/names.ts';
import { seedOf } from './plan/arbitrary.ts';

const seed = seedOf('format');
const UINT64_MAX = 2n ** 64n - 1n;

const ids = fc.oneof(
  fc.bigInt({ min: 0n, max: UINT64_MAX }),
  fc.bigInt({ min: 0n, max: 3000n }),
  fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, UINT64_MAX),
);
const offsets = fc.oneof(fc.maxSafeNat(), fc.nat(5000), fc.constant(Number.MAX_SAFE_INTEGER));
const keys: fc.Arbitrary<InodeKey> = fc.record({ fsId: fc.nat(2 ** 32 - 1), inodeId: ids });
const objects: fc.Arbitrary<ObjectId> = fc.record({ chunkId: ids, compaction: ids, blockIndex: fc.nat(70_000) });
const prefixes = fc.constantFrom<ObjectPrefix>(0, 1, 2);
const versions = fc.record({
  chunkId: ids,
  compaction: ids,
  offset: offsets,
  len: offsets,
  size: offsets,
  zero: fc.boolean(),
});

describe('object names', () => {
  it.each(loadVectors().objectNames)('CurveFS calls it $name', (vector) => {
    const { fsId, blockIndex, objectPrefix, name } = vector;
    const key = { fsId, inodeId: BigInt(vector.inodeId) };
    const object = { chunkId: BigInt(vector.chunkId), compaction: BigInt(vector.compaction), blockIndex };
    expect(objectName(key, object, objectPrefix)).toBe(name);
    expect(parseObjectName(name)).toEqual({ key, object });
  });

  it('are those of the oracle for every prefix, and parse back', () => {
    fc.assert(
      fc.property(keys, objects, prefixes, (key, object, objectPrefix) => {
        const name = objectName(key, object, objectPrefix);
        expect(name).toBe(oracleName({ ...key, objectPrefix }, object, object.blockIndex));
        expect(parseObjectName(name)).toEqual({ key, object });
      }),
      { seed, numRuns: 2000 },
    );
  });

  it.each([
    '',
    'readme.txt',
    '1_2_3_4',
    '1_2_3_4_5_6',
    '1_2_3_4_5.tmp',
    ' 1_2_3_4_5',
    '1_2_3_4_5\n',
    '01_2_3_4_5',
    '1_2_03_4_5',
    '1_2_-3_4_5',
    '1_2_3_4_18446744073709551616',
    '1_2_3_9007199254740992_5',
    '7/2/2346/7_2345678_9_1_0',
    '7/3/2345/7_2345678_9_1_0',
    '8/2/2345/7_2345678_9_1_0',
    '7/206/2345/7_2345679_9_1_0',
    '7/2345/7_2345678_9_1_0',
    '/7/2/2345/7_2345678_9_1_0',
    'x/7_2345678_9_1_0',
  ])('%j is not a name of this layout', (name) => {
    expect(parseObjectName(name)).toBeNull();
  });

  it('a name with anything changed is refused or is the name of something else, or of the same in another form', () => {
    fc.assert(
      fc.property(keys, objects, prefixes, fc.nat(100), fc.constantFrom(...'0123456789_/ ,.x'), (...args) => {
        const [key, object, objectPrefix, at, char] = args;
        const name = objectName(key, object, objectPrefix);
        const place = at % (name.length + 1);
        const changed = name.slice(0, place) + char + name.slice(place);
        const parsed = parseObjectName(changed);
        if (parsed === null) return;
        const formsOf = (of: typeof parsed): string[] =>
          ([0, 1, 2] as const).map((prefix) => objectName(of.key, of.object, prefix));
        expect(formsOf(parsed)).toContain(changed);
        // The directories of prefix 1 and 2 may differ by one digit: 0/2/…_2570_… and 10/2/…_2570_….
        const forms = formsOf({ key, object });
        expect(formsOf(parsed)[0] === forms[0]).toBe(forms.includes(changed));
      }),
      { seed, numRuns: 2000 },
    );
  });
});

describe('version records', () => {
  it('are those of the oracle, and parse back', () => {
    fc.assert(
      fc.property(versions, (version) => {
        const text = printRecord(version);
        expect(text).toBe(recordText(version));
        expect(parseRecord(text)).toEqual(version);
        expect(recordOf(text)).toEqual(version);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('are spelled as docs/format.md says', () => {
    const version = { chunkId: UINT64_MAX, compaction: 3n, offset: 4096, len: 7, size: 9, zero: true };
    expect(printRecord(version)).toBe('18446744073709551615,3,4096,7,9,1');
  });

  it.each([
    '',
    '1,2,3,4,5',
    '1,2,3,4,5,0,',
    '1,2,3,4,5,0,0',
    '1,2,3,4,5,2',
    '1,2,3,4,5,true',
    '1,2,3,4,5,00',
    '1,2,3,4,5,',
    '1,2,3,,5,0',
    '1, 2,3,4,5,0',
    '1,2,3,4,5,0\n',
    '01,2,3,4,5,0',
    '1,2,03,4,5,0',
    '+1,2,3,4,5,0',
    '-1,2,3,4,5,0',
    '1,2,-3,4,5,0',
    '1,2,3.5,4,5,0',
    '1,2,1e3,4,5,0',
    '1,2,0x10,4,5,0',
    '18446744073709551616,2,3,4,5,0',
    '1,18446744073709551616,3,4,5,0',
    '1,2,9007199254740992,4,5,0',
    '1,2,3,9007199254740993,5,0',
    '1,2,3,4,99999999999999999999,0',
    '1,2,3,4,100000000000000000000000000000000,0',
    '{"chunkId":1}',
    '١,2,3,4,5,0',
  ])('%j is refused with the text', (text) => {
    const shown = JSON.stringify(text);
    expect(() => parseRecord(text)).toThrow(
      expect.objectContaining({
        kind: 'halt',
        code: 'record-malformed',
        message: expect.stringContaining(shown) as unknown,
      }),
    );
  });

  it('a long text is shown in part', () => {
    expect(() => parseRecord('9'.repeat(1_000_000))).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{10,600}$/) as unknown }),
    );
  });

  it('any text is refused or is exactly what would be printed', () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(fc.nat(99).map(String), fc.constantFrom('', '00', '1.0', ' 1')), { maxLength: 8 }).map(String),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        let version: ReturnType<typeof parseRecord>;
        try {
          version = parseRecord(candidate);
        } catch {
          return;
        }
        expect(printRecord(version)).toBe(candidate);
      }),
      { seed, numRuns: 3000 },
    );
  });
});

describe('numbers', () => {
  it('ids reach 2^64-1 and offsets 2^53-1, in canonical decimal', () => {
    expect(decimalId('18446744073709551615')).toBe(UINT64_MAX);
    expect(decimalId('18446744073709551616')).toBeNull();
    expect(decimalNumber('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(decimalNumber('9007199254740992')).toBeNull();
    expect(decimalNumber('0')).toBe(0);
    for (const text of [undefined, '', '00', '-0', '1 ', '1n', 'NaN']) {
      expect(decimalId(text)).toBeNull();
      expect(decimalNumber(text)).toBeNull();
    }
  });

  it('an inode key is printed as fsId/inodeId', () => {
    expect(printInodeKey({ fsId: 3, inodeId: UINT64_MAX })).toBe('3/18446744073709551615');
  });
});
