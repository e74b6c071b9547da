/**
 * One text as it looks on several outputs, for golden files: 80 and 120 columns, without and with colours. Escapes are
 * printed so that a file can be read and compared. It decides nothing about what is in the text.
 */
import pc from 'picocolors';
import type { TextStyle } from '../../../src/cli/table.ts';

export const WIDTHS = [80, 120] as const;

export interface Look {
  readonly width: number;
  readonly color: boolean;
}

export const LOOKS: readonly Look[] = WIDTHS.flatMap((width) => [false, true].map((color) => ({ width, color })));

export function styleOf({ width, color }: Look): TextStyle {
  const { dim, bold, green, yellow, red } = pc.createColors(color);
  return { dim, bold, green, yellow, red, width };
}

/** All looks of one text in one file. */
export async function looksOf(render: (look: Look) => string | Promise<string>): Promise<string> {
  let file = '';
  for (const look of LOOKS) {
    const text = (await render(look)).replaceAll('\u001b', '<ESC>').trimEnd();
    file += `==== ${look.width} columns, ${look.color ? 'colours' : 'no colours'}\n${text}\n`;
  }
  return file;
}

/** Lines that are wider than the look: a terminal would break them in the middle of a word. */
export function tooWide(text: string, { width }: Pick<Look, 'width'>): readonly string[] {
  // One word that is wider than a line cannot be helped.
  return text.split('\n').filter((line) => line.length > width && line.trim().includes(' '));
}
