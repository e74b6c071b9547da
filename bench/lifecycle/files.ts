/**
 * Where the bench keeps what it shows: figures.json, and from it the picture and the tables of docs/performance.md. A test
 * holds the three together, and the figures against a replay. It must not compute any figure.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Figures } from './figures.ts';
import { drawFigures } from './picture.ts';
import { markdownTables } from './report.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** Those that the planner's constants were set with. */
export const BUILT_IN = at('lives');
/** Those that came later. */
export const MORE = at('lives/more');
export const FIGURES = at('figures.json');
export const PICTURE = at('../../docs/lifecycle.svg');
export const PAGE = at('../../docs/performance.md');

export interface KeptFigures {
  readonly real: Figures;
  readonly madeUp: Figures;
}

/** Path and text of each file that shows the figures. */
export function keptFiles(figures: KeptFigures): Record<string, string> {
  return {
    [FIGURES]: `${JSON.stringify(figures, null, 2)}\n`,
    [PICTURE]: drawFigures(figures.real),
    [PAGE]: withSection(
      withSection(readFileSync(PAGE, 'utf8'), 'lifecycle', figures.real),
      'made-up lives',
      figures.madeUp,
    ),
  };
}

/** The page with the tables between its two comments renewed. */
function withSection(page: string, name: string, figures: Figures): string {
  const begin = `<!-- ${name}: npm run bench:lifecycle -- --write -->\n`;
  const end = `<!-- end of ${name} -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no section "${name}"`);
  return `${page.slice(0, from)}${begin}\n${markdownTables(figures)}\n\n${page.slice(to)}`;
}
