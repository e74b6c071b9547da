/**
 * The stored cases and vectors (README.md beside this file) as the oracle's shapes. It reads files and converts numbers;
 * what a case means is the oracle's business.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { FileState, OracleVersion } from '../oracle/types.ts';

/** A file of a case, flat names. */
export interface CaseFile extends FileState {
  /** Without the `.s1024.json.gz`. */
  readonly name: string;
  readonly source: string;
  readonly nlink: number;
}

type Row = readonly [number | string, number | string, number, number, number, boolean | number];

interface CaseJson {
  readonly source: string;
  readonly fsId: number;
  readonly inodeId: number;
  readonly blockSize: number;
  readonly chunkSize: number;
  readonly length: number;
  readonly nlink: number;
  readonly chunks: Readonly<Record<string, readonly Row[]>>;
}

const SUFFIX = '.s1024.json.gz';

/** All case names in alphabetical order. */
export function caseNames(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .sort();
}

export function loadCase(name: string): CaseFile {
  const json = JSON.parse(
    gunzipSync(readFileSync(`${import.meta.dirname}/${name}${SUFFIX}`)).toString('utf8'),
  ) as CaseJson;
  return {
    name,
    source: json.source,
    fsId: json.fsId,
    inodeId: BigInt(json.inodeId),
    objectPrefix: 0,
    geometry: { blockSize: json.blockSize, chunkSize: json.chunkSize },
    length: json.length,
    nlink: json.nlink,
    lists: new Map(
      Object.entries(json.chunks).map(([index, rows]): [number, OracleVersion[]] => [
        Number(index),
        rows.map(([chunkId, compaction, offset, len, size, zero]) => ({
          chunkId: BigInt(chunkId),
          compaction: BigInt(compaction),
          offset,
          len,
          size,
          zero: Boolean(zero),
        })),
      ]),
    ),
  };
}

/** Ids above 2^53 are text. */
export type VectorRow = readonly [number | string, number, number, number, boolean];

interface VectorList {
  readonly blockSize: number;
  readonly chunkSize: number;
  readonly length: number;
  readonly in: readonly VectorRow[];
}

export interface Vectors {
  readonly objectNames: readonly {
    readonly fsId: number;
    readonly inodeId: number;
    readonly chunkId: number;
    readonly blockIndex: number;
    readonly compaction: number;
    readonly objectPrefix: 0 | 1 | 2;
    readonly name: string;
  }[];
  readonly validRanges: {
    readonly chunkSize: number;
    readonly length: number;
    readonly chunkIndex: number;
    readonly cases: readonly {
      readonly in: readonly VectorRow[];
      readonly out: readonly (readonly [number, number, number])[];
    }[];
  };
  readonly beyondLength: {
    readonly chunkSize: number;
    readonly length: number;
    readonly chunkIndex: number;
    readonly in: readonly VectorRow[];
    readonly out: readonly [];
  };
  readonly wholeChunk: VectorList;
  readonly traps: readonly (Omit<VectorList, 'in'> & {
    readonly why: string;
    readonly in?: readonly VectorRow[];
    readonly chunks?: Readonly<Record<string, readonly VectorRow[]>>;
  })[];
}

export function loadVectors(): Vectors {
  return JSON.parse(readFileSync(`${import.meta.dirname}/vectors.json`, 'utf8')) as Vectors;
}

/** The versions of vector rows. */
export function versionsOf(rows: readonly VectorRow[]): OracleVersion[] {
  return rows.map(([chunkId, compaction, offset, len, zero]) => ({
    chunkId: BigInt(chunkId),
    compaction: BigInt(compaction),
    offset,
    len,
    size: len,
    zero,
  }));
}
