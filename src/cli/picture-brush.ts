/**
 * How pictures look: glyphs, colours, which version gets which letter, and the legend that explains them. It stands
 * alone so that `picture.ts` only lays out rows. A version has one letter in all grids of a drawing. Pure.
 */
import pc from 'picocolors';
import type { S3ChunkInfo } from '../model.ts';
import type { ChunkInput } from '../plan/index.ts';
import { type Cell, CLIENT_LETTERS, type Grid, identityOf, lettersOf, VERSION_NAMES } from '../view/cells.ts';
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
const LEGEND_LINES_MAX = 4;

interface Glyphs {
  readonly hole: string;
  readonly edge: string;
  readonly becomes: string;
  readonly rule: string;
  readonly dash: string;
  /** Shades for cells of 2-3, 4-9 and more pieces. */
  readonly shades: readonly [string, string, string];
}
const UNICODE: Glyphs = { hole: '·', edge: '│', becomes: '→', rule: '─', dash: '–', shades: ['░', '▒', '▓'] };
const ASCII: Glyphs = { hole: '.', edge: '|', becomes: '>', rule: '-', dash: '-', shades: ['-', '+', '%'] };

export type Paint = (text: string) => string;

/** The brush of one drawing: glyphs, colours and the letters that versions have in all its grids. */
export interface Brush {
  readonly glyphs: Glyphs;
  readonly colors: ReturnType<typeof pc.createColors>;
  readonly width: number;
  readonly letters: ReadonlyMap<string, string>;
  /** Letters ran out: some versions that own whole cells are drawn as stars. */
  readonly starred: boolean;
}

export function glyphOf(cell: Cell, brush: Brush): string {
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
      return brush.letters.get(identityOf(cell.version)) ?? unnamed(cell.version);
  }
}

export function paintOf(cell: Cell, glyph: string, brush: Brush): Paint {
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

function unnamed(version: S3ChunkInfo): string {
  return version.compaction === 0n ? '*' : '@';
}

export function brushOf(style: PictureStyle, grids: readonly Grid[]): Brush {
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

interface NamedVersion {
  readonly version: S3ChunkInfo;
  /** The first list that has it: 0 is what there was before. */
  readonly chunk: number;
  /** Bytes of all its parts in that list. */
  len: number;
}

/** What the letters and signs mean; at most LEGEND_LINES_MAX lines of versions, the merged ones first. */
export function legend(chunks: readonly ChunkInput[], brush: Brush): string[] {
  const { glyphs, colors } = brush;
  const versions = new Map<string, NamedVersion>();
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
  const mergedFirst = [...entries.filter((entry) => entry.isMerged), ...entries.filter((entry) => !entry.isMerged)];
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
export function widthOf(style: PictureStyle): number {
  return Math.max(WIDTH_MIN, style.width ?? DEFAULT_WIDTH);
}
