/**
 * The facts re-expressed from CurveFS's own unit tests, and the traps its compactor falls into (`test/kit/cases/vectors.json`).
 * Small enough to check by eye; everything larger is in the other files of this directory.
 */
import { describe, expect, it } from 'vitest';
import { objectName } from '../../src/format.ts';
import { type PlanInput, planChunk, replacementList, validRanges } from '../../src/plan/index.ts';
import { loadVectors, versionsOf } from '../kit/cases/load.ts';
import { expectedFile } from '../kit/oracle/reader.ts';
import type { FileState, OracleVersion } from '../kit/oracle/types.ts';
import { MemoryFile } from './memory-file.ts';
import { type Plan, verifyDecision, verifyFigures } from './verify.ts';
import { KEY } from './view.ts';

const vectors = loadVectors();
const ATTEMPT = 77n << 12n;
/** Everything that can be planned is: the traps are about what is done, not about when. */
const POLICY = { fragmentThreshold: 0, readGapBytes: 0 };

function stateOf(
  vector: { blockSize: number; chunkSize: number; length: number },
  lists: FileState['lists'],
): FileState {
  const { blockSize, chunkSize, length } = vector;
  return { ...KEY, geometry: { blockSize, chunkSize }, length, lists };
}

/** Compacts every chunk, checks all rules and that the file reads as the content rule says; returns the plans. */
function compactAll(state: FileState): { file: MemoryFile; plans: Plan[] } {
  const file = new MemoryFile(state);
  const plans: Plan[] = [];
  for (const [chunkIndex] of state.lists) {
    const input = file.planInput(chunkIndex, { policy: POLICY });
    const plan = verifyDecision(input, ATTEMPT);
    if (plan === null) continue;
    verifyFigures(input, plan, ATTEMPT);
    file.commit(plan, ATTEMPT);
    plans.push(plan);
    expect(planChunk(file.planInput(chunkIndex, { policy: POLICY })).kind).toBe('nothing');
  }
  expect(file.read()).toEqual(expectedFile(state));
  return { file, plans };
}

function trap(words: string) {
  const found = vectors.traps.find(({ why }) => why.includes(words));
  if (found === undefined) throw new Error(`no trap about "${words}"`);
  const rows = found.chunks ?? { 0: found.in ?? [] };
  const lists = new Map(
    Object.entries(rows).map(([index, list]): [number, OracleVersion[]] => [Number(index), versionsOf(list)]),
  );
  return compactAll(stateOf(found, lists));
}

it.each(vectors.objectNames)('the object name $name', ({ fsId, inodeId, objectPrefix, name, ...object }) => {
  const { chunkId, blockIndex, compaction } = object;
  const id = { chunkId: BigInt(chunkId), blockIndex, compaction: BigInt(compaction) };
  expect(objectName({ fsId, inodeId: BigInt(inodeId) }, id, objectPrefix)).toBe(name);
});

describe('valid ranges', () => {
  const { chunkSize, length, chunkIndex, cases } = vectors.validRanges;
  const window = { begin: chunkIndex * chunkSize, end: Math.min((chunkIndex + 1) * chunkSize, length) };

  it.each(cases)('of $in are $out', ({ in: rows, out }) => {
    const versions = versionsOf(rows);
    const ranges = validRanges(versions, window);
    expect(ranges.map(({ begin, end, version }) => [begin, end, Number(versions[version]?.chunkId)])).toEqual(out);
  });

  it('beyond the length there are none, and the chunk is emptied without moving a byte', () => {
    const { in: rows, out, ...rest } = vectors.beyondLength;
    const versions = versionsOf(rows);
    const begin = rest.chunkIndex * rest.chunkSize;
    expect(validRanges(versions, { begin, end: Math.min(begin + rest.chunkSize, rest.length) })).toEqual(out);
    const input: PlanInput = {
      geometry: { blockSize: 4194304, chunkSize: rest.chunkSize },
      chunkIndex: rest.chunkIndex,
      versions,
      length: rest.length,
      policy: { fragmentThreshold: 20, readGapBytes: 0 },
    };
    const plan = verifyDecision(input, ATTEMPT);
    expect(plan && replacementList(plan, ATTEMPT)).toEqual([]);
    expect(plan?.requiredLength).toBe(rest.length);
  });
});

it('CurveFS rewrites all 60 bytes where three blocks of 4 are enough', () => {
  const { in: rows, ...vector } = vectors.wholeChunk;
  const { file, plans } = compactAll(stateOf(vector, new Map([[0, versionsOf(rows)]])));
  expect(file.read()).toHaveLength(60);
  const [plan] = plans;
  // Shared: [16,20) by ids 16 to 19, [20,24) by 20 and 21, [24,28) by 21 and 6. The other 12 blocks stay.
  expect(plan?.merged).toMatchObject([{ offset: 16, len: 12 }]);
  expect(plan?.cost.writeBytes).toBe(12);
  expect(plan?.gain).toMatchObject({ versionsBefore: 22, versionsAfter: 13 });
});

describe('traps', () => {
  it('a hole after a zero version stays a hole', () => {
    const { file, plans } = trap('a hole after a zero version');
    expect(plans.flatMap(({ merged }) => merged)).toEqual([]);
    expect([...file.objects.keys()]).toEqual(['1_1000_2_0_0']);
    expect(file.lists.get(0)).toMatchObject([{ chunkId: 2n, offset: 20, len: 10 }]);
  });

  it('all-zero chunks of one inode make no objects', () => {
    const { file } = trap('all-zero chunks');
    expect(file.objects.size).toBe(0);
    expect(file.lists.size).toBe(0);
  });

  it('length 0 makes everything reclaimable', () => {
    const { file, plans } = trap('length 0');
    expect(plans).toMatchObject([{ kept: [], merged: [], requiredLength: 0, cost: { writeBytes: 0 } }]);
    expect(file.objects.size).toBe(0);
  });

  it('an id above 2^53 survives', () => {
    const { file } = trap('above 2^53');
    // Block 0 is read from the lower id and block 1 from the higher one: nothing is shared, so both stay.
    expect([...file.objects.keys()].sort()).toEqual(['1_1000_18446744073709551615_1_0', '1_1000_9007199254740993_0_0']);
    expect(file.lists.get(0)?.map(({ chunkId }) => chunkId)).toEqual([9007199254740993n, 18446744073709551615n]);
  });

  it('position decides, not the id', () => {
    const { plans } = trap('position decides');
    expect(plans).toMatchObject([{ mergedChunkId: 5n, merged: [{ offset: 0, len: 8 }] }]);
  });

  it('all traps are named here', () => {
    expect(vectors.traps).toHaveLength(5);
  });
});
