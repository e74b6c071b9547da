/**
 * A chunk list as a grid of cells: which version (or slice) owns each stretch of each block, and what a read of the block
 * costs. It stands alone so that what a picture says is computed apart from how it is drawn. Pure; it prints nothing.
 */
import type { S3ChunkInfo } from '../model.ts';
import { type ChunkInput, visibleBlocks } from '../plan/index.ts';

/** What one stretch of a block shows. `pieces` counts the ranges of different versions that meet in it. */
export type Cell<V = S3ChunkInfo> =
  | { readonly kind: 'beyond' | 'hole' | 'zero' }
  | { readonly kind: 'version'; readonly version: V }
  | { readonly kind: 'mixed'; readonly pieces: number };

/** One line of a picture: one block, or several neighbours of a large chunk. */
export interface Row<V = S3ChunkInfo> {
  readonly firstBlock: number;
  readonly lastBlock: number;
  /** File offset of the row's first byte. */
  readonly begin: number;
  readonly cells: readonly Cell<V>[];
  /** GETs that a full read of the row's blocks takes. */
  readonly gets: number;
  /** Nothing of the row is kept anywhere: holes, or beyond the length. */
  readonly blank: boolean;
}

export interface Grid<V = S3ChunkInfo> {
  readonly rows: readonly Row<V>[];
  readonly cellsPerRow: number;
  readonly blocksPerRow: number;
  readonly gets: number;
}

interface GridLimits {
  readonly rowsMax: number;
  readonly cellsMax: number;
}

/** Bytes of the file that one version shows; `null`: zeros. */
export interface Part<V> {
  readonly begin: number;
  readonly end: number;
  readonly version: V | null;
}

/** A block as a reader sees it: its parts, ascending and disjoint, and the GETs that they take. */
export interface BlockParts<V> {
  readonly parts: readonly Part<V>[];
  readonly gets: number;
}

/** What a grid is made of. */
interface Plot<V> {
  /** Of the chunk, in the file. */
  readonly begin: number;
  readonly chunkSize: number;
  readonly blockSize: number;
  /** Of the file. */
  readonly length: number;
  /** By the index of the block in the chunk; absent: nothing is kept there. */
  readonly blocks: ReadonlyMap<number, BlockParts<V>>;
}

/** The grid of a chunk in the layout of blocks; O(n log n) in the number of versions. */
export function gridOf(chunk: ChunkInput, limits: GridLimits): Grid {
  const { blockSize, chunkSize } = chunk.geometry;
  const blocks = visibleBlocks(chunk).map(({ blockIndex, data, zeros }) => {
    const parts = [...data, ...zeros]
      .sort((a, b) => a.begin - b.begin)
      .map(({ begin, end, version: n }) => {
        const version = chunk.versions[n];
        return { begin, end, version: version === undefined || version.zero ? null : version };
      });
    return [blockIndex, { parts, gets: data.length }] as const;
  });
  const begin = chunk.chunkIndex * chunkSize;
  return gridOfParts({ begin, chunkSize, blockSize, length: chunk.length, blocks: new Map(blocks) }, limits);
}

/** A grid of at most `rowsMax` rows of at most `cellsMax` cells. */
export function gridOfParts<V>(plot: Plot<V>, limits: GridLimits): Grid<V> {
  const { blockSize, chunkSize } = plot;
  const blockCount = Math.ceil(chunkSize / blockSize);
  const blocksPerRow = Math.max(1, Math.ceil(blockCount / limits.rowsMax));
  // A cell is at least one byte.
  const cellsPerRow = Math.min(limits.cellsMax, blockSize * blocksPerRow);
  const rows: Row<V>[] = [];
  for (let firstBlock = 0; firstBlock < blockCount; firstBlock += blocksPerRow) {
    const lastBlock = Math.min(firstBlock + blocksPerRow, blockCount) - 1;
    rows.push(rowOf(plot, { firstBlock, lastBlock, cellsPerRow }));
  }
  return { rows, cellsPerRow, blocksPerRow, gets: rows.reduce((sum, row) => sum + row.gets, 0) };
}

interface RowInput {
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly cellsPerRow: number;
}

function rowOf<V>(plot: Plot<V>, { firstBlock, lastBlock, cellsPerRow }: RowInput): Row<V> {
  const begin = plot.begin + firstBlock * plot.blockSize;
  const span = (lastBlock - firstBlock + 1) * plot.blockSize;
  const parts: Part<V>[] = [];
  let gets = 0;
  for (let block = firstBlock; block <= lastBlock; block++) {
    const view = plot.blocks.get(block);
    if (view === undefined) continue;
    gets += view.gets;
    for (const part of view.parts) parts.push(part);
  }
  const cells: Cell<V>[] = [];
  let first = 0;
  for (let n = 0; n < cellsPerRow; n++) {
    const cellBegin = begin + Math.floor((span * n) / cellsPerRow);
    const cellEnd = begin + Math.floor((span * (n + 1)) / cellsPerRow);
    while ((parts[first]?.end ?? cellEnd) <= cellBegin) first++;
    cells.push(cellOf(parts, { first, begin: cellBegin, end: cellEnd, length: plot.length }));
  }
  return { firstBlock, lastBlock, begin, cells, gets, blank: parts.length === 0 };
}

interface CellInput {
  /** The first part that may reach into the cell. */
  readonly first: number;
  readonly begin: number;
  readonly end: number;
  readonly length: number;
}

function cellOf<V>(parts: readonly Part<V>[], input: CellInput): Cell<V> {
  const owners = new Set<V>();
  let pieces = 0;
  let hasZeros = false;
  for (let at = input.first; at < parts.length; at++) {
    const part = parts[at];
    if (part === undefined || part.begin >= input.end) break;
    if (part.version === null) {
      hasZeros = true;
    } else {
      owners.add(part.version);
      pieces++;
    }
  }
  const [only] = owners;
  if (only !== undefined) return owners.size === 1 ? { kind: 'version', version: only } : { kind: 'mixed', pieces };
  if (input.begin >= input.length) return { kind: 'beyond' };
  // Data first, then zeros, then the hole: a cell shows what is kept somewhere before what is not.
  return { kind: hasZeros ? 'zero' : 'hole' };
}

/** Two versions with equal identity have the same objects: a narrowed one is still the same version to a reader. */
export function identityOf(version: S3ChunkInfo): string {
  return `${version.chunkId}_${version.compaction}`;
}

/** A version needs one cell to itself to get a letter; the others are named by shades only. */
export const CLIENT_LETTERS = 'abcdefghijklmnopqrstuvwxyz123456789';
const MERGED_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** What tells versions, or slices, apart. */
export interface Names<V> {
  readonly idOf: (version: V) => string;
  readonly isMerged: (version: V) => boolean;
}

export const VERSION_NAMES: Names<S3ChunkInfo> = {
  idOf: identityOf,
  isMerged: ({ compaction }) => compaction !== 0n,
};

/** Letters for the versions that own whole cells, the most cells first where letters run out, in order of appearance. */
export function lettersOf<V>(grids: readonly Grid<V>[], { idOf, isMerged }: Names<V>): ReadonlyMap<string, string> {
  const cells = new Map<string, { readonly version: V; count: number }>();
  for (const cell of grids.flatMap((grid) => grid.rows.flatMap((row) => row.cells))) {
    if (cell.kind !== 'version') continue;
    const id = idOf(cell.version);
    const seen = cells.get(id);
    if (seen === undefined) cells.set(id, { version: cell.version, count: 1 });
    else seen.count++;
  }
  const letters = new Map<string, string>();
  for (const [merged, alphabet] of [
    [false, CLIENT_LETTERS],
    [true, MERGED_LETTERS],
  ] as const) {
    const named = [...cells].filter(([, { version }]) => isMerged(version) === merged);
    const most = new Set([...named].sort(([, a], [, b]) => b.count - a.count).slice(0, alphabet.length));
    const inOrder = named.filter((entry) => most.has(entry));
    for (const [n, [id]] of inOrder.entries()) letters.set(id, alphabet.charAt(n));
  }
  return letters;
}

/** Rows of all grids side by side; neighbours that are blank in every grid become one. */
export function foldedRows<V>(
  grids: readonly Grid<V>[],
): { readonly rows: readonly Row<V>[]; readonly label: string }[] {
  const out: { rows: readonly Row<V>[]; first: number; last: number; blank: boolean }[] = [];
  for (const n of grids[0]?.rows.keys() ?? []) {
    const rows = grids.flatMap((grid) => grid.rows[n] ?? []);
    const blank = rows.every((row) => row.blank);
    const first = rows[0]?.firstBlock ?? 0;
    const last = rows[0]?.lastBlock ?? 0;
    const above = out.at(-1);
    if (blank && above?.blank === true && sameCells(above.rows, rows)) above.last = last;
    else out.push({ rows, first, last, blank });
  }
  return out.map(({ rows, first, last }) => ({ rows, label: first === last ? `${first}` : `${first}-${last}` }));
}

function sameCells<V>(above: readonly Row<V>[], rows: readonly Row<V>[]): boolean {
  return rows.every((row, n) => row.cells.every((cell, m) => cell.kind === above[n]?.cells[m]?.kind));
}
