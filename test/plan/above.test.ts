/**
 * The head of a list that is too long for one commit (docs/adr/0013): what the versions above hide of it is neither read nor
 * merged nor kept, and the file reads the same. Before each plan all objects that nobody sees are taken away, so a plan that
 * asks for one fails. Random lists with random cuts, and every short list of few bytes with every cut.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Extent } from '../../src/model.ts';
import { AboveFinder, type PlanInput, planChunk, replacementList } from '../../src/plan/index.ts';
import { HOLE, ownersOf } from '../kit/oracle/layout.ts';
import { expectedRange, readRange, visibleObjects } from '../kit/oracle/reader.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';
import { budgets, type ListCase, listCases, policies, runs, seedOf } from './arbitrary.ts';
import { MemoryFile } from './memory-file.ts';
import { verifyDecision } from './verify.ts';
import { check, viewOf } from './view.ts';

const seed = seedOf('plan above');
const TIMEOUT = { timeout: runs(120_000) };
const ATTEMPT = 5n << 40n;

/** The head of a list with what is above it, taken in by parts of this size. */
function headOf(list: ListCase, cut: number, partMax: number): Omit<PlanInput, 'policy'> {
  const finder = new AboveFinder(list.chunkIndex, list.geometry);
  for (let from = cut; from < list.versions.length; from += partMax) {
    finder.add(list.versions.slice(from, Math.min(from + partMax, list.versions.length)), from);
  }
  const above = finder.found();
  return { ...list, versions: list.versions.slice(0, cut), ...(above === undefined ? {} : { above }) };
}

type Answer = 'nothing' | 'drops' | 'merges';

/** Plans the head, carries it out and looks at everything; a failure names the case. */
function checkHead(list: ListCase, cut: number, input: PlanInput): Answer {
  try {
    return planHead(list, cut, input);
  } catch (error) {
    const text = list.versions.map(({ offset, len, zero }) => `${offset}+${len}${zero ? ' zero' : ''}`).join(', ');
    const { geometry, length } = list;
    throw new Error(`${text}; ${JSON.stringify({ cut, geometry, length, policy: input.policy })}`, { cause: error });
  }
}

function planHead(list: ListCase, cut: number, input: PlanInput): Answer {
  const { chunkIndex, geometry } = list;
  const lists = new Map([[chunkIndex, list.versions]]);
  const file = new MemoryFile({ fsId: 1, inodeId: 1000n, objectPrefix: 0, lists, ...list });
  const [begin, end] = [chunkIndex * geometry.chunkSize, (chunkIndex + 1) * geometry.chunkSize];
  const expected = expectedRange(file, begin, end);
  const seen = visibleObjects(file, begin, end);
  for (const name of file.objects.keys()) if (!seen.has(name)) file.objects.delete(name);

  const rest = list.versions.slice(cut);
  const plan = verifyDecision(input, ATTEMPT, viewOf(input, rest));
  if (plan === null) return 'nothing';
  const last = rest.at(-1);
  const counted = last === undefined ? undefined : { position: list.versions.length - 1, version: last };
  check(plan.requiredAbove?.position === counted?.position, 'a plan counts on the last version above');
  check(plan.requiredAbove?.version === counted?.version, 'and on what it is');
  file.commit(plan, ATTEMPT);
  const after = readRange(file, begin, end, (name) => file.objects.get(name));
  check(after.equals(expected), `reads ${after.toString('hex')} in place of ${expected.toString('hex')}`);
  if (plan.blocksLeft === 0) {
    const replacement = replacementList(plan, ATTEMPT);
    check(planChunk({ ...input, versions: replacement }).kind === 'nothing', 'a second plan finds nothing');
  }
  return plan.merged.length > 0 ? 'merges' : 'drops';
}

it('I1: the plan of any head keeps every rule, needs no byte that is hidden, and reads the same', TIMEOUT, () => {
  fc.assert(
    fc.property(
      fc.record({ list: listCases, cut: fc.nat(24), partMax: fc.integer({ min: 1, max: 5 }) }),
      policies,
      fc.option(budgets, { nil: undefined }),
      ({ list, cut, partMax }, policy, budget) => {
        const at = Math.min(cut, list.versions.length);
        const input = { ...headOf(list, at, partMax), policy, ...(budget === undefined ? {} : { budget }) };
        checkHead(list, at, input);
      },
    ),
    { seed, numRuns: runs(4000) },
  );
});

const BYTES = 4;
const POLICIES = [
  { fragmentThreshold: 0, readGapBytes: 1 },
  { fragmentThreshold: 0, readGapBytes: 0, bytesPerGet: 3, mergedFirst: true },
];

function versionsAt(place: number, zeros: readonly boolean[]): OracleVersion[] {
  const out: OracleVersion[] = [];
  for (let offset = 0; offset < BYTES; offset++) {
    for (let len = 1; len <= BYTES - offset; len++) {
      // Position decides, not the id.
      const ids = { chunkId: BigInt(9 - place), compaction: BigInt(offset * 10 + len) };
      for (const zero of zeros) out.push({ ...ids, offset, len, size: len, zero });
    }
  }
  return out;
}

function* stacks(height: number, zeros: readonly boolean[], below: OracleVersion[] = []): Generator<OracleVersion[]> {
  if (below.length === height) yield below;
  else for (const one of versionsAt(below.length, zeros)) yield* stacks(height, zeros, [...below, one]);
}

/** Of each list all of `lengths` and policies, or one pair of them, which the lists take in turns. */
it.each([
  { what: '3 versions', height: 3, zeros: [false], blockSizes: [1, 2, 4], lengths: [2, 3, BYTES], all: true },
  {
    what: '3 versions, zero ones too',
    height: 3,
    zeros: [false, true],
    blockSizes: [2],
    lengths: [3, BYTES],
    all: false,
  },
  { what: '4 versions', height: 4, zeros: [false], blockSizes: [2], lengths: [3, BYTES], all: false },
])('I1: every list of $what over 4 bytes, with a head of each size', TIMEOUT, (space) => {
  const { height, blockSizes, all } = space;
  const pairs = space.lengths.flatMap((length) => POLICIES.map((policy) => ({ length, policy })));
  const count = { nothing: 0, drops: 0, merges: 0 };
  let lists = 0;
  for (const versions of stacks(height, space.zeros)) {
    // Out of step with the order of the lists.
    const turn = (lists++ % 7) % pairs.length;
    for (const { length, policy } of all ? pairs : pairs.slice(turn, turn + 1)) {
      for (const blockSize of blockSizes) {
        const list = { geometry: { blockSize, chunkSize: BYTES }, chunkIndex: 0, versions, length };
        for (let cut = 1; cut < height; cut++) count[checkHead(list, cut, { ...headOf(list, cut, 1), policy })]++;
      }
    }
  }
  expect(count.merges).toBeGreaterThan(100);
  expect(count.drops).toBeGreaterThan(1_000);
});

it('what is above comes to the bytes that it covers, in whatever parts; the longest extents where there are too many', () => {
  fc.assert(
    fc.property(listCases, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), (list, partMax, most) => {
      const begin = list.chunkIndex * list.geometry.chunkSize;
      const owners = ownersOf(list.versions, begin, begin + list.geometry.chunkSize);
      const covered = (extents: readonly Extent[]): boolean[] =>
        [...owners.keys()].map((n) =>
          extents.some(({ offset, len }) => n + begin >= offset && n + begin < offset + len),
        );
      const all = headOf(list, 0, partMax).above?.extents ?? [];
      expect(covered(all)).toEqual([...owners].map((owner) => owner !== HOLE));
      for (const [n, extent] of all.entries()) {
        const before = all[n - 1];
        if (before !== undefined) expect(before.offset + before.len).toBeLessThan(extent.offset);
      }
      const finder = new AboveFinder(list.chunkIndex, list.geometry, most);
      finder.add(list.versions, 0);
      const some = finder.found()?.extents ?? [];
      expect(some.length).toBe(Math.min(most, all.length));
      for (const extent of some) expect(all).toContainEqual(extent);
      const shortest = Math.min(...some.map(({ len }) => len));
      for (const extent of all) if (extent.len > shortest) expect(some).toContainEqual(extent);
    }),
    { seed, numRuns: runs(500) },
  );
});

it('a version above that breaks the format is named by its position in the list', () => {
  const finder = new AboveFinder(0, { blockSize: 4, chunkSize: 4 });
  const fine = { chunkId: 1n, compaction: 0n, offset: 0, len: 1, size: 1, zero: false };
  finder.add([fine], 100);
  expect(() => finder.add([fine, { ...fine, len: 5 }], 101)).toThrow(/version 102/);
});

it.each([0, 2])(
  'what is hidden from above is a border that no merge closes, at a storage price of %i',
  (storagePrice) => {
    const written = (chunkId: bigint, offset: number, len: number): OracleVersion => {
      return { chunkId, compaction: 0n, offset, len, size: len, zero: false };
    };
    const list = { geometry: { blockSize: 16, chunkSize: 16 }, chunkIndex: 0, length: 16 };
    const policy = { fragmentThreshold: 0, readGapBytes: 1, bytesPerGet: 12, storagePrice };
    // One object around the hidden byte, alone and beside a large one; and small ones on both sides of it.
    for (const head of [
      [written(1n, 0, 3)],
      [written(1n, 0, 3), written(2n, 3, 13)],
      [written(1n, 0, 1), written(2n, 2, 1)],
    ]) {
      const whole = { ...list, versions: [...head, written(9n, 1, 1)] };
      const answer = checkHead(whole, head.length, { ...headOf(whole, head.length, 1), policy });
      if (storagePrice === 0) expect(answer).toBe('nothing');
    }
    const versions = [written(1n, 12, 1), written(2n, 14, 1), written(3n, 15, 1), written(9n, 13, 1)];
    const decision = planChunk({ ...headOf({ ...list, versions }, 3, 1), policy });
    expect(decision).toMatchObject({
      plan: { merged: [{ offset: 14, len: 2 }], gain: { getsBefore: 3, getsAfter: 2 } },
    });
  },
);

it('a whole block that must go lest something lie under it is no reason to close over what is hidden', () => {
  const written = (chunkId: bigint, offset: number, len: number): OracleVersion => {
    return { chunkId, compaction: 0n, offset, len, size: len, zero: false };
  };
  const versions = [written(0n, 0, 4), written(1n, 0, 1), written(2n, 0, 1), written(3n, 2, 1)];
  const list = { geometry: { blockSize: 16, chunkSize: 32 }, chunkIndex: 0, length: 32, versions };
  const policy = { fragmentThreshold: 0, readGapBytes: 0, bytesPerGet: 24, mergedFirst: true };
  expect(checkHead(list, 3, { ...headOf(list, 3, 1), policy })).toBe('drops');
});
