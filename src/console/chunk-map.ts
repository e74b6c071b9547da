/**
 * A chunk as an SVG map: the same grid, letters and folded rows as the pictures in a terminal (`src/view/cells.ts`),
 * drawn as rectangles with a title each. Neighbours that look alike are one rectangle, and there are at most ROWS times
 * CELLS of them, however long the list is. Pure.
 */
import { html } from 'hono/html';
import { objectName } from '../format.ts';
import type { Filesystem, InodeKey } from '../model.ts';
import type { ChunkInput } from '../plan/index.ts';
import {
  type Cell,
  CLIENT_LETTERS,
  foldedRows,
  type Grid,
  gridOf,
  identityOf,
  lettersOf,
  type Row,
} from '../view/cells.ts';
import { bytes, count, plural } from '../view/words.ts';
import type { Html } from './page.ts';

export const MAP_ROWS_MAX = 32;
export const MAP_CELLS_MAX = 64;
/** Entries of the legend. */
const LEGEND_MAX = 24;
const CELL = { width: 8, height: 14, gap: 2 };
const LABEL = 56;
const GETS = 48;
/** Colours of versions as written; they take turns. */
const TURNS = 4;

export interface MapInput {
  readonly key: InodeKey;
  readonly filesystem: Filesystem;
  readonly before: ChunkInput;
  /** As it would be after a run; absent: nothing would change. */
  readonly after?: ChunkInput;
}

/** A chunk as it is, and beside it as it would be. */
export function chunkMaps(input: MapInput): Html {
  const { before, after } = input;
  const chunks = after === undefined ? [before] : [before, after];
  const grids = chunks.map((chunk) => gridOf(chunk, { rowsMax: MAP_ROWS_MAX, cellsMax: MAP_CELLS_MAX }));
  const letters = lettersOf(grids);
  const rows = foldedRows(grids);
  const listed = new Set(before.versions.filter((one) => one.compaction !== 0n).map(identityOf));
  const maps = grids.map((grid, n) => {
    const name = n === 0 ? 'before' : 'after';
    const of = { ...input, grid, letters, listed, rows: rows.map(({ rows: all, label }) => ({ row: all[n], label })) };
    return html`<figure><figcaption>${after === undefined ? 'as it is' : name}: a full read takes <strong>${plural(grid.gets, 'GET')}</strong></figcaption>${map(of, `chunk ${before.chunkIndex} ${name}: ${summary(grid)}`)}</figure>`;
  });
  return html`<div class="maps">${maps}</div>${legend(chunks, letters)}`;
}

interface OneMap extends MapInput {
  readonly grid: Grid;
  readonly letters: ReadonlyMap<string, string>;
  /** Merged versions that there are. */
  readonly listed: ReadonlySet<string>;
  readonly rows: readonly { readonly row: Row | undefined; readonly label: string }[];
}

function map(of: OneMap, label: string): Html {
  const cells = of.grid.cellsPerRow * CELL.width;
  const height = (of.rows.length + 1) * (CELL.height + CELL.gap);
  const lines = of.rows.map(({ row, label: blocks }, n) => {
    if (row === undefined) return '';
    const y = (n + 1) * (CELL.height + CELL.gap);
    const text = y + CELL.height - 3;
    const gets =
      row.gets === 0 ? '' : html`<text x="${LABEL + cells + GETS}" y="${text}" class="end">${row.gets}</text>`;
    return html`<text x="${LABEL - 6}" y="${text}" class="end">${blocks}</text>${runsOf(row, of).map((run) => rect(run, y))}${gets}`;
  });
  return html`<svg class="map" viewBox="0 0 ${LABEL + cells + GETS + 4} ${height}" role="img" aria-label="${label}">
<text x="${LABEL - 6}" y="11" class="end">block</text><text x="${LABEL + cells + GETS}" y="11" class="end">GETs</text>${lines}</svg>`;
}

interface Run {
  readonly first: number;
  readonly cells: number;
  readonly look: string;
  readonly letter: string;
  readonly title: string;
}

/** Neighbours that look alike and stand for the same are one. */
function runsOf(row: Row, of: OneMap): readonly Run[] {
  const runs: Run[] = [];
  for (let first = 0; first < row.cells.length; ) {
    const cell = row.cells[first];
    if (cell === undefined) break;
    let end = first + 1;
    while (end < row.cells.length && isAlike(cell, row.cells[end])) end++;
    runs.push({ first, cells: end - first, ...lookOf(cell, of), title: titleOf(cell, row, { of, first, end }) });
    first = end;
  }
  return runs;
}

function isAlike(a: Cell, b: Cell | undefined): boolean {
  if (b === undefined || a.kind !== b.kind) return false;
  if (a.kind === 'version' && b.kind === 'version') return identityOf(a.version) === identityOf(b.version);
  return !(a.kind === 'mixed' && b.kind === 'mixed') || shadeOf(a.pieces) === shadeOf(b.pieces);
}

function shadeOf(pieces: number): string {
  return pieces < 4 ? 'mixed2' : pieces < 10 ? 'mixed4' : 'mixed10';
}

function lookOf(cell: Cell, { letters }: OneMap): Pick<Run, 'look' | 'letter'> {
  if (cell.kind === 'mixed') return { look: shadeOf(cell.pieces), letter: '' };
  if (cell.kind !== 'version') return { look: cell.kind, letter: '' };
  const letter = letters.get(identityOf(cell.version)) ?? '';
  return { look: colorOf(cell.version.compaction !== 0n, letter), letter };
}

function colorOf(isMerged: boolean, letter: string): string {
  return isMerged ? 'merged' : `written${Math.max(0, CLIENT_LETTERS.indexOf(letter)) % TURNS}`;
}

function titleOf(
  cell: Cell,
  row: Row,
  at: { readonly of: OneMap; readonly first: number; readonly end: number },
): string {
  const { key, filesystem, grid } = at.of;
  const { blockSize } = filesystem;
  const span = (row.lastBlock - row.firstBlock + 1) * blockSize;
  const edge = (n: number) => row.begin + Math.floor((span * n) / grid.cellsPerRow);
  const range = `bytes ${count(edge(at.first))} to ${count(edge(at.end))}`;
  if (cell.kind === 'mixed') return `several versions meet (some ${cell.pieces} pieces to a cell), ${range}`;
  if (cell.kind !== 'version') return `${WORDS[cell.kind]}, ${range}`;
  const { chunkId, compaction } = cell.version;
  const blockIndex = row.firstBlock + Math.floor((edge(at.first) - row.begin) / blockSize);
  if (compaction !== 0n && !at.of.listed.has(identityOf(cell.version))) return `a new merged version, ${range}`;
  const name = objectName(key, { chunkId, compaction, blockIndex }, filesystem.objectPrefix);
  return `version ${chunkId}${compaction === 0n ? '' : ', merged'}, ${range}, object ${name}`;
}

const WORDS = { beyond: 'beyond the end of the file', hole: 'a hole', zero: 'zeros' } as const;

function rect({ first, cells, look, letter, title }: Run, y: number): Html {
  const x = LABEL + first * CELL.width;
  const width = cells * CELL.width;
  const text =
    letter === '' ? '' : html`<text x="${x + width / 2}" y="${y + CELL.height - 3}" class="letter">${letter}</text>`;
  return html`<g><title>${title}</title><rect x="${x}" y="${y}" width="${width}" height="${CELL.height}" class="${look}"></rect>${text}</g>`;
}

function summary(grid: Grid): string {
  const blocks = grid.blocksPerRow > 1 ? `, ${grid.blocksPerRow} blocks to a row` : '';
  return `${plural(grid.rows.length, 'row')} of ${grid.cellsPerRow} cells${blocks}, ${plural(grid.gets, 'GET')} for a full read`;
}

function legend(chunks: readonly ChunkInput[], letters: ReadonlyMap<string, string>): Html {
  const known = new Map(
    chunks.flatMap(({ versions }, n) => versions.map((one) => [identityOf(one), { one, n }] as const)).toReversed(),
  );
  const entries = [...letters].slice(0, LEGEND_MAX).flatMap(([id, letter]) => {
    const found = known.get(id);
    if (found === undefined) return [];
    const isMerged = found.one.compaction !== 0n;
    const isNew = found.n > 0;
    const name = isNew ? 'new' : `#${found.one.chunkId}${isMerged ? ' merged' : ''}`;
    return [
      html`<li><span class="key ${colorOf(isMerged, letter)}">${letter}</span> ${name}, ${bytes(found.one.len)}</li>`,
    ];
  });
  const signs = [
    ['mixed2', '2-3 pieces'],
    ['mixed4', '4-9 pieces'],
    ['mixed10', '10 or more'],
    ['hole', 'hole'],
    ['zero', 'zeros'],
    ['beyond', 'beyond the end'],
  ].map(([look, text]) => html`<li><span class="key ${look}"></span> ${text}</li>`);
  const rest = letters.size > LEGEND_MAX ? html`<li>and ${count(letters.size - LEGEND_MAX)} more letters</li>` : '';
  return html`<ul class="legend" aria-label="What the colours mean">${entries}${rest}${signs}</ul>`;
}
