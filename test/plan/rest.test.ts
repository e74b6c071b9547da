/**
 * Ages, by examples that can be checked by eye: what was written a moment ago is merged where it costs next to nothing, what
 * is at rest as far as it pays for long, and a second plan finds nothing whatever it was.
 */
import { describe, expect, it } from 'vitest';
import { BUILT_IN } from '../../bench/lifecycle/files.ts';
import { readLives } from '../../bench/lifecycle/life.ts';
import type { PlanPolicy, RestMark, S3ChunkInfo } from '../../src/model.ts';
import { planChunk, replacementList } from '../../src/plan/index.ts';
import { caseNames, loadCase } from '../kit/cases/load.ts';
import { MemoryFile } from './memory-file.ts';

const KIB = 1024;
const GEOMETRY = { blockSize: 4096 * KIB, chunkSize: 65536 * KIB };
const POLICY: PlanPolicy = { fragmentThreshold: 1, readGapBytes: 64 * KIB, bytesPerGet: 768 * KIB, storagePrice: 2 };
/** Above every number in a list. */
const NOW = 9n << 40n;
const OLD_ATTEMPT = 1n << 40n;

/** Oldest first, in KiB; ids from 1. */
function listOf(extents: readonly (readonly [offset: number, len: number])[]): S3ChunkInfo[] {
  return extents.map(([offset, len], n) => {
    const ids = { chunkId: BigInt(n + 1), compaction: 0n };
    return { ...ids, offset: offset * KIB, len: len * KIB, size: len * KIB, zero: false };
  });
}

/** Objects of a full read that a plan saves, and nothing is left for a second one. */
function saved(versions: readonly S3ChunkInfo[], rest?: RestMark, policy = POLICY): number {
  const input = { geometry: GEOMETRY, chunkIndex: 0, length: GEOMETRY.chunkSize, versions };
  const plan = { ...input, policy: rest === undefined ? policy : { ...policy, rest } };
  const decision = planChunk(plan);
  if (decision.kind !== 'plan') return 0;
  expect(planChunk({ ...plan, versions: replacementList(decision.plan, NOW) }).kind, 'a second plan').toBe('nothing');
  return decision.plan.gain.getsBefore - decision.plan.gain.getsAfter;
}

/** A block that was filled in pieces of 512 KiB, then another far away. */
const PIECES = listOf([...Array.from({ length: 5 }, (_, n) => [n * 512, 512] as const), [40_960, 4096]]);
const NEWEST = BigInt(PIECES.length);
const at = (chunkId: bigint): RestMark => ({ chunkId, compaction: OLD_ATTEMPT });

describe('a chunk', () => {
  it('that is at rest is merged where one that was written lately is left; where ages are not known it lies between', () => {
    // Each border costs a MiB or more to take away; growing blocks pay twice the dial.
    expect(saved(PIECES, at(NEWEST))).toBe(4);
    expect(saved(PIECES, at(NEWEST - 1n))).toBe(0);
    expect(saved(PIECES)).toBe(4);
    const dear = { ...POLICY, bytesPerGet: 256 * KIB };
    expect(saved(PIECES, undefined, dear)).toBe(0);
    expect(saved(PIECES, at(NEWEST), dear)).toBe(4);
  });

  it('that was written lately is merged all the same where that costs next to nothing', () => {
    const lines = listOf([...Array.from({ length: 9 }, (_, n) => [n, 1] as const), [40_960, 4096]]);
    expect(saved(lines, at(0n))).toBe(8);
  });

  it('is new while a merged version that is read is of a late attempt, and not for one that nobody reads', () => {
    const merged = (compaction: bigint) => PIECES.map((one, n) => (n === 0 ? { ...one, compaction } : one));
    expect(saved(merged(OLD_ATTEMPT), at(NEWEST))).toBe(4);
    expect(saved(merged(OLD_ATTEMPT + 1n), at(NEWEST))).toBe(0);
    const hidden = listOf([[0, 4], ...PIECES.map(({ offset, len }) => [offset / KIB, len / KIB] as const)]);
    const late = hidden.map((one, n) => (n === 0 ? { ...one, chunkId: 99n } : one));
    expect(saved(late, at(NEWEST + 1n))).toBe(4);
  });

  it.each([0, GEOMETRY.chunkSize])('is planned as ever with a dial of %i', (bytesPerGet) => {
    const policy = { ...POLICY, bytesPerGet };
    expect(saved(PIECES, at(0n), policy)).toBe(saved(PIECES, undefined, policy));
    expect(saved(PIECES, at(NEWEST), policy)).toBe(saved(PIECES, undefined, policy));
  });

  it('is planned as ever where stored bytes cost nothing', () => {
    const policy = { ...POLICY, storagePrice: 0 };
    expect(saved(PIECES, at(0n), policy)).toBe(4);
  });
});

describe('states of real files', () => {
  /** As the cases are, divided by 1024. */
  const small: PlanPolicy = { fragmentThreshold: 4, readGapBytes: 64, bytesPerGet: 768, storagePrice: 2 };

  it('at rest the lower price is asked, too: where nothing may grow it finds what the higher one does not', () => {
    const life = readLives(BUILT_IN).find(({ name }) => name === 'qemu-raw');
    const versions: S3ChunkInfo[] = [];
    let [length, flushes] = [0, 0];
    for (const event of life?.events ?? []) {
      if (event.kind === 'length') length = event.length;
      else if (event.kind === 'append' && event.chunkIndex === 0) versions.push(event.version);
      else if (event.kind === 'flush' && ++flushes === 40) break;
    }
    const policy = { ...POLICY, fragmentThreshold: 4, bytesPerGet: 3072 * KIB, rest: at(1n << 62n) };
    const input = { geometry: GEOMETRY, chunkIndex: 0, length, policy };
    const decision = planChunk({ ...input, versions });
    if (decision.kind !== 'plan') return expect.fail('nothing to plan');
    expect(planChunk({ ...input, versions: replacementList(decision.plan, NOW) }).kind).toBe('nothing');
  });

  it.each(caseNames())('%s: nothing is left for a second plan, new, cooled or at rest', (name) => {
    const file = new MemoryFile(loadCase(name));
    let attempt = OLD_ATTEMPT;
    const stages: readonly RestMark[] = [
      { chunkId: 0n, compaction: 0n },
      { chunkId: 1n << 62n, compaction: OLD_ATTEMPT << 1n },
    ];
    for (const [n, rest] of stages.entries()) {
      // What the stage before merged has come to rest, too.
      attempt = (OLD_ATTEMPT << BigInt(n)) + 1n;
      for (const chunkIndex of file.lists.keys()) {
        const policy = { ...small, rest };
        const decision = planChunk(file.planInput(chunkIndex, { policy }));
        if (decision.kind !== 'plan') continue;
        attempt += 4096n;
        file.commit(decision.plan, attempt);
        expect(planChunk(file.planInput(chunkIndex, { policy })).kind).toBe('nothing');
      }
    }
  });
});
