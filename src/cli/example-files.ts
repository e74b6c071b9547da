/**
 * The three files of `s3compact example`, as lists of writes: what a log, a database and a download in pieces look like
 * when nobody has compacted them. Small, so that they are made in seconds on any S3 server. It writes nothing.
 */
import { createHash } from 'node:crypto';

const KIB = 1024;
const MIB = 1024 * KIB;

export interface ExampleFile {
  readonly inodeId: bigint;
  readonly what: string;
  /** In the order in which they are made. */
  readonly writes: readonly { readonly offset: number; readonly len: number }[];
}

const APPENDS = 48;
const PAGES = 40;
const PIECES = 32;
const CONNECTIONS = 4;
const PIECE_BYTES = 128 * KIB;

export const EXAMPLE_FILES: readonly ExampleFile[] = [
  {
    inodeId: 1n,
    what: 'a log: 48 appends of 64 KiB',
    writes: Array.from({ length: APPENDS }, (_, n) => ({ offset: n * 64 * KIB, len: 64 * KIB })),
  },
  {
    inodeId: 2n,
    what: 'a database: 6 MiB, then 40 pages of 16 KiB written over',
    writes: [
      { offset: 0, len: 6 * MIB },
      // A stride that is prime to the number of pages of the file visits them in no order.
      ...Array.from({ length: PAGES }, (_, n) => ({ offset: ((n * 149) % 384) * 16 * KIB, len: 16 * KIB })),
    ],
  },
  {
    inodeId: 3n,
    what: 'a download: 32 pieces of 128 KiB by four connections',
    writes: Array.from({ length: PIECES }, (_, n) => {
      const piece = (n % CONNECTIONS) * (PIECES / CONNECTIONS) + Math.floor(n / CONNECTIONS);
      return { offset: piece * PIECE_BYTES, len: PIECE_BYTES };
    }),
  },
];

/** What the nth write of a file writes: the same at every making, and other bytes for each write. */
export function exampleBytes({ inodeId, writes }: ExampleFile, n: number): Uint8Array {
  const outputLength = writes[n]?.len ?? 0;
  return createHash('shake128', { outputLength }).update(`${inodeId}/${n}`).digest();
}
