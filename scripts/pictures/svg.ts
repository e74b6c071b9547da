/**
 * The few shapes that the pictures of docs/design.md are made of, as plain SVG text: the same arguments give the same text.
 * It stands alone so that a picture is only its data and where they stand. It must know nothing of what it draws.
 */

export const INK = '#24292f';
export const QUIET = '#6e7781';
export const COLORS = ['#8ecae6', '#ffb703', '#a7c957', '#e5989b', '#cdb4db'] as const;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A whole picture on white, with a title for those who cannot see it. */
export function picture(title: string, size: readonly [number, number], shapes: readonly string[]): string {
  const [width, height] = size;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="13" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...shapes,
    '</svg>',
    '',
  ].join('\n');
}

export function rect(box: Box, fill: string, dashed = false): string {
  const { x, y, width, height } = box;
  const line = dashed ? ' stroke-dasharray="4 3"' : '';
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="3" fill="${fill}" stroke="${INK}"${line}/>`;
}

export function text(
  at: readonly [number, number],
  words: string,
  more: { bold?: true; middle?: true; color?: string } = {},
): string {
  const bold = more.bold === true ? ' font-weight="bold"' : '';
  const middle = more.middle === true ? ' text-anchor="middle"' : '';
  return `<text x="${at[0]}" y="${at[1]}" fill="${more.color ?? INK}"${bold}${middle}>${escaped(words)}</text>`;
}

/** Lines of text below each other. */
export function lines(at: readonly [number, number], words: readonly string[], color = INK): string {
  return words.map((line, n) => text([at[0], at[1] + n * 17], line, { color })).join('\n');
}

/** A line with a point at its end. */
export function arrow(from: readonly [number, number], to: readonly [number, number]): string {
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  const wing = (turn: number): string => {
    const at = angle + Math.PI + turn;
    return `${(to[0] + 9 * Math.cos(at)).toFixed(1)},${(to[1] + 9 * Math.sin(at)).toFixed(1)}`;
  };
  return [
    `<line x1="${from[0]}" y1="${from[1]}" x2="${to[0]}" y2="${to[1]}" stroke="${INK}"/>`,
    `<polygon points="${to.join(',')} ${wing(0.4)} ${wing(-0.4)}" fill="${INK}"/>`,
  ].join('');
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
