/** The reap records of a chunk: together they hold every name and every version exactly once, whatever the numbers (I12). */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { recordsOf } from '../../src/compact/chunk-records.ts';
import { printRecord } from '../../src/format.ts';
import { REAP_NAMES_MAX } from '../../src/ledger.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import { ledgerMs } from '../../src/time.ts';

const filesystem = {
  fsId: 1,
  uuid: 'u',
  name: 'f',
  bucket: 'b',
  objectPrefix: 1 as const,
  blockSize: 16,
  chunkSize: 64,
};
const attempt = { id: 4096n, key: { fsId: 1, inodeId: 7n }, incarnation: 'life-1', dueMs: ledgerMs(5) };

function version(n: number): S3ChunkInfo {
  return { chunkId: BigInt(n), compaction: 0n, offset: 0, len: 1, size: 1, zero: n % 2 === 0 };
}

function recordsFor(retired: number, merged: number, versions: number) {
  const names = {
    retired: Array.from({ length: retired }, (_, n) => `r${n}`),
    merged: Array.from({ length: merged }, (_, n) => `m${n}`),
  };
  const replaced = Array.from({ length: versions }, (_, n) => version(n));
  const context = { storeId: 's', filesystem, graceMs: 600_000 };
  const records = recordsOf({ chunkIndex: 3, replaced }, attempt, { ...names, ...context });
  return { names, replaced, records };
}

it.each([
  [REAP_NAMES_MAX - 1, 1, 5],
  [REAP_NAMES_MAX, 1, 5],
  [REAP_NAMES_MAX + 1, 0, 1],
  [3 * REAP_NAMES_MAX, REAP_NAMES_MAX, 100_000],
  [25_001, 1_600, 25_002],
  [0, 1, 12],
])(
  '%d retired and %d merged names, %d versions: none is lost at a seam, none comes twice',
  (retired, merged, versions) => {
    const { names, replaced, records } = recordsFor(retired, merged, versions);
    expect(records.flatMap((record) => record.retired)).toEqual(names.retired);
    expect(records.flatMap((record) => record.merged)).toEqual(names.merged);
    expect(records.flatMap((record) => record.replaced)).toEqual(replaced.map(printRecord));
    expect(records.length).toBe(Math.ceil((retired + merged) / REAP_NAMES_MAX));
  },
);

it('any numbers: whole, bounded, and each record says whose it is and what it was made by', () => {
  const count = fc.integer({ min: 0, max: 3 * REAP_NAMES_MAX + 1 });
  fc.assert(
    fc.property(count, count, fc.integer({ min: 1, max: 30_000 }), (retired, merged, versions) => {
      const { records, names, replaced } = recordsFor(retired, merged, versions);
      expect(records.reduce((sum, record) => sum + record.retired.length, 0)).toBe(names.retired.length);
      expect(records.reduce((sum, record) => sum + record.merged.length, 0)).toBe(names.merged.length);
      if (records.length > 0) {
        expect(records.reduce((sum, record) => sum + (record.replaced?.length ?? 0), 0)).toBe(replaced.length);
      }
      for (const record of records) {
        expect(record.retired.length + record.merged.length).toBeLessThanOrEqual(REAP_NAMES_MAX);
        expect(record).toMatchObject({
          graceMs: 600_000,
          layout: { blockSize: 16, chunkSize: 64, objectPrefix: 1 },
          dueMs: 5,
          chunkIndex: 3,
          attempt: 4096n,
          fsUuid: 'u',
          bucket: 'b',
          incarnation: 'life-1',
        });
      }
    }),
    { numRuns: 20 },
  );
});
