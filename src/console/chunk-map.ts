/**
 * A chunk as an SVG map, in either layout of files: the same grid, letters and folded rows as the pictures in a terminal
 * (`src/view/cells.ts`), drawn as rectangles with a title each. Neighbours that look alike are one rectangle, and there are
 * at most ROWS times CELLS of them, however long the list is. Pure.
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
  type Names,
  type Row,
  VERSION_NAMES,
} from '../view/cells.ts';
import { bytes, count, plural } from '../view/words.ts';
import type { Html } from './page.ts';

export const MAP_LIMITS = { rowsMax: 32, cellsMax: 64 };
/** Entries of the legend. */
const LEGEND_MAX = 24;
const CELL = { width: 8, height: 14, gap: 2 };
const LABEL = 56;
const GETS = 48;
/** Colours of versions as written; they take turns. */
const TURNS = 4;

interface MapInput {
  readonly key: InodeKey;
  readonly filesystem: Filesystem;
  readonly before: ChunkInput;
  /** As it would be after a run; absent: nothing would change. */
  readonly after?: ChunkInput;
}

/** A chunk in the layout of blocks as it is, and beside it as it would be. */
export function chunkMaps({ key, filesystem, before, after }: MapInput): Html {
  const { blockSize, objectPrefix } = filesystem;
  const listed = new Set(before.versions.filter((one) => one.compaction !== 0n).map(identityOf));
  const chunks = after === undefined ? [before] : [before, after];
  return maps({
    ...VERSION_NAMES,
    grids: chunks.map((chunk) => gridOf(chunk, MAP_LIMITS)),
    name: `chunk ${before.chunkIndex}`,
    unit: 'block',
    blockSize,
    titleOf: (version, { blockIndex, range }) => {
      const { chunkId, compaction } = version;
      if (compaction !== 0n && !listed.has(identityOf(version))) return `a new merged version, ${range}`;
      const name = objectName(key, { chunkId, compaction, blockIndex }, objectPrefix);
      return `version ${chunkId}${compaction === 0n ? '' : ', merged'}, ${range}, object ${name}`;
    },
    legendOf: ({ chunkId, compaction, len }, isNew) =>
      `${isNew ? 'new' : `#${chunkId}${compaction === 0n ? '' : ' merged'}`}, ${bytes(len)}`,
  });
}

/** What cells are drawn and said as, whatever the layout. */
interface Painting<V> extends Names<V> {
  /** As it is, and as it would be. */
  readonly grids: readonly Grid<V>[];
  readonly name: string;
  /** What the rows are. */
  readonly unit: string;
  readonly blockSize: number;
  readonly titleOf: (
    version: V,
    at: { readonly begin: number; readonly blockIndex: number; readonly range: string },
  ) => string;
  readonly legendOf: (version: V, isNew: boolean) => string;
}

/** Grids side by side, with what their colours mean. */
export function maps<V>(painting: Painting<V>): Html {
  const { grids, name } = painting;
  const letters = lettersOf(grids, painting);
  const rows = foldedRows(grids);
  const figures = grids.map((grid, n) => {
    const state = n === 0 ? 'before' : 'after';
    const of = { ...painting, grid, letters, rows: rows.map(({ rows: all, label }) => ({ row: all[n], label })) };
    return html`<figure><figcaption>${grids.length === 1 ? 'as it is' : state}: a full read takes <strong>${plural(grid.gets, 'GET')}</strong></figcaption>${map(of, `${name} ${state}: ${summary(grid)}`)}</figure>`;
  });
  return html`<div class="maps">${figures}</div>${legend(painting, letters)}`;
}

interface OneMap<V> extends Painting<V> {
  readonly grid: Grid<V>;
  readonly letters: ReadonlyMap<string, string>;
  readonly rows: readonly { readonly row: Row<V> | undefined; readonly label: string }[];
}

function map<V>(of: OneMap<V>, label: string): Html {
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
  // Blocks of slices lie across rows: their GETs belong to none.
  const head = of.grid.rows.some(({ gets }) => gets > 0)
    ? html`<text x="${LABEL + cells + GETS}" y="11" class="end">GETs</text>`
    : '';
  return html`<svg class="map" viewBox="0 0 ${LABEL + cells + GETS + 4} ${height}" role="img" aria-label="${label}">
<text x="${LABEL - 6}" y="11" class="end">${of.unit}</text>${head}${lines}</svg>`;
}

interface Run {
  readonly first: number;
  readonly cells: number;
  readonly look: string;
  readonly letter: string;
  readonly title: string;
}

/** Neighbours that look alike and stand for the same are one. */
function runsOf<V>(row: Row<V>, of: OneMap<V>): readonly Run[] {
  const runs: Run[] = [];
  for (let first = 0; first < row.cells.length; ) {
    const cell = row.cells[first];
    if (cell === undefined) break;
    let end = first + 1;
    while (end < row.cells.length && isAlike(cell, row.cells[end], of)) end++;
    runs.push({ first, cells: end - first, ...lookOf(cell, of), title: titleOf(cell, row, { of, first, end }) });
    first = end;
  }
  return runs;
}

function isAlike<V>(a: Cell<V>, b: Cell<V> | undefined, { idOf }: Names<V>): boolean {
  if (b === undefined || a.kind !== b.kind) return false;
  if (a.kind === 'version' && b.kind === 'version') return idOf(a.version) === idOf(b.version);
  return !(a.kind === 'mixed' && b.kind === 'mixed') || shadeOf(a.pieces) === shadeOf(b.pieces);
}

function shadeOf(pieces: number): string {
  return pieces < 4 ? 'mixed2' : pieces < 10 ? 'mixed4' : 'mixed10';
}

function lookOf<V>(cell: Cell<V>, { letters, idOf, isMerged }: OneMap<V>): Pick<Run, 'look' | 'letter'> {
  if (cell.kind === 'mixed') return { look: shadeOf(cell.pieces), letter: '' };
  if (cell.kind !== 'version') return { look: cell.kind, letter: '' };
  const letter = letters.get(idOf(cell.version)) ?? '';
  return { look: colorOf(isMerged(cell.version), letter), letter };
}

function colorOf(isMerged: boolean, letter: string): string {
  return isMerged ? 'merged' : `written${Math.max(0, CLIENT_LETTERS.indexOf(letter)) % TURNS}`;
}

function titleOf<V>(
  cell: Cell<V>,
  row: Row<V>,
  at: { readonly of: OneMap<V>; readonly first: number; readonly end: number },
): string {
  const { grid, blockSize, titleOf: versionTitle } = at.of;
  const span = (row.lastBlock - row.firstBlock + 1) * blockSize;
  const edge = (n: number) => row.begin + Math.floor((span * n) / grid.cellsPerRow);
  const begin = edge(at.first);
  const range = `bytes ${count(begin)} to ${count(edge(at.end))}`;
  if (cell.kind === 'mixed') return `several versions meet (some ${cell.pieces} pieces to a cell), ${range}`;
  if (cell.kind !== 'version') return `${WORDS[cell.kind]}, ${range}`;
  const blockIndex = row.firstBlock + Math.floor((begin - row.begin) / blockSize);
  return versionTitle(cell.version, { begin, blockIndex, range });
}

const WORDS = { beyond: 'beyond the end of the file', hole: 'a hole', zero: 'zeros' } as const;

function rect({ first, cells, look, letter, title }: Run, y: number): Html {
  const x = LABEL + first * CELL.width;
  const width = cells * CELL.width;
  const text =
    letter === '' ? '' : html`<text x="${x + width / 2}" y="${y + CELL.height - 3}" class="letter">${letter}</text>`;
  return html`<g><title>${title}</title><rect x="${x}" y="${y}" width="${width}" height="${CELL.height}" class="${look}"></rect>${text}</g>`;
}

function summary<V>(grid: Grid<V>): string {
  const blocks = grid.blocksPerRow > 1 ? `, ${grid.blocksPerRow} blocks to a row` : '';
  return `${plural(grid.rows.length, 'row')} of ${grid.cellsPerRow} cells${blocks}, ${plural(grid.gets, 'GET')} for a full read`;
}

function legend<V>({ grids, idOf, isMerged, legendOf }: Painting<V>, letters: ReadonlyMap<string, string>): Html {
  const known = new Map<string, { readonly version: V; readonly isNew: boolean }>();
  for (const [n, grid] of grids.entries()) {
    for (const cell of grid.rows.flatMap(({ cells }) => cells)) {
      if (cell.kind !== 'version' || known.has(idOf(cell.version))) continue;
      known.set(idOf(cell.version), { version: cell.version, isNew: n > 0 });
    }
  }
  const entries = [...letters].slice(0, LEGEND_MAX).flatMap(([id, letter]) => {
    const found = known.get(id);
    if (found === undefined) return [];
    return [
      html`<li><span class="key ${colorOf(isMerged(found.version), letter)}">${letter}</span> ${legendOf(found.version, found.isNew)}</li>`,
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
