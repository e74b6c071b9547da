/**
 * What a plan leaves in the bucket, counted in the bytes of the objects themselves, on the states of real files at the end
 * and half way: never more than before, at most 1.10 times what a reader sees or a plan that says why, the planner's own
 * figures true, and nothing left to do for a second plan.
 */
import { describe, expect, it } from 'vitest';
import type { ChunkBudget, PlanPolicy, S3ChunkInfo } from '../../src/model.ts';
import { planChunk, readCost, replacementList } from '../../src/plan/index.ts';
import { caseNames, loadCase } from '../kit/cases/load.ts';
import { expectedFile } from '../kit/oracle/reader.ts';
import { MemoryFile } from './memory-file.ts';
import { viewOf } from './view.ts';

/** The default settings, divided by 1024 as the cases are. */
const DEFAULTS: PlanPolicy = { fragmentThreshold: 4, readGapBytes: 64, bytesPerGet: 768, storagePrice: 2 };
const WASTE_MAX = 1.1;

function storedIn(file: MemoryFile): number {
  let bytes = 0;
  for (const body of file.objects.values()) bytes += body.length;
  return bytes;
}

/** Bytes that a reader sees and that come from an object. */
function visibleIn(file: MemoryFile, policy: PlanPolicy): number {
  let bytes = 0;
  for (const chunkIndex of file.lists.keys()) {
    const input = file.planInput(chunkIndex, { policy });
    for (const owner of viewOf(input).owners) if (input.versions[owner]?.zero === false) bytes++;
  }
  return bytes;
}

/** Compacts the whole file once. */
function compacted(file: MemoryFile, policy: PlanPolicy): void {
  let attempt = 1n << 40n;
  for (const chunkIndex of [...file.lists.keys()]) {
    const input = file.planInput(chunkIndex, { policy });
    const decision = planChunk(input);
    if (decision.kind !== 'plan') continue;
    attempt += 4096n;
    const before = storedIn(file);
    file.commit(decision.plan, attempt);
    const { gain } = decision.plan;
    expect(storedIn(file) - before, 'the gain that the plan tells').toBe(
      gain.storedBytesAfter - gain.storedBytesBefore,
    );
    const again = file.planInput(chunkIndex, { policy });
    expect(readCost(again).storedBytes, 'the stored bytes that the lists tell').toBe(gain.storedBytesAfter);
    expect(planChunk(again).kind, 'a second plan').toBe('nothing');
  }
}

describe.each([
  ['by default', DEFAULTS],
  ['where merged versions lie first', { ...DEFAULTS, mergedFirst: true }],
  ['with the dial all the way up', { ...DEFAULTS, bytesPerGet: 64 * 1024 }],
])('%s', (_, policy: PlanPolicy) => {
  it.each(caseNames())('%s takes no more room than before, and at most 1.10 times what is seen', (name) => {
    const original = loadCase(name);
    const file = new MemoryFile(original);
    const before = storedIn(file);
    const visible = visibleIn(file, policy);
    compacted(file, policy);
    expect(storedIn(file)).toBeLessThanOrEqual(before);
    expect(storedIn(file)).toBeLessThanOrEqual(WASTE_MAX * visible);
    expect(file.read().equals(expectedFile(original))).toBe(true);
  });
});

describe('examples', () => {
  const KIB = 1024;
  const GEOMETRY = { blockSize: 4096 * KIB, chunkSize: 65536 * KIB };
  const POLICY: PlanPolicy = { fragmentThreshold: 4, readGapBytes: 64 * KIB, bytesPerGet: 768 * KIB, storagePrice: 2 };
  /** Merged above the block that they lie on they are 116 KiB, of which 84 are copies. */
  const pages = (block: number, count: number) =>
    Array.from({ length: count }, (_, n) => [block * 4096 + 1024 + 16 * n, 4] as const);

  function decide(extents: readonly (readonly [offset: number, len: number])[], budget?: ChunkBudget) {
    const versions = extents.map(([offset, len], n): S3ChunkInfo => {
      return {
        chunkId: BigInt(n + 1),
        compaction: 0n,
        offset: offset * KIB,
        len: len * KIB,
        size: len * KIB,
        zero: false,
      };
    });
    const rest = { geometry: GEOMETRY, chunkIndex: 0, length: GEOMETRY.chunkSize, policy: POLICY };
    const decision = planChunk({ ...rest, versions, ...(budget === undefined ? {} : { budget }) });
    if (decision.kind !== 'plan') return decision.kind;
    const after = replacementList(decision.plan, 1n << 40n).map(({ offset, len, compaction }) => {
      return `${compaction === 0n ? 'old' : 'new'}[${offset / KIB}, ${(offset + len) / KIB})`;
    });
    const { storedBytesBefore, storedBytesAfter } = decision.plan.gain;
    return { after: after.join(' '), growthKiB: (storedBytesAfter - storedBytesBefore) / KIB };
  }

  it('pages on a block take the block with them, since merged above it they would be stored twice', () => {
    expect(decide([[0, 4096], ...pages(0, 8)])).toEqual({ after: 'new[0, 4096)', growthKiB: -32 });
  });

  it('or wait where the block does not pay for that', () => {
    expect(decide([[0, 4096], ...pages(0, 4)])).toBe('nothing');
  });

  it('or are merged above it, where something else makes room', () => {
    const dead = [
      [4096, 4096],
      [4096, 4096],
    ] as const;
    expect(decide([[0, 4096], ...dead, ...pages(0, 8)])).toEqual({
      after: 'old[0, 4096) old[4096, 8192) new[1024, 1140)',
      growthKiB: -4096 - 32 + 116,
    });
  });

  it('an object of which nobody reads the most is rewritten, alone in its block or not', () => {
    // Twelve bytes in thirteen of the first are hidden; nothing is saved but bytes.
    expect(
      decide([
        [0, 4096],
        [300, 3796],
      ]),
    ).toEqual({ after: 'new[0, 300) old[300, 4096)', growthKiB: -3796 });
  });

  it('a hole is filled up to the gap of a read, and only where something makes room', () => {
    const apart = (hole: number) => [0, 1, 2, 3].map((n) => [n * (64 + hole), 64] as const);
    const dead = [
      [4096, 1024],
      [4096, 1024],
    ] as const;
    const filled = { after: 'new[0, 352) old[4096, 5120)', growthKiB: 96 - 1024 };
    expect(decide([...apart(32), ...dead])).toEqual(filled);
    expect(decide([...apart(65), ...dead])).toMatchObject({ growthKiB: -1024 });
    expect(decide([...apart(32), [4096, 1024]])).toBe('nothing');
  });

  it('under a budget a block does not grow on the room that another one would have made', () => {
    const extents = [[4096, 4096], [4696, 3496], [0, 4096], ...pages(0, 8)] as const;
    const budget = { bytes: 500 * KIB, requests: 1000, mergedVersions: 2048 };
    expect(decide(extents)).toMatchObject({ growthKiB: -3496 - 32 + 116 });
    expect(decide(extents, budget)).toBe('overBudget');
    expect(decide(extents, { ...budget, bytes: 1500 * KIB })).toMatchObject({ growthKiB: -3496 - 32 + 116 });
  });

  it.each([1_500, 17_000])(
    'a list that %i small holes keep long is brought down all the same, and the plan says so',
    (count) => {
      const step = Math.floor(GEOMETRY.chunkSize / count);
      const versions = Array.from({ length: count }, (_, n): S3ChunkInfo => {
        return { chunkId: BigInt(n + 1), compaction: 0n, offset: n * step, len: 2 * KIB, size: 2 * KIB, zero: false };
      });
      const rest = { geometry: GEOMETRY, chunkIndex: 0, length: GEOMETRY.chunkSize, policy: POLICY };
      const decision = planChunk({ ...rest, versions });
      if (decision.kind !== 'plan') return expect.fail(decision.kind);
      expect(decision.plan.gain.getsAfter).toBe(16);
      expect(decision.plan.waste?.why).toBe('list');
      expect(planChunk({ ...rest, versions: replacementList(decision.plan, 1n << 40n) }).kind).toBe('nothing');
    },
  );
});
