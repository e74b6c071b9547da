/**
 * Object names and record text, spelled a second time from the CurveFS facts (s3util.h) and docs/format.md, so that a
 * spelling mistake in `src/format.ts` cannot hide. Only tests may use it.
 */
import type { OracleVersion } from './types.ts';

export interface ObjectPlace {
  readonly fsId: number;
  readonly inodeId: bigint;
  readonly objectPrefix: number;
}

/** The name of block `blockIndex` (within the chunk) of one version. */
export function oracleName(
  place: ObjectPlace,
  version: { readonly chunkId: bigint; readonly compaction: bigint },
  blockIndex: number,
): string {
  const { fsId, inodeId, objectPrefix } = place;
  const base = `${fsId}_${inodeId}_${version.chunkId}_${blockIndex}_${version.compaction}`;
  if (objectPrefix === 0) return base;
  const directory = objectPrefix === 1 ? inodeId / 1000n / 1000n : inodeId % 256n;
  return `${fsId}/${directory}/${inodeId / 1000n}/${base}`;
}

/** The text of one version in a Redis list. */
export function recordText(version: OracleVersion): string {
  const { chunkId, compaction, offset, len, size, zero } = version;
  return [chunkId, compaction, offset, len, size, zero ? 1 : 0].join(',');
}

/** The version that a text names; throws for text that is not six decimal numbers. */
export function recordOf(text: string): OracleVersion {
  if (!/^\d+,\d+,\d+,\d+,\d+,[01]$/.test(text)) throw new Error(`oracle: not a version record: ${text}`);
  const numbers = text.split(',').map(BigInt);
  const at = (field: number): bigint => numbers[field] ?? 0n;
  return {
    chunkId: at(0),
    compaction: at(1),
    offset: Number(at(2)),
    len: Number(at(3)),
    size: Number(at(4)),
    zero: at(5) === 1n,
  };
}
