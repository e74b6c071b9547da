/**
 * Chunks drawn as text: one row per block, each cell showing which version owns it, with the GETs that a read takes.
 * Pure functions of the list, so that pictures are golden files; `inspect`, `plan` and the demo show the same ones.
 * Lower-case letters are versions as clients wrote them, capitals are merged ones; shades are cells where several
 * versions meet: the darker, the more pieces. It must not read anything or know a terminal.
 */
import pc from 'picocolors';
import type { S3ChunkInfo } from '../model.ts';
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
  VERSION_NAMES,
} from '../view/cells.ts';
import { bytes } from '../view/words.ts';

export interface PictureStyle {
  /** Columns that the picture may take; at least 48. Default 80. */
  readonly width?: number;
  /** Rows of cells; several blocks share a row where a chunk has more. Default 32. */
  readonly rowsMax?: number;
  readonly ascii?: boolean;
  readonly color?: boolean;
}

const DEFAULT_WIDTH = 80;
/** Below this the words under the grid are wider than the grid. */
const WIDTH_MIN = 48;
const DEFAULT_ROWS_MAX = 32;
const LEGEND_LINES_MAX = 4;

type Glyphs = Readonly<Record<'hole' | 'edge' | 'becomes' | 'rule' | 'dash', string>> & {
  /** Shades for cells of 2-3, 4-9 and more pieces. */
  readonly shades: readonly [string, string, string];
};
const UNICODE: Glyphs = { hole: '·', edge: '│', becomes: '→', rule: '─', dash: '–', shades: ['░', '▒', '▓'] };
const ASCII: Glyphs = { hole: '.', edge: '|', becomes: '>', rule: '-', dash: '-', shades: ['-', '+', '%'] };

type Paint = (text: string) => string;

/** How one drawing looks: glyphs, colours and the letters that versions have in all its grids. */
interface Brush {
  readonly glyphs: Glyphs;
  readonly colors: ReturnType<typeof pc.createColors>;
  readonly width: number;
  readonly letters: ReadonlyMap<string, string>;
  /** Letters ran out: some versions that own whole cells are drawn as stars. */
  readonly starred: boolean;
}

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

function glyphOf(cell: Cell, brush: Brush): string {
  const { glyphs } = brush;
  switch (cell.kind) {
    case 'beyond':
      return ' ';
    case 'hole':
      return glyphs.hole;
    case 'zero':
      return '0';
    case 'mixed':
      return cell.pieces < 4 ? glyphs.shades[0] : cell.pieces < 10 ? glyphs.shades[1] : glyphs.shades[2];
    default:
      return brush.letters.get(identityOf(cell.version)) ?? (cell.version.compaction === 0n ? '*' : '@');
  }
}

function paintOf(cell: Cell, glyph: string, brush: Brush): Paint {
  const { colors } = brush;
  if (cell.kind === 'mixed') return cell.pieces < 4 ? colors.yellow : colors.red;
  if (cell.kind !== 'version') return colors.dim;
  return letterPaint(glyph, brush);
}

/** Merged versions are green; the others take turns, by their letter, so that neighbours differ. */
function letterPaint(letter: string, { colors }: Brush): Paint {
  const turn = CLIENT_LETTERS.indexOf(letter);
  if (turn < 0) return colors.green;
  return [colors.cyan, colors.magenta, colors.blueBright, colors.white][turn % 4] ?? colors.white;
}

function brushOf(style: PictureStyle, grids: readonly Grid[]): Brush {
  const letters = lettersOf(grids, VERSION_NAMES);
  const cells = grids.flatMap((grid) => grid.rows.flatMap((row) => row.cells));
  return {
    glyphs: style.ascii === true ? ASCII : UNICODE,
    colors: pc.createColors(style.color === true),
    width: widthOf(style),
    letters,
    starred: cells.some((cell) => cell.kind === 'version' && !letters.has(identityOf(cell.version))),
  };
}

/** What the letters and signs mean; at most LEGEND_LINES_MAX lines of versions, the merged ones first. */
function legend(chunks: readonly ChunkInput[], brush: Brush): string[] {
  const { glyphs, colors } = brush;
  // By the first list that has it, 0 is what there was before, and with the bytes of all its parts in that list.
  const versions = new Map<string, { readonly version: S3ChunkInfo; readonly chunk: number; len: number }>();
  let rest = 0;
  for (const [n, chunk] of chunks.entries()) {
    for (const version of chunk.versions) {
      const id = identityOf(version);
      if (!brush.letters.has(id)) {
        if (n === 0 && !version.zero) rest++;
        continue;
      }
      const named = versions.get(id);
      if (named === undefined) versions.set(id, { version, chunk: n, len: version.len });
      // A narrowed version may be several entries of one list.
      else if (named.chunk === n) named.len += version.len;
    }
  }
  const entries = [...brush.letters].flatMap(([id, letter]) => {
    const named = versions.get(id);
    if (named === undefined) return [];
    const isMerged = named.version.compaction !== 0n;
    const old = isMerged ? `#${named.version.chunkId} merged` : `#${named.version.chunkId}`;
    return [{ letter, isMerged, text: `${named.chunk > 0 ? 'new' : old} ${bytes(named.len)}` }];
  });
  const mergedFirst = entries.toSorted((a, b) => Number(b.isMerged) - Number(a.isMerged));
  const [light, middle, dark] = glyphs.shades;
  const d = glyphs.dash;
  const signs = [
    `${light} 2${d}3, ${middle} 4${d}9, ${dark} 10+ pieces`,
    `${glyphs.hole} hole`,
    '0 zeros',
    'a-9 as written',
    'A-Z merged',
    ...(rest > 0 ? [`${brush.starred ? '* others, ' : ''}${rest} more without a letter`] : []),
  ];
  return [...flow(mergedFirst, brush), ...wrapped(signs, brush.width).map(colors.dim)];
}

/** Items on as few lines as fit. */
function wrapped(items: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 3 + item.length <= width) lines[lines.length - 1] = `${last}   ${item}`;
    else lines.push(` ${item}`);
  }
  return lines;
}

/** Entries side by side in columns of equal width. */
function flow(entries: readonly { readonly letter: string; readonly text: string }[], brush: Brush): string[] {
  const column = Math.max(...entries.map(({ text }) => text.length), 0) + 5;
  const perLine = Math.max(1, Math.floor(brush.width / column));
  const lines: string[] = [];
  for (let at = 0; at < entries.length && lines.length < LEGEND_LINES_MAX; at += perLine) {
    const cells = entries.slice(at, at + perLine).map(({ letter, text }) => {
      return ` ${letterPaint(letter, brush)(letter)} ${text.padEnd(column - 3)}`;
    });
    lines.push(cells.join('').trimEnd());
  }
  const shown = lines.length * perLine;
  if (shown < entries.length) lines.push(` and ${entries.length - shown} more letters`);
  return lines;
}

/** The columns that a picture may take. */
function widthOf(style: PictureStyle): number {
  return Math.max(WIDTH_MIN, style.width ?? DEFAULT_WIDTH);
}
