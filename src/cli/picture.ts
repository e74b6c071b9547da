/**
 * Chunks drawn as text: one row per block, each cell showing which version owns it, with the GETs that a read takes.
 * Pure functions of the list, so that pictures are golden files; `inspect`, `plan` and the demo show the same ones.
 * Lower-case letters are versions as clients wrote them, capitals are merged ones; shades are cells where several
 * versions meet: the darker, the more pieces. It must not read anything or know a terminal.
 */
import type { ChunkInput } from '../plan/index.ts';
import { foldedRows, type Grid, gridOf, type Row } from '../view/cells.ts';
import { bytes } from '../view/words.ts';
import {
  type Brush,
  brushOf,
  glyphOf,
  legend,
  type Paint,
  type PictureStyle,
  paintOf,
  widthOf,
} from './picture-brush.ts';

export type { PictureStyle } from './picture-brush.ts';

const DEFAULT_ROWS_MAX = 32;

/** One chunk as it is. */
export function drawChunk(chunk: ChunkInput, style: PictureStyle = {}): string {
  const width = widthOf(style);
  // "12-15 │cells│ 1234 GETs", and 12 columns for the offset.
  const grid = gridOf(chunk, { rowsMax: rowsMaxOf(style), cellsMax: Math.min(64, width - 32) });
  const brush = brushOf(style, [grid]);
  const { colors, glyphs } = brush;
  const label = labelWidth([grid]);
  const lines = foldedRows([grid]).map(({ rows: [row], label: text }) => {
    if (row === undefined) return '';
    const offset = colors.dim(bytes(row.begin).padStart(10));
    return `${text.padStart(label)} ${offset}  ${framed(row, brush)} ${getsText(row).padStart(6)}`.trimEnd();
  });
  const total = `${' '.repeat(label + 13 + grid.cellsPerRow + 3)}${glyphs.rule.repeat(6)}`;
  const sum = `${' '.repeat(label + 13)}${'a full read'.padEnd(grid.cellsPerRow + 2)} ${String(grid.gets).padStart(6)}`;
  const heading = `${'block'.padStart(label)} ${'offset'.padStart(10)}${' '.repeat(grid.cellsPerRow + 6)}${'GETs'.padStart(5)}`;
  return [title(chunk, grid), '', colors.dim(heading), ...lines, total, sum, '', ...legend([chunk], brush)].join('\n');
}

/** One chunk before and after compaction, side by side; a block that stays as it is has `=` between. */
export function drawBeforeAfter(before: ChunkInput, after: ChunkInput, style: PictureStyle = {}): string {
  const width = widthOf(style);
  const label = labelWidth([gridOf(before, { rowsMax: rowsMaxOf(style), cellsMax: 1 })]);
  // Per side two edges and 6 columns of GETs, and 3 columns between.
  const cellsMax = Math.min(64, Math.floor((width - label - 1 - 19) / 2));
  const grids = [before, after].map((chunk) => gridOf(chunk, { rowsMax: rowsMaxOf(style), cellsMax }));
  const brush = brushOf(style, grids);
  const { colors, glyphs } = brush;
  const [left, right] = grids;
  if (left === undefined || right === undefined) return '';
  const side = left.cellsPerRow + 2;
  const lines = foldedRows(grids).map(({ rows: [old, now], label: text }) => {
    if (old === undefined || now === undefined) return '';
    const same = rowText(old, brush) === rowText(now, brush) && old.gets === now.gets;
    const between = same ? colors.dim('=') : colors.bold(glyphs.becomes);
    const gets = getsText(now).padStart(6);
    const fewer = now.gets > 0 && now.gets < old.gets ? colors.green(gets) : gets;
    return `${text.padStart(label)} ${framed(old, brush)}${getsText(old).padStart(6)} ${between} ${framed(now, brush)}${fewer}`.trimEnd();
  });
  const gap = ' '.repeat(label + 1);
  const heading = `${'block'.padStart(label)} ${'before'.padEnd(side)}${'GETs'.padStart(6)}   ${'after'.padEnd(side)}${'GETs'.padStart(6)}`;
  const rules = `${gap}${' '.repeat(side)} ${glyphs.rule.repeat(5)}   ${' '.repeat(side)} ${glyphs.rule.repeat(5)}`;
  const sums = `${gap}${'a full read'.padEnd(side)}${String(left.gets).padStart(6)} ${glyphs.becomes} ${' '.repeat(side)}${String(right.gets).padStart(6)}`;
  const heads = [title(before, left), '', colors.dim(heading)];
  return [...heads, ...lines, rules, colors.bold(sums), '', ...legend([before, after], brush)].join('\n');
}

function rowsMaxOf(style: PictureStyle): number {
  return Math.max(1, style.rowsMax ?? DEFAULT_ROWS_MAX);
}

function title(chunk: ChunkInput, grid: Grid): string {
  const { blockSize, chunkSize } = chunk.geometry;
  const count = Math.ceil(chunkSize / blockSize);
  const cell = (blockSize * grid.blocksPerRow) / grid.cellsPerRow;
  const rows = grid.blocksPerRow > 1 ? `, ${grid.blocksPerRow} blocks to a row` : '';
  return `chunk ${chunk.chunkIndex}: ${bytes(chunkSize)} in ${count} blocks of ${bytes(blockSize)}${rows}; a cell is ${bytes(cell)}`;
}

function labelWidth(grids: readonly Grid[]): number {
  const last = grids[0]?.rows.at(-1)?.lastBlock ?? 0;
  return Math.max('block'.length, 2 * String(last).length + 1);
}

function getsText(row: Row): string {
  return row.gets === 0 ? '' : String(row.gets);
}

function framed(row: Row, brush: Brush): string {
  const edge = brush.colors.dim(brush.glyphs.edge);
  const beyond = row.cells.length > BEYOND.length && row.cells.every((cell) => cell.kind === 'beyond');
  const inside = beyond ? brush.colors.dim(centred(BEYOND, row.cells.length)) : rowText(row, brush);
  return `${edge}${inside}${edge}`;
}

const BEYOND = 'beyond the end';

function centred(text: string, width: number): string {
  return text.padStart(Math.floor((width + text.length) / 2)).padEnd(width);
}

/** The cells of a row; neighbours of one look are painted together. */
function rowText(row: Row, brush: Brush): string {
  let out = '';
  let run = '';
  let paint: Paint = String;
  for (const cell of row.cells) {
    const glyph = glyphOf(cell, brush);
    if (run !== '' && !run.startsWith(glyph)) {
      out += paint(run);
      run = '';
    }
    run += glyph;
    paint = paintOf(cell, glyph, brush);
  }
  return out + paint(run);
}
