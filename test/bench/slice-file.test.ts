/**
 * Lives in JuiceFS's geometry (bench/lifecycle/slice-file.ts): a write is a slice of its own, a truncate writes zeros, clients compact
 * by their triggers and write holes out, and what we move is told apart from what they move. Counts only.
 */
import { describe, expect, it } from 'vitest';
import type { Life, LifeEvent } from '../../bench/lifecycle/life.ts';
import { clientOnRead, clientOnWrite, oursOnSlices, SliceFile } from '../../bench/lifecycle/slice-file.ts';
import { sliceRow, sliceWorkers } from '../../bench/lifecycle/slice-report.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import { movedBytes } from '../../src/plan/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = 64 * MIB;
const GEOMETRY = { blockSize: 4 * MIB, chunkSize: CHUNK };

const written = (offset: number, len: number): S3ChunkInfo => {
  return { chunkId: 1n, compaction: 0n, offset, len, size: len, zero: false };
};

function fileOf(writes: readonly (readonly [offset: number, len: number])[]): SliceFile {
  const file = new SliceFile(GEOMETRY);
  for (const [offset, len] of writes) file.append(Math.floor(offset / CHUNK), written(offset, len));
  return file;
}

const pieces = (count: number, bytes: number, apart = bytes) =>
  Array.from({ length: count }, (_, n) => [n * apart, bytes] as const);

describe('a file of slices', () => {
  it('is read by one GET for each block of each slice, and keeps what is hidden', () => {
    const file = fileOf([
      [0, 9 * MIB],
      [MIB, 10 * KIB],
      [CHUNK, KIB],
    ]);
    expect(file.look()).toEqual({ gets: 5, storedBytes: 9 * MIB + 11 * KIB, dataBytes: 9 * MIB + KIB });
  });

  it('becomes one slice by the client that reads its fifth record, holes written out', () => {
    const four = fileOf(pieces(4, 10 * KIB));
    expect(four.compact(0, clientOnRead)).toBe(false);
    const five = fileOf(pieces(5, 10 * KIB, MIB));
    expect(five.compact(0, clientOnRead)).toBe(true);
    const size = 4 * MIB + 10 * KIB;
    expect(five.costs.client).toEqual({ readRequests: 5, readBytes: 50 * KIB, writeRequests: 2, writeBytes: size });
    expect(five.look()).toEqual({ gets: 2, storedBytes: size, dataBytes: size });
    expect(five.compact(0, clientOnRead)).toBe(false);
  });

  it('is compacted by the client that writes its hundredth record but one, large leading slices left alone', () => {
    const file = fileOf([[0, 8 * MIB], ...pieces(97, KIB).map(([at, len]) => [8 * MIB + at, len] as const)]);
    expect(file.compact(0, clientOnWrite)).toBe(false);
    file.append(0, written(8 * MIB + 97 * KIB, KIB));
    expect(file.compact(0, clientOnWrite)).toBe(true);
    expect(file.costs.client.writeBytes).toBe(98 * KIB);
    expect(file.look()).toMatchObject({ gets: 3, dataBytes: 8 * MIB + 98 * KIB });
  });

  it('has zeros where it was cut and grew again, and none where a write made it longer', () => {
    const file = fileOf([[0, 10 * MIB]]);
    expect(file.setLength(10 * MIB)).toEqual([]);
    expect(file.setLength(MIB)).toEqual([0]);
    expect(file.setLength(CHUNK + MIB)).toEqual([0, 1]);
    expect(file.look()).toMatchObject({ gets: 1, storedBytes: 10 * MIB, dataBytes: MIB });
    file.append(1, written(CHUNK, 2 * MIB));
    expect(file.look()).toMatchObject({ gets: 2, dataBytes: 3 * MIB });
  });

  it('is compacted by our planner, which writes no hole, and that is counted apart', () => {
    const rule = oursOnSlices(() => ({ fragmentThreshold: 4, bytesPerGet: 768 * KIB, storagePrice: 2 }));
    const file = fileOf([...pieces(5, 10 * KIB), ...pieces(5, 10 * KIB).map(([at, len]) => [at + MIB, len] as const)]);
    expect(file.compact(0, rule)).toBe(true);
    expect(movedBytes(file.costs.ours)).toBe(2 * 100 * KIB);
    expect(file.costs.client.writeBytes).toBe(0);
    expect(file.look()).toEqual({ gets: 2, storedBytes: 100 * KIB, dataBytes: 100 * KIB });
    expect(file.compact(0, rule)).toBe(false);
  });
});

it('over a life, by both clocks, clients that may not compact leave more to read', () => {
  const events = Array.from({ length: 20 }, (_, n): readonly LifeEvent[] => [
    { kind: 'append', chunkIndex: 0, version: written(n * 10 * KIB, 10 * KIB) },
    { kind: 'length', length: (n + 1) * 10 * KIB },
    { kind: 'flush', ms: n * 60_000 },
  ]).flat();
  const life: Life = { name: 'log', geometry: GEOMETRY, events };
  const rows = (clock: Parameters<typeof sliceRow>[2]) =>
    Object.fromEntries(sliceWorkers().map((worker) => [worker.name, sliceRow(life, worker, clock)]));
  const atFlushes = rows(undefined);
  // 1 to 20 records, one more with each flush.
  expect(atFlushes['nobody compacts']?.gets).toBe(10.5);
  // 1 to 5 records, and once there are five all become one.
  expect(atFlushes['clients']?.gets).toBeCloseTo((15 + 15 * 3.5) / 20, 0);
  const inTime = rows({ readsPerHour: 60, passMs: 60_000 });
  const { clients, ...others } = inTime;
  expect(clients?.ours.writeBytes).toBe(0);
  expect(others['clients, readers read-only']?.gets).toBe(inTime['nobody compacts']?.gets);
  expect(others['clients and s3compact, readers read-only']?.client.writeBytes).toBe(0);
  expect(others['clients and s3compact, readers read-only']?.gets).toBeLessThan(5);
});
