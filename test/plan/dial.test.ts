/**
 * What the dial does, by examples that can be checked by eye: small neighbours become one object and large ones stay, a
 * merged version lies above what reaches under it, a log is merged in tiers, and no list stays long whatever the dial says.
 */
import { describe, expect, it } from 'vitest';
import type { PlanPolicy, S3ChunkInfo } from '../../src/model.ts';
import { movedBytes, planChunk, readCost, replacementList } from '../../src/plan/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GEOMETRY = { blockSize: 4 * MIB, chunkSize: 64 * MIB };
const POLICY: PlanPolicy = { fragmentThreshold: 1, readGapBytes: 0, bytesPerGet: 768 * KIB };

/** Versions by offset and length in KiB, oldest first. */
function listOf(extents: readonly (readonly [offset: number, len: number])[]): S3ChunkInfo[] {
  return extents.map(([offset, len], n) => ({
    chunkId: BigInt(n + 1),
    compaction: 0n,
    offset: offset * KIB,
    len: len * KIB,
    size: len * KIB,
    zero: false,
  }));
}

function plan(versions: readonly S3ChunkInfo[], policy = POLICY) {
  const input = { geometry: GEOMETRY, chunkIndex: 0, length: GEOMETRY.chunkSize, versions, policy };
  const decision = planChunk(input);
  if (decision.kind !== 'plan') return null;
  const after = { ...input, versions: replacementList(decision.plan, 1n << 40n) };
  expect(planChunk(after).kind).toBe('nothing');
  return { ...decision.plan, after };
}

/** `B` for a version as it was by its chunkId, `m` for a merged one, with its extent in KiB. */
function drawn(versions: readonly S3ChunkInfo[]): string {
  return versions
    .map(({ chunkId, compaction, offset, len }) => {
      return `${compaction === 0n ? chunkId : 'm'}[${offset / KIB}, ${(offset + len) / KIB})`;
    })
    .join(' ');
}

describe('pages in the corner of a block', () => {
  const versions = listOf([[0, 4096], ...Array.from({ length: 8 }, (_, n) => [1024 + 16 * n, 4] as const)]);

  it('become one object that lies above the block, which stays whole under it', () => {
    const made = plan(versions);
    expect(drawn(made?.after.versions ?? [])).toBe('1[0, 4096) m[1024, 1140)');
    expect(made?.gain).toMatchObject({ getsBefore: 17, getsAfter: 3 });
    expect(movedBytes(made?.cost ?? { readRequests: 0, readBytes: 0, writeRequests: 0, writeBytes: 0 })).toBe(
      2 * 116 * KIB,
    );
  });

  it('are left where merged versions may not lie above, because the block does not pay', () => {
    const down = { ...POLICY, bytesPerGet: 256 * KIB };
    expect(plan(versions, down)?.merged).toHaveLength(1);
    expect(plan(versions, { ...down, mergedFirst: true })).toBeNull();
  });

  it('take the block with them where that pays', () => {
    const made = plan(versions, { ...POLICY, mergedFirst: true });
    expect(drawn(made?.after.versions ?? [])).toBe('m[0, 4096)');
  });

  it('take the block with them when the dial is all the way up', () => {
    expect(drawn(plan(versions, { ...POLICY, bytesPerGet: 64 * MIB })?.after.versions ?? [])).toBe('m[0, 4096)');
  });
});

it('a full block of four pieces that nobody overwrote is merged once; of three, it is left', () => {
  const quarter = [0, 1024, 2048, 3072].map((offset) => [offset, 1024] as const);
  expect(drawn(plan(listOf(quarter))?.after.versions ?? [])).toBe('m[0, 4096)');
  expect(
    plan(
      listOf([
        [0, 1024],
        [1024, 1024],
        [2048, 2048],
      ]),
    ),
  ).toBeNull();
});

it('a log is merged in tiers: few GETs at any time, and each byte moved a few times', () => {
  let versions: S3ChunkInfo[] = [];
  let moved = 0;
  let most = 0;
  const lines = 2000;
  for (let n = 0; n < lines; n++) {
    versions.push({ chunkId: BigInt(n + 1), compaction: 0n, offset: n * KIB, len: KIB, size: KIB, zero: false });
    const input = { geometry: GEOMETRY, chunkIndex: 0, length: (n + 1) * KIB, versions, policy: { ...POLICY } };
    const decision = planChunk(input);
    if (decision.kind === 'plan') {
      moved += movedBytes(decision.plan.cost);
      versions = replacementList(decision.plan, BigInt(n + 1) << 12n);
    }
    most = Math.max(most, readCost({ ...input, versions }).gets);
  }
  expect(most).toBeLessThanOrEqual(14);
  expect(moved / (lines * KIB)).toBeLessThanOrEqual(40);
});

describe('a list never stays long, even with the dial at nothing', () => {
  const pages = (count: number) => Array.from({ length: count }, (_, n) => [((n * 7919) % 16384) * 4, 4] as const);
  const blocks = Array.from({ length: 16 }, (_, n) => [n * 4096, 4096] as const);
  const nothing = { ...POLICY, bytesPerGet: 0 };

  it('6,000 scattered pages leave at most 1,000 pieces and versions', () => {
    const made = plan(listOf([...blocks, ...pages(6000)]), nothing);
    expect(made?.gain.versionsBefore).toBe(6016);
    expect(made?.gain.getsAfter).toBeLessThanOrEqual(1000);
    expect(made?.gain.versionsAfter).toBeLessThanOrEqual(1000);
  });

  it('400 are left as they are', () => {
    expect(plan(listOf([...blocks, ...pages(400)]), nothing)).toBeNull();
  });
});
