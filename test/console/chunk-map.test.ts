/** The SVG maps: the same model as the pictures in a terminal, bounded whatever the list, and escaped. */
import { describe, expect, it } from 'vitest';
import { chunkMaps, MAP_LIMITS } from '../../src/console/chunk-map.ts';
import { overview } from '../../src/console/overview.ts';
import type { Filesystem, S3ChunkInfo } from '../../src/model.ts';
import { type ChunkInput, planChunk } from '../../src/plan/index.ts';
import { gridOf } from '../../src/view/cells.ts';
import { chunkAfter } from '../../src/view/plan-steps.ts';
import { loadCase } from '../kit/cases/load.ts';

const MiB = 1024 * 1024;
const FILESYSTEM: Filesystem = {
  fsId: 1,
  uuid: 'u',
  name: 'n',
  bucket: 'b',
  objectPrefix: 0,
  blockSize: 4 * MiB,
  chunkSize: 64 * MiB,
};
const KEY = { fsId: 1, inodeId: 7n };
const POLICY = { fragmentThreshold: 3, readGapBytes: 65_536, bytesPerGet: 4 * MiB };

function version(chunkId: number, offset: number, len: number): S3ChunkInfo {
  return { chunkId: BigInt(chunkId), compaction: 0n, offset, len, size: len, zero: false };
}

function chunkOf(versions: readonly S3ChunkInfo[]): ChunkInput {
  return { geometry: FILESYSTEM, chunkIndex: 0, length: 64 * MiB, versions };
}

async function drawn(before: ChunkInput, after?: ChunkInput): Promise<string> {
  return String(
    await chunkMaps({ key: KEY, filesystem: FILESYSTEM, before, ...(after === undefined ? {} : { after }) }),
  );
}

const rects = (text: string) => text.match(/<rect /g)?.length ?? 0;

describe('a chunk as a map', () => {
  it('a single version is one rectangle to a row, with version, range and object in its title', async () => {
    const text = await drawn(chunkOf([version(9, 0, 4 * MiB)]));
    expect(text).toContain('<title>version 9, bytes 0 to 4,194,304, object 1_7_9_0_0</title>');
    // Its own block, and one folded row of holes.
    expect(rects(text)).toBe(2);
  });

  it('says the GETs of the grid that the terminal shows, before and after', async () => {
    const { geometry, length, lists } = loadCase('postgres-heap');
    const before = { geometry, length, chunkIndex: 1, versions: lists.get(1) ?? [] };
    const decision = planChunk({ ...before, policy: POLICY });
    if (decision.kind !== 'plan') throw new Error(decision.kind);
    const after = chunkAfter(before, decision.plan);
    const text = await drawn(before, after);
    const gets = (chunk: ChunkInput) => gridOf(chunk, MAP_LIMITS).gets.toLocaleString('en-US');
    expect(text).toContain(`before: a full read takes <strong>${gets(before)} GET`);
    expect(text).toContain(`after: a full read takes <strong>${gets(after)} GET`);
    expect(text).toContain('a new merged version');
  });

  it('100,000 versions are no more rectangles than rows times cells', async () => {
    const versions = Array.from({ length: 100_000 }, (_, n) => version(n + 1, (n * 7919 * 64) % (63 * MiB), 600));
    const text = await drawn(chunkOf(versions), chunkOf(versions.slice(0, 50_000)));
    expect(rects(text)).toBeGreaterThan(MAP_LIMITS.rowsMax);
    expect(rects(text)).toBeLessThanOrEqual(2 * MAP_LIMITS.rowsMax * MAP_LIMITS.cellsMax);
  });
});

describe('an overview without a report', () => {
  it('says why, as text', async () => {
    const text = String(await overview({ report: undefined, error: '<b>away</b>', minutes: [] }));
    expect(text).toContain('&lt;b&gt;away&lt;/b&gt;');
  });
});
