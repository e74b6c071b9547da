/**
 * Text that fits a terminal: tables without borders and paragraphs, both wrapped between words, never inside one. It
 * stands alone because every command prints such text. Where the width is not known (a pipe), nothing is wrapped, so
 * that a line for `grep` stays one. It must not know what the text says.
 */
import { stripVTControlCharacters } from 'node:util';

interface Column {
  readonly head: string;
  readonly align?: 'left';
  /** Its cells are wrapped where the table is wider than the output; one for each table. */
  readonly wrap?: true;
}

/** A column of words. */
export function left(head: string): Column {
  return { head, align: 'left' };
}

/** The column of words that gives way. */
export function wrapped(head: string): Column {
  return { head, align: 'left', wrap: true };
}

interface TableStyle {
  readonly dim: (text: string) => string;
  /** Columns of the output; absent: no limit. */
  readonly width?: number;
}

/** How text looks: escapes on a terminal, nothing elsewhere. */
export interface TextStyle extends TableStyle {
  readonly bold: (text: string) => string;
  /** Something is well; waits or may become bad; needs a person. */
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly red: (text: string) => string;
}

/** A wrapped column narrower than this goes below its row. */
const WRAPPED_MIN = 24;
const BELOW = 5;
const CONTINUED = 2;

/**
 * Rows under plain headings; a heading alone is a column of numbers, to the right. Padded by hand: table packages take
 * seconds for some thousand rows, and lists here have any length.
 */
export function table(
  headings: readonly (Column | string)[],
  rows: readonly (readonly string[])[],
  style: TableStyle,
): string {
  const columns = headings.map((one): Column => (typeof one === 'string' ? { head: one } : one));
  const heads = columns.map(({ head }) => head);
  const widths = heads.map((head) => head.length);
  for (const row of rows) {
    for (const [n, cell] of row.entries()) widths[n] = Math.max(widths[n] ?? 0, visibleLength(cell));
  }
  const whole = widths.reduce((sum, width) => sum + width + 2, -1);
  const at = columns.findIndex(({ wrap }) => wrap === true);
  const room = (style.width ?? Number.POSITIVE_INFINITY) - whole + (widths[at] ?? 0);
  const line = (cells: readonly string[]) => lineOf(cells, columns, widths);
  if (at < 0 || room >= (widths[at] ?? 0)) return [style.dim(line(heads)), ...rows.map(line)].join('\n');
  const below = room < WRAPPED_MIN;
  widths[at] = below ? (heads[at]?.length ?? 0) : room;
  const indent = below ? BELOW : widths.slice(0, at).reduce((sum, width) => sum + width + 2, 1);
  const head = line(heads);
  const fits = visibleLength(head) <= (style.width ?? 0);
  const shorter = [line(heads.map((one, n) => (n === at ? '' : one))), ' '.repeat(indent) + (heads[at] ?? '')];
  const headLines = (fits ? [head] : shorter).map(style.dim);
  const wrapped = rows.flatMap((row) => {
    const width = (style.width ?? 0) - indent;
    const [first = '', ...rest] = wrapWords(row[at] ?? '', below ? width : room);
    const text = line(row.map((cell, n) => (n === at ? (below ? '' : first) : cell)));
    return [text, ...(below && first !== '' ? [first] : []).concat(rest).map((part) => ' '.repeat(indent) + part)];
  });
  return [...headLines, ...wrapped].join('\n');
}

/** What is saved, in the rows of `src/view/gain.ts`. */
export function gainTable(rows: readonly (readonly string[])[], style: TextStyle): string {
  return table([left(''), 'before', 'after', 'saved'], rows, style);
}

function lineOf(cells: readonly string[], columns: readonly Column[], widths: readonly number[]): string {
  const padded = cells.map((cell, n) => {
    const space = ' '.repeat(Math.max(0, (widths[n] ?? 0) - visibleLength(cell)));
    return columns[n]?.align === 'left' ? cell + space : space + cell;
  });
  return ` ${padded.join('  ')}`.trimEnd();
}

/** A paragraph; its lines after the first begin below the text that follows `first`, such as a heading or a mark. */
export function paragraph(first: string, text: string, width = Number.POSITIVE_INFINITY): string {
  const indent = visibleLength(first);
  const [begin = '', ...rest] = wrapWords(text, Math.max(WRAPPED_MIN, width - indent));
  return [`${first}${begin}`.trimEnd(), ...rest.map((part) => ' '.repeat(indent) + part)].join('\n');
}

/** What is wider than the output, wrapped between words; continued lines stand a little to the right. */
export function fitted(text: string, width = Number.POSITIVE_INFINITY): string {
  return text
    .split('\n')
    .map((line) => {
      if (visibleLength(line) <= width) return line;
      const words = line.trimStart();
      const indent = line.length - words.length;
      const [first = '', ...rest] = wrapWords(words, Math.max(WRAPPED_MIN, width - indent - CONTINUED));
      return [' '.repeat(indent) + first, ...rest.map((part) => ' '.repeat(indent + CONTINUED) + part)].join('\n');
    })
    .join('\n');
}

/** Lines of whole words; a word longer than a line has one of its own. */
function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  let length = 0;
  for (const word of text.split(' ')) {
    const size = visibleLength(word);
    if (line !== '' && length + 1 + size > width) {
      lines.push(line);
      line = word;
      length = size;
      continue;
    }
    length += size + (line === '' ? 0 : 1);
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

/** Length without the escapes of colours. */
function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
