/**
 * The oracle is trusted everywhere else, so its own rules are held against numbers worked out by hand from the CurveFS
 * facts: content words, names, offsets in objects, and that it refuses what a client would silently misread.
 */
import { expect, it } from 'vitest';
import { content, expectedByte } from './content.ts';
import { History } from './history.ts';
import { offsetInObject, originalObjects, referencedObjects } from './layout.ts';
import { oracleName, recordOf, recordText } from './names.ts';
import { expectedFile, fullReadGets, readFile, readRange, visibleObjects } from './reader.ts';
import type { FileState, OracleVersion } from './types.ts';

const GEOMETRY = { blockSize: 4, chunkSize: 16 };

function version(chunkId: number, offset: number, len: number, rest: Partial<OracleVersion> = {}): OracleVersion {
  return { chunkId: BigInt(chunkId), compaction: 0n, offset, len, size: len, zero: false, ...rest };
}

function file(versions: readonly OracleVersion[], length: number): FileState {
  return { fsId: 1, inodeId: 9n, objectPrefix: 0, geometry: GEOMETRY, length, lists: new Map([[0, versions]]) };
}

function objectsOf(state: FileState): Map<string, Buffer> {
  return new Map([...originalObjects(state)].map(({ name, bytes }) => [name, bytes]));
}

it('content words are those of the rule', () => {
  // chunkId 1, offset 0: 0x9e3779b97f4a7c15 + 0 + 1, little-endian.
  expect(content(1n, 0, 8).toString('hex')).toBe('167c4a7fb979379e');
  // chunkId 3, offset 16: 3 * 0x9e3779b97f4a7c15 + 2 + 1 mod 2^64 = 0xdaa66d2c7ddf7442.
  expect(content(3n, 16, 24).toString('hex')).toBe('4274df7d2c6da6da');
  const far = 2 ** 40 + 3;
  expect([...content(2n ** 64n - 1n, far, far + 21)]).toEqual(
    Array.from({ length: 21 }, (_, at) => expectedByte(2n ** 64n - 1n, far + at)),
  );
});

it('a word whose low half overflows carries into its high half', () => {
  const words = 2 ** 32;
  const begin = 8 * (words - 2);
  const bytes = content(0n, begin, begin + 32);
  // chunkId 0: the word is its index plus 1.
  expect([0, 8, 16, 24].map((at) => bytes.readBigUInt64LE(at))).toEqual([-1n, 0n, 1n, 2n].map((n) => n + 2n ** 32n));
});

it('names and records are spelled as in s3util.h and docs/format.md', () => {
  const place = { fsId: 7, inodeId: 2345678n };
  const one = version(9, 0, 1);
  expect(oracleName({ ...place, objectPrefix: 0 }, one, 1)).toBe('7_2345678_9_1_0');
  expect(oracleName({ ...place, objectPrefix: 1 }, one, 1)).toBe('7/2/2345/7_2345678_9_1_0');
  expect(oracleName({ ...place, objectPrefix: 2 }, one, 1)).toBe('7/206/2345/7_2345678_9_1_0');
  expect(recordText(version(9, 4, 2, { zero: true }))).toBe('9,0,4,2,2,1');
  expect(recordOf('18446744073709551615,1,4,2,3,0')).toEqual({
    chunkId: 2n ** 64n - 1n,
    compaction: 1n,
    offset: 4,
    len: 2,
    size: 3,
    zero: false,
  });
  expect(() => recordOf('1,2,3')).toThrow();
});

it('objects begin at the version in its first block and at the block border in the others', () => {
  const wide = version(1, 18, 10);
  expect([18, 19, 20, 23, 24, 27].map((at) => offsetInObject(wide, at, GEOMETRY))).toEqual([0, 1, 0, 3, 0, 3]);
  expect(referencedObjects(file([version(1, 2, 10)], 16))).toEqual(
    new Map([
      ['1_9_1_0_0', 2],
      ['1_9_1_1_0', 4],
      ['1_9_1_2_0', 4],
    ]),
  );
});

it('the last version wins, zeros and holes read as zero, and a read stops at the length', () => {
  const state = file([version(9, 0, 8), version(5, 2, 4), version(6, 3, 1, { zero: true })], 12);
  const objects = objectsOf(state);
  const byte = (id: number, at: number) => expectedByte(BigInt(id), at);
  const expected = [byte(9, 0), byte(9, 1), byte(5, 2), 0, byte(5, 4), byte(5, 5), byte(9, 6), byte(9, 7), 0, 0, 0, 0];
  const fetch = (name: string) => objects.get(name);
  expect([...readFile(state, fetch)]).toEqual(expected);
  expect([...expectedFile(state)]).toEqual(expected);
  expect([...readRange(state, 3, 7, fetch)]).toEqual(expected.slice(3, 7));
  expect([...readRange(state, 6, 99, fetch)]).toEqual(expected.slice(6));
  expect(fullReadGets(state)).toBe(4);
  expect([...visibleObjects(state, 0, 4)].sort()).toEqual(['1_9_5_0_0', '1_9_9_0_0']);
});

it('a narrowed version reads right with its start unchanged or aligned, and wrong otherwise', () => {
  const wide = version(1, 1, 11);
  const objects = objectsOf(file([wide], 16));
  const fetch = (name: string) => objects.get(name);
  const reads = (offset: number, len: number): boolean => {
    const state = file([{ ...wide, offset, len }], offset + len);
    return readRange(state, offset, offset + len, fetch).equals(content(1n, offset, offset + len));
  };
  expect(reads(1, 6)).toBe(true);
  expect(reads(4, 7)).toBe(true);
  expect(reads(8, 4)).toBe(true);
  expect(reads(5, 3)).toBe(false);
  expect(reads(2, 2)).toBe(false);
});

it('a missing and a short object are refused', () => {
  const state = file([version(1, 0, 8)], 8);
  const objects = objectsOf(state);
  expect(() => readFile(state, () => undefined)).toThrow(/missing/);
  expect(() => readFile(state, (name) => objects.get(name)?.subarray(0, 3))).toThrow(/short/);
});

it('I1: bytes that a truncate hid and a growth exposed may read as old or as zero, others have one value', () => {
  const history = new History(GEOMETRY);
  history.append(version(1, 0, 8));
  history.setLength(8);
  history.setLength(5);
  history.setLength(8);
  history.append(version(2, 6, 1));
  const old = content(1n, 0, 8);
  old.set(content(2n, 6, 7), 6);
  expect(history.mismatch(old)).toBeNull();
  const dropped = Buffer.from(old);
  dropped[5] = 0;
  dropped[7] = 0;
  expect(history.mismatch(dropped)).toBeNull();
  for (const at of [0, 4, 6]) {
    const wrong = Buffer.from(old);
    wrong[at] = 0;
    expect(history.mismatch(wrong)).toMatch(`file offset ${at} `);
  }
  const odd = Buffer.from(old);
  odd[7] = (odd[7] ?? 0) ^ 1 || 2;
  expect(history.mismatch(odd)).toMatch('file offset 7 ');
});
