/**
 * A chunk list as a grid of cells: which version owns each stretch of each block, and what a read of the block costs.
 * It stands alone so that what a picture says is computed apart from how it is drawn. Pure; it prints nothing.
 */
import type { S3ChunkInfo, ValidRange } from '../model.ts';
import { type BlockView, type ChunkInput, visibleBlocks } from '../plan/index.ts';

/** What one stretch of a block shows. `pieces` counts the ranges of different versions that meet in it. */
export type Cell =
  | { readonly kind: 'beyond' | 'hole' | 'zero' }
  | { readonly kind: 'version'; readonly version: S3ChunkInfo }
  | { readonly kind: 'mixed'; readonly pieces: number };

/** One line of a picture: one block, or several neighbours of a large chunk. */
export interface Row {
  readonly firstBlock: number;
  readonly lastBlock: number;
  /** File offset of the row's first byte. */
  readonly begin: number;
  readonly cells: readonly Cell[];
  /** GETs that a full read of the row's blocks takes. */
  readonly gets: number;
  /** Nothing of the row is kept anywhere: holes, or beyond the length. */
  readonly blank: boolean;
}

export interface Grid {
  readonly rows: readonly Row[];
  readonly cellsPerRow: number;
  readonly blocksPerRow: number;
  readonly gets: number;
}

export interface GridLimits {
  readonly rowsMax: number;
  readonly cellsMax: number;
}

/** The grid of a chunk: at most `rowsMax` rows of at most `cellsMax` cells; O(n log n) in the number of versions. */
export function gridOf(chunk: ChunkInput, limits: GridLimits): Grid {
  const { blockSize, chunkSize } = chunk.geometry;
  const blockCount = Math.ceil(chunkSize / blockSize);
  const blocksPerRow = Math.max(1, Math.ceil(blockCount / limits.rowsMax));
  // A cell is at least one byte.
  const cellsPerRow = Math.min(limits.cellsMax, blockSize * blocksPerRow);
  const views = new Map(visibleBlocks(chunk).map((view) => [view.blockIndex, view]));
  const rows: Row[] = [];
  for (let firstBlock = 0; firstBlock < blockCount; firstBlock += blocksPerRow) {
    const lastBlock = Math.min(firstBlock + blocksPerRow, blockCount) - 1;
    rows.push(rowOf(chunk, { firstBlock, lastBlock, views, cellsPerRow }));
  }
  return { rows, cellsPerRow, blocksPerRow, gets: rows.reduce((sum, row) => sum + row.gets, 0) };
}

interface RowInput {
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly views: ReadonlyMap<number, BlockView>;
  readonly cellsPerRow: number;
}

function rowOf(chunk: ChunkInput, input: RowInput): Row {
  const { firstBlock, lastBlock, cellsPerRow } = input;
  const begin = chunk.chunkIndex * chunk.geometry.chunkSize + firstBlock * chunk.geometry.blockSize;
  const span = (lastBlock - firstBlock + 1) * chunk.geometry.blockSize;
  const pieces: ValidRange[] = [];
  let gets = 0;
  for (let block = firstBlock; block <= lastBlock; block++) {
    const view = input.views.get(block);
    if (view === undefined) continue;
    gets += view.data.length;
    for (const piece of [...view.data, ...view.zeros].sort((a, b) => a.begin - b.begin)) pieces.push(piece);
  }
  const cells: Cell[] = [];
  let first = 0;
  for (let n = 0; n < cellsPerRow; n++) {
    const cellBegin = begin + Math.floor((span * n) / cellsPerRow);
    const cellEnd = begin + Math.floor((span * (n + 1)) / cellsPerRow);
    while ((pieces[first]?.end ?? cellEnd) <= cellBegin) first++;
    cells.push(cellOf(chunk, { pieces, first, begin: cellBegin, end: cellEnd }));
  }
  return { firstBlock, lastBlock, begin, cells, gets, blank: pieces.length === 0 };
}

interface CellInput {
  readonly pieces: readonly ValidRange[];
  /** The first piece that may reach into the cell. */
  readonly first: number;
  readonly begin: number;
  readonly end: number;
}

function cellOf(chunk: ChunkInput, input: CellInput): Cell {
  const owners = new Set<S3ChunkInfo>();
  let pieces = 0;
  let zeroBytes = 0;
  for (let at = input.first; at < input.pieces.length; at++) {
    const piece = input.pieces[at];
    if (piece === undefined || piece.begin >= input.end) break;
    const version = chunk.versions[piece.version];
    if (version === undefined) continue;
    if (version.zero) {
      zeroBytes += Math.min(piece.end, input.end) - Math.max(piece.begin, input.begin);
    } else {
      owners.add(version);
      pieces++;
    }
  }
  const [only] = owners;
  if (only !== undefined) return owners.size === 1 ? { kind: 'version', version: only } : { kind: 'mixed', pieces };
  if (input.begin >= chunk.length) return { kind: 'beyond' };
  // Data first, then zeros, then the hole: a cell shows what is kept somewhere before what is not.
  return { kind: zeroBytes > 0 ? 'zero' : 'hole' };
}

/** Two versions with equal identity have the same objects: a narrowed one is still the same version to a reader. */
export function identityOf(version: S3ChunkInfo): string {
  return `${version.chunkId}_${version.compaction}`;
}

/** A version needs one cell to itself to get a letter; the others are named by shades only. */
export const CLIENT_LETTERS = 'abcdefghijklmnopqrstuvwxyz123456789';
const MERGED_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Letters for the versions that own whole cells, the most cells first where letters run out, in order of appearance. */
export function lettersOf(grids: readonly Grid[]): ReadonlyMap<string, string> {
  const cells = new Map<string, { readonly version: S3ChunkInfo; count: number }>();
  for (const cell of grids.flatMap((grid) => grid.rows.flatMap((row) => row.cells))) {
    if (cell.kind !== 'version') continue;
    const id = identityOf(cell.version);
    const seen = cells.get(id);
    if (seen === undefined) cells.set(id, { version: cell.version, count: 1 });
    else seen.count++;
  }
  const letters = new Map<string, string>();
  for (const [merged, alphabet] of [
    [false, CLIENT_LETTERS],
    [true, MERGED_LETTERS],
  ] as const) {
    const named = [...cells].filter(([, { version }]) => (version.compaction !== 0n) === merged);
    const most = new Set([...named].sort(([, a], [, b]) => b.count - a.count).slice(0, alphabet.length));
    const inOrder = named.filter((entry) => most.has(entry));
    for (const [n, [id]] of inOrder.entries()) letters.set(id, alphabet.charAt(n));
  }
  return letters;
}

/** Rows of all grids side by side; neighbours that are blank in every grid become one. */
export function foldedRows(grids: readonly Grid[]): { readonly rows: readonly Row[]; readonly label: string }[] {
  const out: { rows: readonly Row[]; first: number; last: number; blank: boolean }[] = [];
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

function sameCells(above: readonly Row[], rows: readonly Row[]): boolean {
  return rows.every((row, n) => row.cells.every((cell, m) => cell.kind === above[n]?.cells[m]?.kind));
}
