/**
 * Random lists and random lives of files: every plan keeps the rules of `verify.ts`, is carried out to the letter, and the
 * file reads as it must after every step (I1), with appends on top (I2) and retired objects gone at once.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { CompactError, ErrorCode } from '../../src/errors.ts';
import { checkChunkList, planChunk, readCost, validRanges } from '../../src/plan/index.ts';
import { HOLE, ownersOf, referencedObjects } from '../kit/oracle/layout.ts';
import { expectedRange, readRange } from '../kit/oracle/reader.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';
import { budgets, type ListCase, listCases, policies, runs, seedOf } from './arbitrary.ts';
import { MemoryFile } from './memory-file.ts';
import { verifyDecision, verifyFigures } from './verify.ts';
import { bytesOf, fileOf, viewOf } from './view.ts';

const seed = seedOf('plan properties');
const TIMEOUT = { timeout: runs(120_000) };
const ATTEMPT = 5n << 40n;

function memoryFile(list: ListCase): MemoryFile {
  const lists = new Map([[list.chunkIndex, list.versions]]);
  return new MemoryFile({ fsId: 1, inodeId: 1000n, objectPrefix: 0, lists, ...list });
}

function chunkOf({ chunkIndex, geometry }: ListCase): [number, number] {
  return [chunkIndex * geometry.chunkSize, (chunkIndex + 1) * geometry.chunkSize];
}

function readChunk(file: MemoryFile, list: ListCase): Buffer {
  return readRange(file, ...chunkOf(list), (name) => file.objects.get(name));
}

it('I1: a plan of any list keeps every rule, reads the same, counts right, and has no second round', TIMEOUT, () => {
  fc.assert(
    fc.property(listCases, policies, (list, policy) => {
      const file = memoryFile(list);
      const expected = expectedRange(file, ...chunkOf(list));
      const input = { ...list, policy };
      const plan = verifyDecision(input, ATTEMPT);
      if (plan === null) return;
      verifyFigures(input, plan, ATTEMPT);
      file.commit(plan, ATTEMPT);
      expect(readChunk(file, list).equals(expected)).toBe(true);
      expect(new Set(file.objects.keys())).toEqual(new Set(referencedObjects(file).keys()));
      expect(planChunk(file.planInput(list.chunkIndex, { policy })).kind).toBe('nothing');
    }),
    { seed, numRuns: runs(3000) },
  );
});

it('budgets are respected, partial plans read right, and repeating them ends', TIMEOUT, () => {
  fc.assert(
    fc.property(listCases, budgets, fc.constantFrom(0, 2), (list, budget, readGapBytes) => {
      const policy = { fragmentThreshold: 0, readGapBytes };
      const file = memoryFile(list);
      const expected = expectedRange(file, ...chunkOf(list));
      const { candidates } = viewOf({ ...list, policy });
      const eachFits = candidates.every(
        (block) =>
          bytesOf(block) <= budget.bytes && block.readRequests + 1 <= budget.requests && budget.mergedVersions > 0,
      );
      // One round per block, and one that only drops.
      for (let round = 0n; round <= BigInt(candidates.length + 1); round++) {
        const input = file.planInput(list.chunkIndex, { policy, budget });
        const attempt = ATTEMPT + (round << 12n);
        const plan = verifyDecision(input, attempt);
        if (plan === null) {
          if (eachFits) expect(planChunk(input).kind).toBe('nothing');
          return;
        }
        verifyFigures(input, plan, attempt);
        file.commit(plan, attempt);
        expect(readChunk(file, list).equals(expected)).toBe(true);
      }
      expect.fail('a plan that moves nothing was made again and again');
    }),
    { seed, numRuns: runs(3000) },
  );
});

it('I2: what was appended after the read stays on top when only the prefix is replaced', TIMEOUT, () => {
  fc.assert(
    fc.property(
      listCases,
      policies,
      fc.option(budgets, { nil: undefined }),
      fc.nat(24),
      (list, policy, budget, cut) => {
        const file = memoryFile(list);
        const expected = expectedRange(file, ...chunkOf(list));
        const versions = list.versions.slice(0, cut);
        const input = { ...list, versions, policy, ...(budget === undefined ? {} : { budget }) };
        const plan = verifyDecision(input, ATTEMPT);
        if (plan === null) return;
        file.commit(plan, ATTEMPT);
        expect(readChunk(file, list).equals(expected)).toBe(true);
      },
    ),
    { seed, numRuns: runs(2000) },
  );
});

it('a record that was appended twice costs no object that is needed', TIMEOUT, () => {
  fc.assert(
    fc.property(listCases, fc.array(fc.nat(23), { minLength: 1, maxLength: 3 }), (list, twice) => {
      const versions = [...list.versions];
      for (const at of twice) {
        const again = versions[at % Math.max(1, versions.length)];
        if (again !== undefined) versions.push(again);
      }
      const doubled = { ...list, versions };
      const file = memoryFile(doubled);
      const expected = expectedRange(file, ...chunkOf(list));
      const plan = verifyDecision({ ...doubled, policy: { fragmentThreshold: 0, readGapBytes: 0 } }, ATTEMPT);
      if (plan === null) return;
      file.commit(plan, ATTEMPT);
      expect(readChunk(file, list).equals(expected)).toBe(true);
    }),
    { seed, numRuns: runs(1000) },
  );
});

it('valid ranges are the runs of the oracle, in any window', TIMEOUT, () => {
  fc.assert(
    fc.property(listCases, fc.nat(100), fc.nat(100), (list, from, len) => {
      const begin = list.chunkIndex * list.geometry.chunkSize + from;
      const owners = ownersOf(list.versions, begin, begin + len);
      const expected: { begin: number; end: number; version: number }[] = [];
      for (const [at, version] of owners.entries()) {
        if (version === HOLE) continue;
        const last = expected.at(-1);
        if (last?.version === version && last.end === begin + at) last.end += 1;
        else expected.push({ begin: begin + at, end: begin + at + 1, version });
      }
      expect(validRanges(list.versions, { begin, end: begin + len })).toEqual(expected);
      const { gets } = readCost(list);
      expect(gets).toBeGreaterThanOrEqual(0);
    }),
    { seed, numRuns: runs(2000) },
  );
});

/** The last version over each stretch between two neighbouring ends, for extents too large to paint byte by byte. */
function rangesOfHugeExtents(versions: readonly OracleVersion[], window: { begin: number; end: number }) {
  const ends = versions.flatMap(({ offset, len }) => [offset, offset + len]).concat(window.begin, window.end);
  const borders = [...new Set(ends)].filter((at) => at >= window.begin && at <= window.end).sort((a, b) => a - b);
  const out: { begin: number; end: number; version: number }[] = [];
  for (const [n, begin] of borders.slice(0, -1).entries()) {
    const end = borders[n + 1] ?? begin;
    const version = versions.findLastIndex(({ offset, len }) => offset <= begin && offset + len >= end);
    const last = out.at(-1);
    if (version < 0) continue;
    if (last?.version === version && last.end === begin) last.end = end;
    else out.push({ begin, end, version });
  }
  return out;
}

it('valid ranges are right for offsets up to 2^53', TIMEOUT, () => {
  const top = Number.MAX_SAFE_INTEGER;
  const extent = fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  fc.assert(
    fc.property(fc.array(extent, { maxLength: 30 }), extent, (extents, [begin, end]) => {
      const versions = extents
        .filter(([from, to]) => from < to)
        .map(([from, to], n) => ({
          chunkId: BigInt(n),
          compaction: 0n,
          offset: from,
          len: to - from,
          size: 0,
          zero: false,
        }));
      for (const window of [
        { begin, end },
        { begin: 0, end: top },
      ]) {
        expect(validRanges(versions, window)).toEqual(rangesOfHugeExtents(versions, window));
      }
    }),
    { seed, numRuns: runs(1000) },
  );
});

it('I10: a list that breaks the format is refused as a whole', TIMEOUT, () => {
  const geometry = { blockSize: 4, chunkSize: 16 };
  const good: OracleVersion = { chunkId: 1n, compaction: 0n, offset: 34, len: 4, size: 4, zero: false };
  const faults: Partial<OracleVersion>[] = [
    { len: 0 },
    { len: 15 },
    { offset: 31 },
    { offset: 30, len: 2 },
    { offset: 48 },
    { offset: 0 },
    { offset: -2, len: 40 },
    { len: -1 },
    { len: 1.5 },
    { offset: 33.5 },
    { len: Number.NaN },
    { offset: Number.POSITIVE_INFINITY },
    { offset: 2 ** 53 },
    { len: 2 ** 53 },
    { size: 2 ** 53 },
    { size: -1 },
    { chunkId: -1n },
    { chunkId: 2n ** 64n },
    { compaction: 2n ** 64n },
    { compaction: -1n },
  ];
  const refused = { kind: 'halt', code: 'list-invalid' satisfies ErrorCode } satisfies Partial<CompactError>;
  fc.assert(
    fc.property(fc.constantFrom(...faults), fc.boolean(), fc.nat(5), fc.nat(5), (fault, zero, below, above) => {
      const list = (n: number) => Array.from({ length: n }, (_, id) => ({ ...good, chunkId: BigInt(id + 10) }));
      const versions = [...list(below), { ...good, zero, ...fault }, ...list(above)];
      expect(() => checkChunkList(versions, 2, geometry)).toThrow(expect.objectContaining(refused));
      const policy = { fragmentThreshold: 0, readGapBytes: 0 };
      expect(() => planChunk({ geometry, chunkIndex: 2, versions, length: 48, policy })).toThrow(
        expect.objectContaining(refused),
      );
    }),
    { seed, numRuns: runs(400) },
  );
  expect(() => checkChunkList([good, { ...good, offset: 32, len: 16 }], 2, geometry)).not.toThrow();
  expect(() => checkChunkList([], 2 ** 52, geometry)).toThrow(expect.objectContaining(refused));
});

it('the planner changes nothing that it is given', () => {
  fc.assert(
    fc.property(listCases, policies, (list, policy) => {
      const frozen = list.versions.map((version) => Object.freeze({ ...version }));
      const input = Object.freeze({ ...list, versions: Object.freeze(frozen), policy: Object.freeze(policy) });
      expect(planChunk(input)).toEqual(planChunk(input));
      expect(fileOf(input).lists.get(list.chunkIndex)).toEqual(list.versions);
    }),
    { seed, numRuns: runs(300) },
  );
});
