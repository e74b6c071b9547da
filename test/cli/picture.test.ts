/**
 * Pictures of chunks: golden files (UPDATE_GOLDEN=1 writes them), and what must hold for every picture.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawBeforeAfter, drawChunk, type PictureStyle } from '../../src/cli/picture.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import { type ChunkInput, planChunk, readCost, replacementList } from '../../src/plan/index.ts';
import { gridOf } from '../../src/view/cells.ts';
import { loadCase } from '../kit/cases/load.ts';

const GOLDEN = fileURLToPath(new URL('golden/', import.meta.url));
const KiB = 1024;
const MiB = 1024 * KiB;

function golden(name: string, text: string): void {
  const path = `${GOLDEN}${name}.txt`;
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(GOLDEN, { recursive: true });
    writeFileSync(path, `${text}\n`);
  }
  expect(`${text}\n`).toBe(readFileSync(path, 'utf8'));
}

const version = (chunkId: number, offset: number, len: number, more: Partial<S3ChunkInfo> = {}): S3ChunkInfo => ({
  chunkId: BigInt(chunkId),
  compaction: 0n,
  offset,
  len,
  size: len,
  zero: false,
  ...more,
});

/** A database file: one large version, many small overwrites in two blocks, some large ones, a zero version, a tail. */
function overwritten(): ChunkInput {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const small = Array.from({ length: 120 }, (_, n) =>
    version(1002 + n, 4 * MiB + random(500) * 16 * KiB, 16 * KiB + random(4) * 64 * KiB),
  );
  return {
    geometry: { blockSize: 4 * MiB, chunkSize: 64 * MiB },
    chunkIndex: 0,
    length: 50 * MiB,
    versions: [
      version(1001, 0, 40 * MiB),
      ...small,
      version(1200, 20 * MiB, 3 * MiB),
      version(1201, 25 * MiB, MiB / 2),
      version(1202, 28 * MiB, 4 * MiB, { zero: true }),
      version(1203, 44 * MiB, 2 * MiB),
      version(1204, 36 * MiB, 4 * MiB),
    ],
  };
}

function compacted(chunk: ChunkInput, attempt = 1n << 60n): ChunkInput {
  const decision = planChunk({ ...chunk, policy: { fragmentThreshold: 1, readGapBytes: 64 * KiB } });
  if (decision.kind !== 'plan') throw new Error(`no plan but ${decision.kind}`);
  return { ...chunk, versions: replacementList(decision.plan, attempt) };
}

function chunkOfCase(name: string, chunkIndex: number): ChunkInput {
  const { geometry, length, lists } = loadCase(name);
  return { geometry, length, chunkIndex, versions: lists.get(chunkIndex) ?? [] };
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
const plain = (text: string) => text.replaceAll(ESCAPES, '');

describe('golden files', () => {
  it('a chunk as it is', () => golden('chunk', drawChunk(overwritten())));
  it('a chunk as it is, on an ASCII terminal of 60 columns', () =>
    golden('chunk-ascii', drawChunk(overwritten(), { ascii: true, width: 60 })));
  it('before and after', () => golden('before-after', drawBeforeAfter(overwritten(), compacted(overwritten()))));
  it('before and after, 120 columns', () =>
    golden('before-after-wide', drawBeforeAfter(overwritten(), compacted(overwritten()), { width: 120 })));

  it('a chunk compacted before and written to again', () => {
    const once = compacted(overwritten());
    const again = {
      ...once,
      versions: [...once.versions, version(1300, 5 * MiB, 300 * KiB), version(1301, 13 * MiB, MiB)],
    };
    golden('before-after-again', drawBeforeAfter(again, compacted(again, 1n << 61n)));
  });

  it('a chunk of 256 blocks: several to a row', () => {
    const chunk = { ...overwritten(), geometry: { blockSize: 4 * MiB, chunkSize: 1024 * MiB } };
    golden('chunk-large', drawChunk(chunk));
  });

  it('a tiny chunk: a cell is never less than a byte', () => {
    const versions = [version(1, 0, 40), version(2, 10, 20), version(3, 12, 3, { zero: true }), version(4, 36, 8)];
    golden(
      'chunk-tiny',
      drawChunk({ geometry: { blockSize: 16, chunkSize: 64 }, chunkIndex: 0, length: 50, versions }),
    );
  });

  it('an empty list', () => {
    golden('chunk-empty', drawChunk({ ...overwritten(), versions: [] }));
  });

  it.each(['postgres-heap', 'ext4-image.zero', 'zip-grow'])('the real file %s', (name) => {
    const chunk = chunkOfCase(name, name === 'zip-grow' ? 0 : 1);
    golden(`case-${name}`, drawBeforeAfter(chunk, compacted(chunk)));
  });
});

/** Random stacks over a chunk of 4 blocks of 16 bytes, with zero versions, merged versions and any length. */
const chunks: fc.Arbitrary<ChunkInput> = fc
  .record({
    chunkIndex: fc.nat(2),
    length: fc.nat(200),
    rows: fc.array(fc.tuple(fc.nat(63), fc.integer({ min: 1, max: 64 }), fc.boolean(), fc.nat(3)), { maxLength: 60 }),
  })
  .map(({ chunkIndex, length, rows }) => ({
    geometry: { blockSize: 16, chunkSize: 64 },
    chunkIndex,
    length,
    versions: rows.map(([offset, len, zero, merged], n) =>
      version(n + 1, chunkIndex * 64 + offset, Math.min(len, 64 - offset), {
        zero: zero && merged === 0,
        compaction: merged === 1 ? 7n : 0n,
      }),
    ),
  }));

const styles: fc.Arbitrary<PictureStyle> = fc.record({
  width: fc.integer({ min: 48, max: 160 }),
  rowsMax: fc.integer({ min: 1, max: 6 }),
  ascii: fc.boolean(),
});

describe('every picture', () => {
  it('is within its width and 60 lines, has no colours unless asked, and the same text with colours', () => {
    fc.assert(
      fc.property(chunks, styles, (chunk, style) => {
        const after = { ...chunk, versions: chunk.versions.slice(1) };
        for (const draw of [
          (s: PictureStyle) => drawChunk(chunk, s),
          (s: PictureStyle) => drawBeforeAfter(chunk, after, s),
        ]) {
          const text = draw(style);
          const lines = text.split('\n');
          // The title is a sentence; only the grid and the legend are measured.
          for (const line of lines.slice(1)) expect([...line].length, line).toBeLessThanOrEqual(style.width ?? 80);
          expect(lines.length).toBeLessThanOrEqual(60);
          expect(plain(draw({ ...style, color: true }))).toBe(text);
          expect(text).not.toContain(String.fromCharCode(27));
          if (style.ascii) expect([...text].every((sign) => sign <= '~')).toBe(true);
        }
      }),
    );
  });

  it('shows at every byte the version that is read there, and the GETs of readCost', () => {
    fc.assert(
      fc.property(chunks, (chunk) => {
        // 16 cells of one byte: no cell can be mixed.
        const grid = gridOf(chunk, { rowsMax: 4, cellsMax: 16 });
        expect(grid.gets).toBe(readCost(chunk).gets);
        const cells = grid.rows.flatMap((row) => row.cells);
        const begin = chunk.chunkIndex * 64;
        for (const [n, cell] of cells.entries()) {
          const offset = begin + n;
          const top = chunk.versions.findLast((one) => one.offset <= offset && offset < one.offset + one.len);
          if (offset >= chunk.length) expect(cell).toEqual({ kind: 'beyond' });
          else if (top === undefined) expect(cell).toEqual({ kind: 'hole' });
          else if (top.zero) expect(cell).toEqual({ kind: 'zero' });
          else expect(cell).toEqual({ kind: 'version', version: top });
        }
      }),
    );
  });

  it('gives a version that is kept the same letter on both sides', () => {
    const text = drawBeforeAfter(overwritten(), compacted(overwritten()));
    const row = text.split('\n').find((line) => line.startsWith('    9 '));
    expect(row).toMatch(/│(.)\1+│ +1 = │\1+│ +1/);
  });

  it('of 100,000 versions is drawn in bounded space', () => {
    const versions = Array.from({ length: 100_000 }, (_, n) => version(n, (n * 7919 * 640) % (64 * MiB - 640), 640));
    const chunk = { ...overwritten(), versions };
    const lines = drawChunk(chunk).split('\n');
    expect(lines.length).toBeLessThan(60);
    expect(lines.join('\n')).toContain('▓');
  });
});
